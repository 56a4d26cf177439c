"""Items by words, neighbours, and doubles, against plain loops."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.bundles.bundle import open_bundle
from workbench.explore.find_items import equal_texts, equal_vectors, groups_of, named, neighbours


@pytest.fixture(scope="module")
def bundle(small_runs, tmp_path_factory):
    run = small_runs.write_run(tmp_path_factory.mktemp("find"))
    return open_bundle(next((run / "bundles").iterdir()))


def test_words_find_every_text_that_holds_them_and_an_id_its_item_first(bundle):
    found = named(bundle, "CROSS").tolist()
    assert found == [row for row in range(len(bundle.items)) if "cross" in bundle.words(row).lower()]
    assert found
    identity = str(bundle.items["item"].iat[9])
    assert named(bundle, identity).tolist() == [9]
    assert named(bundle, "").tolist() == list(range(len(bundle.items)))
    assert not len(named(bundle, "no such (words"))


def test_neighbours_are_the_largest_cosines_without_the_item(bundle):
    cosine = bundle.vectors @ bundle.vectors[3]
    order = [row for row in np.argsort(-cosine, kind="stable") if row != 3]
    found = neighbours(bundle, 3, 10)
    assert found.rows.tolist() == order[:10]
    np.testing.assert_allclose(found.similarities, cosine[order[:10]], atol=1e-6)
    every = neighbours(bundle, 3, 10_000)
    assert sorted([*every.rows.tolist(), 3]) == list(range(len(bundle.items)))


def test_equal_vectors_are_grouped_bit_for_bit():
    drawn = np.random.default_rng(0).normal(size=(50, 6)).astype(np.float32)
    drawn[[7, 20, 33]] = drawn[1]
    drawn[40] = drawn[2]
    drawn[41] = np.nextafter(drawn[2], np.float32(2))
    assert [group.tolist() for group in map(equal_vectors(drawn).__getitem__, range(2))] == [[1, 7, 20, 33], [2, 40]]
    assert len(equal_vectors(drawn)) == 2


def test_vectors_of_one_hash_that_differ_are_told_apart(monkeypatch):
    monkeypatch.setattr("workbench.explore.find_items.SEEDED", 0)
    vectors = np.eye(3, dtype=np.float32)[[0, 1, 0, 2, 1]]
    groups = equal_vectors(vectors)
    assert sorted(groups[each].tolist() for each in range(len(groups))) == [[0, 2], [1, 4]]


def test_texts_are_the_same_but_for_case_and_space_and_pictures_are_left_out(bundle):
    words = ["A  cat", "a cat ", "a dog", "[image] a cat", "[image] a cat", "", ""]
    items = pd.DataFrame({"text": words, "modality": ["text"] * 3 + ["image+text"] * 2 + ["text"] * 2})
    groups = equal_texts(replace(bundle, items=items))
    assert sorted(groups[each].tolist() for each in range(len(groups))) == [[0, 1], [5, 6]]


@given(st.lists(st.integers(-2, 4)))
def test_groups_are_those_of_a_dictionary(keys):
    expected: dict[int, list[int]] = {}
    for place, key in enumerate(keys):
        expected.setdefault(key, []).append(place)
    groups = groups_of(np.array(keys, dtype=np.int64), left_out=-1)
    found = [groups[each].tolist() for each in range(len(groups))]
    assert sorted(found) == sorted(group for key, group in expected.items() if len(group) > 1 and key != -1)
    assert [len(group) for group in found] == sorted(map(len, found), reverse=True)
