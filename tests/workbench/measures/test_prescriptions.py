"""Findings: each appears when its cause is there, and only then, with the failures that it explains and their base."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from core.evaluation.embedded import distinct_items
from workbench.bundles.bundle import open_bundle
from workbench.measures import findings_of_answers as answers
from workbench.measures import findings_of_space as spaces
from workbench.measures.finding import Evidence, without_training
from workbench.measures.prescriptions import examined, prescriptions


@pytest.fixture
def bundle(bundle_folder):
    return open_bundle(bundle_folder)


def evidence_of(bundle):
    return Evidence(bundle, bundle.numbers(None))


def with_pools(bundle, **fields):
    """Evidence whose pools have some other fields."""
    found = evidence_of(bundle)
    found.__dict__["pools"] = replace(found.pools, **fields)
    return found


def perfect(small_runs, folder):
    """A bundle where every query lies exactly on its right answer."""
    tasks = small_runs.small_tasks()
    items = distinct_items(tasks)
    row = {item.content_id: number for number, item in enumerate(items)}
    drawn = np.random.default_rng(0).normal(size=(len(items), 200))
    for task in tasks:
        for ranking in task.rankings:
            drawn[row[ranking.query.content_id]] = drawn[row[ranking.candidates[0].content_id]]
    vectors = (drawn / np.linalg.norm(drawn, axis=1, keepdims=True)).astype(np.float32)
    small_runs.write_small_bundle(folder, tasks, vectors)
    return open_bundle(folder)


def test_a_model_without_fault_has_no_finding_that_explains_failures(small_runs, tmp_path):
    found = examined(evidence_of(perfect(small_runs, tmp_path / "bundle")))
    assert [each for each in found.findings if each.failures] == []
    assert {each.cause for each in found.findings} <= {"true hardness not followed"}
    assert all(each.share == 0 and each.base == 0 for each in found.findings)


def test_random_vectors_are_at_chance(bundle):
    (finding,) = answers.at_chance(evidence_of(bundle))
    failed = bundle.rankings["hit"] < 1
    weak = set(finding.datasets)
    assert finding.failures == int((failed & bundle.rankings["dataset"].isin(weak)).sum())
    assert finding.base == int(failed.sum())
    assert finding.share == pytest.approx(finding.failures / finding.base)
    assert finding.state["dataset"] == finding.datasets[0]


def test_a_collapse_explains_all_and_keeps_what_follows_from_it_silent(bundle):
    vectors = np.array(bundle.vectors) * 0.05
    vectors[:, 0] = 1
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    alike = replace(bundle, vectors=vectors)
    found = examined(evidence_of(alike))
    assert [each.cause for each in found.findings] == ["collapse"]
    assert found.findings[0].failures == found.findings[0].base == int((bundle.rankings["hit"] < 1).sum())
    assert [each.name for each in found.findings[0].measured] == ["Centring by side"]
    assert found.suspects == ""
    assert answers.at_chance(evidence_of(alike)) != []  # it would have been said


def test_zero_vectors_and_the_failures_of_their_queries(bundle):
    failing = int(np.flatnonzero(bundle.rankings["hit"] < 1)[0])
    vectors = np.array(bundle.vectors)
    item = int(bundle.rankings["query"].iloc[failing])
    vectors[item] = 0
    touched = (bundle.rankings["query"] == item) | (bundle.rankings["positive"] == item)
    (finding,) = spaces.zero_vectors(evidence_of(replace(bundle, vectors=vectors, zero_vectors=1)))
    assert finding.failures == int((touched & (bundle.rankings["hit"] < 1)).sum()) >= 1
    assert spaces.zero_vectors(evidence_of(bundle)) == []


def test_near_misses_are_a_share_of_all_failures(bundle):
    first = bundle.negatives["place"] == 1
    negatives = bundle.negatives.assign(true_hardness=np.where(first, 1, 3))
    (finding,) = answers.near_misses(evidence_of(replace(bundle, negatives=negatives)))
    failed, several = bundle.rankings["hit"] < 1, bundle.rankings["asks"].map(len) > 1
    assert finding.failures == int((failed & several).sum())
    assert finding.base == int(failed.sum()) > finding.failures
    assert answers.near_misses(evidence_of(replace(bundle, negatives=negatives.assign(true_hardness=3)))) == []


def test_false_negatives_explain_failures_that_end_without_them(bundle):
    pools = evidence_of(bundle).pools
    hardness = np.where(pools.wrong, 1.0, np.nan)
    row = int(np.flatnonzero(bundle.rankings["hit"] == 0)[0])
    own = pools.similarity[row][pools.positive[row]].max()
    hardness[row, pools.wrong[row] & (pools.similarity[row] > own)] = 0
    (finding,) = answers.false_negatives(with_pools(bundle, hardness=hardness))
    assert finding.failures == 1
    assert finding.measured[0].change.gains == 1
    assert finding.measured[0].change.losses == 0
    assert answers.false_negatives(with_pools(bundle, hardness=np.where(pools.wrong, 1.0, np.nan))) == []


def test_suspects_explain_only_failures_by_near_duplicates(small_runs, tmp_path):
    """Three failing queries: two by a copy of the right answer that lies a little nearer, one by something else."""
    tasks = small_runs.small_tasks(("look-alike",))
    tasks = [replace(task, rankings=tuple(replace(each, asks=()) for each in task.rankings)) for task in tasks]
    items = distinct_items(tasks)
    row = {item.content_id: number for number, item in enumerate(items)}
    vectors = np.random.default_rng(0).normal(size=(len(items), 300))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    for number, ranking in enumerate(tasks[0].rankings):
        query, answer, wrong = (
            row[each.content_id] for each in (ranking.query, ranking.candidates[0], ranking.candidates[1])
        )
        vectors[query] += vectors[answer]
        if number < 2:
            vectors[wrong] = vectors[answer] + 0.1 * vectors[query]
        if number == 2:
            vectors[wrong] = vectors[query]
    vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    small_runs.write_small_bundle(tmp_path / "bundle", tasks, vectors)
    evidence = evidence_of(open_bundle(tmp_path / "bundle"))
    (finding,) = answers.suspected(evidence)
    assert (finding.failures, finding.base) == (2, 3)
    assert finding.measured[0].change.gains == 2
    words = answers.suspects_in_words(evidence)
    assert words.startswith("2 suspects in 2 of 6 queries: 0 just below")
    assert "2 nearly the right answer itself (2 above it, 0 below)" in words
    assert "1 more reach 95 % of it only because their query fails" in words


def test_the_worst_group_is_left_behind(bundle):
    hit = np.where(bundle.rankings["dataset"] == "story", 0.0, 1.0)
    evidence = evidence_of(replace(bundle, rankings=bundle.rankings.assign(hit=hit)))
    groups = bundle.rankings["dataset"].astype(str).to_numpy(dtype=object)
    assert answers.behind(evidence, "data set", groups) == []  # six queries are too few to say so
    halves = np.where(groups == "story", "b", np.where(groups == "clips", "b", "a")).astype(object)
    evidence.__dict__.clear()
    evidence.__dict__.update(
        bundle=replace(bundle, rankings=bundle.rankings.assign(hit=np.where(halves == "b", 0.0, 1.0))),
        numbers=bundle.numbers(None),
    )
    (finding,) = answers.behind(evidence, "language", halves)
    assert finding.cause == "language left behind"
    assert (finding.failures, finding.base) == (12, 12)
    assert set(finding.datasets) == {"story", "clips"}


def test_transfer_is_told_only_where_it_is_known_what_was_trained(bundle):
    inside = bundle.rankings["in_distribution"].to_numpy(dtype=bool)
    found = replace(bundle, rankings=bundle.rankings.assign(hit=np.where(inside, 1.0, 0.0)))
    (finding,) = answers.transfer_gap(evidence_of(found))
    assert finding.failures == finding.base == int((~inside).sum())
    for unknown in ({"objective": None}, {"suite": {"name": "own", "origin": "imported", "model": "x"}}):
        manifest = {**bundle.manifest, **unknown}
        elsewhere = replace(found, manifest=manifest)
        if elsewhere.imported is None and elsewhere.objective_settings is not None:
            continue
        assert answers.transfer_gap(evidence_of(elsewhere)) == []


def test_similarity_that_follows_the_truth_is_no_fault(bundle):
    pools = evidence_of(bundle).pools
    assert answers.truth_not_followed(with_pools(bundle, similarity=np.where(pools.wrong, -pools.hardness, 1.0))) == []
    (finding,) = answers.truth_not_followed(with_pools(bundle, similarity=np.where(pools.wrong, pools.hardness, 1.0)))
    assert "rank correlation -1.00" in finding.text


def test_queries_that_give_their_answer_away(bundle):
    assert answers.leakage(evidence_of(bundle)) == []
    rankings = bundle.rankings.copy()
    rankings.loc[:2, "query"] = rankings.loc[:2, "positive"]
    (finding,) = answers.leakage(evidence_of(replace(bundle, rankings=rankings)))
    assert finding.text.startswith("3 of 24 queries")


def test_findings_are_by_share_and_lead_into_the_bundle(bundle):
    found = prescriptions(evidence_of(bundle))
    assert found
    shares = [each.share for each in found]
    assert shares == sorted(shares, reverse=True)
    for each in found:
        assert each.view in ("similarity", "hard_negatives", "pair_weights")
        assert each.state.get("dataset", "shape") in bundle.datasets
        assert each.measured or each.note
    assert prescriptions(Evidence(bundle, np.empty(0, dtype=np.int64))) == []


def test_every_cure_without_training_is_measured_on_the_same_queries(bundle):
    evidence = Evidence(bundle, bundle.numbers("story"))
    cures, found = without_training(evidence), examined(evidence)
    assert [each.name for each in cures if each.name != "Suspects left out"] == [
        "Centring by side", "Hub correction (CSLS)", "First 8 numbers", "First 4 numbers", "8 bits a number",
    ]  # fmt: skip
    hit = bundle.rankings["hit"][bundle.rankings["dataset"] == "story"].mean()
    for each in cures:
        assert each.change.before == pytest.approx(hit)
        assert each.change.n == 6
    assert (found.queries, found.pools) == (6, 6)


def test_most_first():
    assert answers.most_first(np.array(["b", "a", "a"], dtype=object)) == ("a", "b")
    assert answers.most_first(pd.Series([], dtype=object).to_numpy()) == ()
