"""The state of a bundle's space: each number is that of its measure, and its baseline what a random bundle gives."""

import numpy as np
import pytest

from core.evaluation.embedded import distinct_items
from workbench.bundles.bundle import open_bundle
from workbench.measures import geometry, hubness, space


@pytest.fixture
def bundle(bundle_folder):
    return open_bundle(bundle_folder)


def measured(bundle, dataset):
    """All measures of a data set."""
    parts = space.parts_of(bundle, dataset)
    return space.space(bundle, parts, space.hubness_of(bundle, parts))


@pytest.mark.parametrize("dataset", [None, "look-alike", "shape"])
def test_random_vectors_are_like_their_baselines(bundle, dataset):
    found = {each.name: each for each in measured(bundle, dataset)}
    for name in ("uniformity", "effective rank", "participation ratio"):
        assert found[name].value == pytest.approx(found[name].baseline, rel=0.25)
    assert found["alignment"].value == pytest.approx(found["alignment"].baseline, abs=0.6)
    assert found["mean cosine"].value == pytest.approx(0, abs=0.1)
    assert found["probe of the side"].baseline == 0.5
    for each in found.values():
        each.form.format(each.value)
        assert each.meaning.endswith(".")


def test_p_at_1_is_that_of_the_evaluator(bundle):
    for dataset in (None, "story"):
        found = {each.name: each for each in measured(bundle, dataset)}
        rows = bundle.rankings if dataset is None else bundle.rankings.loc[bundle.rankings["dataset"] == dataset]
        assert found["P@1"].value == pytest.approx(rows["hit"].mean())
        assert found["P@1"].baseline == pytest.approx(rows["chance"].mean())


def test_a_gap_between_queries_and_candidates_is_seen_and_closed(small_runs, tmp_path):
    """Queries equal to their answers but for one direction, in which candidates differ: closing it finds them again."""
    tasks = small_runs.small_tasks(("look-alike",))
    items = distinct_items(tasks)
    row = {item.content_id: number for number, item in enumerate(items)}
    vectors = np.random.default_rng(0).normal(size=(len(items), 12))
    vectors[:, 0] = 1.5 * np.random.default_rng(1).normal(size=len(items)) - 4
    for ranking in tasks[0].rankings:
        query, answer = (row[each.content_id] for each in (ranking.query, ranking.candidates[0]))
        vectors[query] = vectors[answer]
        vectors[query, 0] = 4
    unit = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    small_runs.write_small_bundle(tmp_path / "bundle", tasks, unit)
    found = {each.name: each for each in measured(open_bundle(tmp_path / "bundle"), None)}
    assert found["gap"].value > 0.9 > 0.6 > found["gap"].baseline
    assert found["probe of the side"].value == 1
    assert found["P@1, gap closed"].value == 1 > found["P@1"].value


def test_within_and_across():
    vectors = np.random.default_rng(0).normal(size=(50, 6))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    rows, others = np.arange(0, 50, 3), np.setdiff1d(np.arange(50), np.arange(0, 50, 3))
    cosine = vectors @ vectors.T
    every = space.sums_of(vectors, np.arange(50))
    within, across = space.within_and_across(space.sums_of(vectors, rows), every)
    assert within == pytest.approx(cosine[np.ix_(rows, rows)][~np.eye(len(rows), dtype=bool)].mean())
    assert across == pytest.approx(cosine[np.ix_(rows, others)].mean())
    assert np.isnan(space.within_and_across(space.sums_of(vectors, rows[:1]), every)).all()
    assert np.isnan(space.within_and_across(every, every)).all()


@pytest.mark.parametrize("name", ["ROWS_AT_ONCE"])
def test_sums_and_shares_do_not_depend_on_blocks(monkeypatch, name):
    vectors = geometry.isotropic(40, 5)
    centred = vectors - vectors.mean(axis=0)
    _, values, directions = np.linalg.svd(centred, full_matrices=False)
    points = centred @ directions[:2].T
    expected = np.square(values[:2]).sum() / np.square(values).sum()
    whole = space.sums_of(vectors, np.arange(40))
    monkeypatch.setattr(space, name, 7)
    assert space.plane_share(vectors, points) == pytest.approx(expected, rel=1e-5)
    np.testing.assert_allclose(space.sums_of(vectors, np.arange(40)).total, whole.total)
    assert space.plane_share(np.ones((9, 4)) / 2, np.zeros((9, 2))) == 0


def test_a_collapsed_space_is_called_so():
    alike = np.ones((30, 4), dtype=np.float32) / 2
    near = alike + np.random.default_rng(0).normal(size=(30, 4)) * 0.01
    for vectors in (alike, near / np.linalg.norm(near, axis=1, keepdims=True), np.zeros((30, 4))):
        assert space.collapse(vectors)
    found = space.collapse(geometry.isotropic(30, 4))
    assert not found
    assert found.variance == pytest.approx(1 - np.square(geometry.isotropic(30, 4).mean(axis=0)).sum(), rel=1e-4)
    assert not space.collapse(np.zeros((0, 4)))


def test_large_bundles_are_measured_by_samples_that_are_told(bundle, monkeypatch):
    for name, most in (("MOST", 10), ("MOST_CANDIDATES", 12)):
        monkeypatch.setattr(space, name, most)
    over = {each.name: each.over for each in measured(bundle, None)}
    every = len(bundle.candidates.union(space.parts_of(bundle, None).rankings, len(bundle.items)))
    assert over["largest N_10"] == f"10 queries, 12 of {every:,} candidates"
    assert over["P@1"] == "10 queries"
    assert over["uniformity"].startswith("10 of ")


def test_hubness_does_not_depend_on_blocks(monkeypatch):
    queries, items = geometry.isotropic(40, 8), geometry.isotropic(30, 8, 1)
    whole = hubness.hubness(queries, items)
    monkeypatch.setattr(hubness, "BYTES_AT_ONCE", 3 * 30 * 8 * hubness.COPIES)
    np.testing.assert_allclose(hubness.hubness(queries, items).counts, whole.counts)
