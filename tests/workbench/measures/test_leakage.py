"""What training recorded and twins of items, planted in a small bundle."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from core.data.records import Image, Item, RankingTask, Text
from core.evaluation.embedded import distinct_items
from workbench.bundles.bundle import open_bundle
from workbench.measures import leakage


@pytest.fixture(scope="module")
def bundle(written_run):
    return open_bundle(written_run / "bundles" / "000010-miniature")


def write_pairs(run, name, rows):
    (run / "pairs").mkdir(exist_ok=True, parents=True)
    columns = ["query_id", "positive_id"]
    pq.write_table(
        pa.table({column: [row[place] for row in rows] for place, column in enumerate(columns)}), run / "pairs" / name
    )


def test_records_of_all_steps_and_ranks_are_joined_and_broken_ones_named(run):
    write_pairs(run, "000001-rank0.parquet", [("a", "b"), ("a", "b")])
    write_pairs(run, "000002-rank1.parquet", [("a", "b"), ("c", "d")])
    (run / "pairs" / "000003-rank0.parquet").write_bytes(b"PAR1")
    pq.write_table(pa.table({"other": [1]}), run / "pairs" / "000004-rank0.parquet")
    found = leakage.recorded_pairs(run)
    assert sorted(found.pairs.itertuples(index=False, name=None)) == [("a", "b"), ("c", "d")]
    assert found.files == 4
    assert [problem.partition(" ")[0] for problem in found.problems] == ["000003-rank0.parquet", "000004-rank0.parquet"]
    assert found.runs == ("good",)


def test_a_run_without_records_has_no_pairs(run):
    found = leakage.recorded_pairs(run)
    assert found.pairs.empty
    assert found.problems == ()


def test_trained_pairs_queries_and_answers(bundle):
    ids = bundle.items["item"].str.slice(0, 15).to_numpy()
    query, positive = (bundle.rankings[name].to_numpy() for name in ("query", "positive"))
    pairs = pd.DataFrame(
        {"query_id": [ids[query[0]], ids[query[3]], "x"], "positive_id": [ids[positive[0]], "y", ids[positive[5]]]}
    )
    numbers = np.arange(8)
    found = leakage.trained(bundle, numbers, pairs)
    known = set(pairs["query_id"]) | set(pairs["positive_id"])
    together = set(zip(pairs["query_id"], pairs["positive_id"], strict=True))
    for number in numbers:
        right = bundle.candidates.right[int(number)]
        assert found["trained pair"][number] == any((ids[query[number]], ids[each]) in together for each in right)
        assert found["trained query"][number] == (ids[query[number]] in known)
        assert found["trained answer"][number] == any(ids[each] in known for each in right)
    assert found["trained pair"][0]
    assert not leakage.trained(bundle, numbers, pairs.iloc[:0])["trained query"].any()


@pytest.fixture(scope="module")
def twinned(small_runs, tmp_path_factory):
    """Each query's second candidate is its right answer in other letters; a picture is kept with its words changed."""
    (task,) = small_runs.small_tasks(("look-alike",), queries=3, pool=4)
    rankings = []
    for number, each in enumerate(task.rankings):
        picture = next(part for part in each.candidates[0].parts if isinstance(part, Image))
        words = f"number {number}, a caption that is long enough"
        right, twin, other = (
            Item((picture, Text(said))) for said in (words, words.upper() + "!", f"not {number} alike at all")
        )
        rankings.append(replace(each, query=Item((Text(words),)), candidates=(right, twin, other), right=(0,), asks=()))
    tasks = [RankingTask("own", "retrieval", False, tuple(rankings))]
    vectors = np.random.default_rng(0).normal(size=(len(distinct_items(tasks)), 8)).astype(np.float32)
    folder = tmp_path_factory.mktemp("twins") / "bundle"
    small_runs.write_small_bundle(folder, tasks, vectors / np.linalg.norm(vectors, axis=1, keepdims=True))
    return open_bundle(folder)


def test_twins_of_the_right_answer_are_found(twinned):
    numbers = np.arange(3)
    twins = leakage.item_twins(twinned, leakage.items_of(twinned, numbers), 0.9)
    pairs = leakage.twin_pairs(twinned, numbers, twins)
    assert pairs["query"].tolist() == [0, 1, 2]
    for pair in pairs.to_dict("records"):
        assert twinned.words(pair["two"]).lower() == twinned.words(pair["one"]).lower() + "!"
    assert twins.unseen == 0
    assert twins.pictures == len(
        {part["thumbnail"] for row in twins.rows for part in twinned.parts(row) if "thumbnail" in part}
    )
    assert leakage.copies(twinned, numbers, twins).empty  # the query has the words, and no picture


def test_a_query_that_says_its_answer_is_a_copy(twinned):
    twins = leakage.Twins(np.arange(len(twinned.items)), np.zeros(len(twinned.items), dtype=np.int64), 0, 0)
    found = leakage.copies(twinned, np.array([1]), twins)
    assert found["query"].tolist() == [1]
    assert found["one"].tolist() == [int(twinned.rankings["query"].iloc[1])]


def test_pictures_beyond_the_limit_match_only_themselves(twinned, monkeypatch):
    monkeypatch.setattr(leakage, "MOST_PICTURES", 1)
    twins = leakage.item_twins(twinned, leakage.items_of(twinned, np.arange(3)), 0.9)
    assert twins.pictures + twins.unseen == 3
    assert len(leakage.twin_pairs(twinned, np.arange(3), twins)) == 3


def test_the_models_twins_are_pairs_by_its_vectors(bundle):
    numbers = np.arange(10)
    found = leakage.model_twins(bundle, numbers, 0.1)
    expected = []
    for number in numbers:
        positive = int(bundle.rankings["positive"].iloc[number])
        for negative in bundle.hardest(int(number)):
            cosine = float(bundle.vectors[positive] @ bundle.vectors[negative.item])
            expected += [(int(number), positive, negative.item)] * (cosine >= 0.1)
    assert sorted(found[["query", "one", "two"]].itertuples(index=False, name=None)) == sorted(expected)
    assert expected
    assert found["cosine"].is_monotonic_decreasing
