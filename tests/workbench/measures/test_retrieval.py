"""Hints: each appears when its cause is there, and only then."""

from dataclasses import replace

import numpy as np
import pytest

from core.evaluation.embedded import distinct_items
from workbench.bundles.bundle import open_bundle
from workbench.measures import hardness, retrieval


@pytest.fixture
def bundle(bundle_folder):
    return open_bundle(bundle_folder)


def told(bundle, check):
    return check(bundle, hardness.pools_of(bundle, np.arange(len(bundle.rankings))))


def perfect(small_runs, folder, right_answers=True):
    """A bundle where every query lies exactly on its right answer, or on its first wrong candidate."""
    tasks = small_runs.small_tasks()
    items = distinct_items(tasks)
    row = {item.content_id: number for number, item in enumerate(items)}
    drawn = np.random.default_rng(0).normal(size=(len(items), 200))
    for task in tasks:
        for ranking in task.rankings:
            aim = 0 if right_answers else 1
            drawn[row[ranking.query.content_id]] = drawn[row[ranking.candidates[aim].content_id]]
    vectors = (drawn / np.linalg.norm(drawn, axis=1, keepdims=True)).astype(np.float32)
    small_runs.write_small_bundle(folder, tasks, vectors)
    return open_bundle(folder)


def test_a_model_without_fault_gets_no_hint_about_scores(small_runs, tmp_path):
    bundle = perfect(small_runs, tmp_path / "bundle")
    for check in (retrieval.zero_vectors, retrieval.collapsed, retrieval.near_misses, retrieval.hubs):
        assert told(bundle, check) == []
    assert told(bundle, retrieval.false_negatives) == []
    assert told(bundle, retrieval.transfer_gap) == []
    assert told(bundle, retrieval.at_chance) == []


def test_random_vectors_are_at_chance(bundle):
    (hint,) = told(bundle, retrieval.at_chance)
    assert hint.view == "hard_negatives"
    assert hint.state["dataset"] in bundle.datasets
    assert hint.text.startswith("Not told from chance")


def test_collapsed_vectors(bundle):
    alike = replace(bundle, vectors=np.tile(bundle.vectors[:1], (len(bundle.vectors), 1)))
    (hint,) = retrieval.collapsed(alike, hardness.pools_of(alike, [0]))
    assert "1.000" in hint.text


def test_zero_vectors(bundle):
    assert "2 items" in retrieval.zero_vectors(replace(bundle, zero_vectors=2), hardness.pools_of(bundle, [0]))[0].text


def test_a_hub(bundle):
    shape = bundle.rankings["dataset"] == "shape"
    hub = int(bundle.negatives["negative"].iloc[0])
    negatives = bundle.negatives.copy()
    first = (negatives["place"] == 1) & shape.to_numpy()[negatives["ranking"]]
    negatives.loc[first, "negative"] = hub
    negatives.loc[negatives["place"] == 1, "above_positive"] = first[negatives["place"] == 1]
    hubbed = replace(bundle, negatives=negatives)
    table = retrieval.hub_table(hubbed)
    assert table["wins"].tolist() == [6]
    assert table["item"].tolist() == [hub]
    assert table["expected"].iloc[0] == pytest.approx(table["pools"].iloc[0] / 8)
    (hint,) = told(hubbed, retrieval.hubs)
    assert "hub in shape" in hint.text


def test_near_misses_count_only_where_several_attributes_are_asked(bundle):
    negatives = bundle.negatives.assign(above_positive=True, true_hardness=1)
    (hint,) = told(replace(bundle, negatives=negatives), retrieval.near_misses)
    assert hint.text.startswith("100%")
    assert hint.state["dataset"] != "shape"
    assert told(replace(bundle, negatives=negatives.assign(true_hardness=3)), retrieval.near_misses) == []


def test_true_false_negatives_are_reported(bundle):
    pools = hardness.pools_of(bundle, [0, 1])
    truth = pools.hardness.copy()
    truth[1, np.flatnonzero(pools.wrong[1])[:2]] = 0
    (hint,) = retrieval.false_negatives(bundle, replace(pools, hardness=truth))
    assert hint.text.startswith("2 candidates in 1 pools")


def test_similarity_that_follows_the_truth_is_no_fault(bundle):
    pools = hardness.pools_of(bundle, np.arange(len(bundle.rankings)))
    follows = replace(pools, similarity=np.where(pools.wrong, -pools.hardness, 1.0))
    assert retrieval.truth_not_followed(bundle, follows) == []
    against = replace(pools, similarity=np.where(pools.wrong, pools.hardness, 1.0))
    (hint,) = retrieval.truth_not_followed(bundle, against)
    assert "rank correlation -1.00" in hint.text
    assert hint.view == "pair_weights"


def test_every_hint_leads_to_a_view_and_a_state_of_the_bundle(small_runs, tmp_path):
    bundle = perfect(small_runs, tmp_path / "bundle", right_answers=False)
    found = retrieval.hints(bundle, hardness.pools_of(bundle, np.arange(len(bundle.rankings))))
    assert found
    for hint in found:
        assert hint.view in ("similarity", "hard_negatives", "pair_weights")
        assert set(hint.state) <= {"dataset", "failures"}
        assert hint.state.get("dataset", "shape") in bundle.datasets
