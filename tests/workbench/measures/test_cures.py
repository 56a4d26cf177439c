"""Cures: each is its sentence in numpy, and helps where its fault is."""

from dataclasses import replace

import numpy as np
import pytest

from core.evaluation.embedded import distinct_items
from workbench.bundles.bundle import open_bundle
from workbench.measures import cures, hardness


@pytest.fixture
def bundle(bundle_folder):
    return open_bundle(bundle_folder)


def pools_of(bundle):
    return hardness.pools_of(bundle, np.arange(len(bundle.rankings)))


def unit(rows):
    return rows / np.linalg.norm(rows, axis=-1, keepdims=True)


def plain(bundle, query, candidate):
    """Similarities pair by pair: query and candidate are functions of a row, and give its vector."""
    pools = pools_of(bundle)
    out = np.zeros(pools.candidates.shape)
    for row, number in enumerate(pools.rankings):
        asked = query(int(bundle.rankings["query"].iloc[number]))
        for column, item in enumerate(pools.candidates[row]):
            if item >= 0:
                out[row, column] = asked @ candidate(int(item))
    return out


def sides(bundle):
    """The mean of each side: of the distinct queries and of the distinct candidates, by modality."""
    pools, modality = pools_of(bundle), bundle.items["modality"].astype(str)
    queries, candidates = set(bundle.rankings["query"]), set(pools.candidates[pools.candidates >= 0].tolist())
    return [
        {name: bundle.vectors[[row for row in rows if modality[row] == name]].mean(axis=0) for name in set(modality)}
        for rows in (sorted(queries), sorted(candidates))
    ], modality


@pytest.mark.filterwarnings("ignore:Mean of empty slice", "ignore:invalid value")
@pytest.mark.parametrize("share", [0.0, 0.4, 1.0])
def test_centring_takes_the_mean_of_its_side_from_each_vector(bundle, share):
    (asked, offered), modality = sides(bundle)
    expected = plain(
        bundle,
        lambda row: unit(bundle.vectors[row] - share * asked[modality[row]]),
        lambda row: unit(bundle.vectors[row] - share * offered[modality[row]]),
    )
    np.testing.assert_allclose(cures.centred(bundle, pools_of(bundle), share), expected, atol=1e-5)


def test_closing_the_gap_moves_both_sides_half_of_it(bundle):
    pools = pools_of(bundle)
    queries = np.unique(bundle.rankings["query"])
    candidates = np.unique(pools.candidates[pools.candidates >= 0])
    half = (bundle.vectors[queries].mean(axis=0) - bundle.vectors[candidates].mean(axis=0)) / 2
    expected = plain(
        bundle,
        lambda row: unit(bundle.vectors[row] - 0.5 * half),
        lambda row: unit(bundle.vectors[row] + 0.5 * half),
    )
    np.testing.assert_allclose(cures.gap_closed(bundle, pools, 0.5), expected, atol=1e-5)


@pytest.mark.parametrize("neighbours", [1, 3, 10])
def test_csls_takes_half_the_mean_of_the_nearest_queries_from_a_candidate(bundle, neighbours):
    pools = pools_of(bundle)
    expected = pools.similarity.copy()
    for row, number in enumerate(pools.rankings):
        members = bundle.numbers(str(bundle.rankings["dataset"].iloc[number]))
        asked = bundle.vectors[np.unique(bundle.rankings["query"].iloc[members])]
        for column, item in enumerate(pools.candidates[row]):
            if item >= 0:
                nearest = np.sort(asked @ bundle.vectors[item])[::-1][:neighbours]
                expected[row, column] -= nearest.mean() / 2
    np.testing.assert_allclose(cures.csls(bundle, pools, neighbours), expected, atol=1e-6)
    np.testing.assert_array_equal(cures.csls(bundle, pools, neighbours, 0.0), pools.similarity)
    with pytest.raises(ValueError, match="neighbours = 0"):
        cures.csls(bundle, pools, 0)


def test_a_prefix_and_eight_bits(bundle):
    pools = pools_of(bundle)
    expected = plain(bundle, lambda row: unit(bundle.vectors[row, :5]), lambda row: unit(bundle.vectors[row, :5]))
    np.testing.assert_allclose(cures.prefix(bundle, pools, 5), expected, atol=1e-6)
    np.testing.assert_allclose(cures.prefix(bundle, pools, bundle.vectors.shape[1]), pools.similarity, atol=1e-6)
    for numbers in (0, bundle.vectors.shape[1] + 1):
        with pytest.raises(ValueError, match=f"numbers = {numbers}"):
            cures.prefix(bundle, pools, numbers)

    def rounded(row):
        vector = bundle.vectors[row]
        whole = np.round(127 * vector / np.abs(vector).max())
        assert np.abs(whole).max() == 127
        return unit(whole)

    np.testing.assert_allclose(cures.int8(bundle, pools), plain(bundle, rounded, rounded), atol=1e-6)


def test_hits_are_those_of_the_evaluator(bundle):
    pools = pools_of(bundle)
    np.testing.assert_allclose(cures.hits(pools.similarity, pools), bundle.rankings["hit"])


def test_ties_count_by_expectation_and_padding_not_at_all(bundle):
    pools = pools_of(bundle)
    sizes = (pools.candidates >= 0).sum(axis=1)
    rights = ((pools.candidates >= 0) & ~pools.wrong).sum(axis=1)
    np.testing.assert_allclose(cures.hits(np.zeros_like(pools.similarity), pools), rights / sizes)


def test_only_wrong_candidates_are_left_out(bundle):
    pools = pools_of(bundle)
    alone = cures.without(pools, np.ones(pools.wrong.shape, dtype=bool))
    assert (cures.hits(pools.similarity, alone) == 1).all()
    assert not alone.wrong.any()
    best = np.where(pools.wrong, pools.similarity, -2).argmax(axis=1)
    first = np.arange(pools.wrong.shape[1]) == best[:, None]
    second = np.sort(np.where(pools.wrong, pools.similarity, -2), axis=1)[:, -2]
    right = np.where((pools.candidates >= 0) & ~pools.wrong, pools.similarity, -2).max(axis=1)
    np.testing.assert_array_equal(cures.hits(pools.similarity, cures.without(pools, first)), right > second)


def written(small_runs, folder, change, names=("look-alike",), queries=6):
    """A bundle whose queries lie near their answers in 24 numbers, once `change` has been at the vectors."""
    tasks = small_runs.small_tasks(names, queries)
    items = distinct_items(tasks)
    row = {item.content_id: number for number, item in enumerate(items)}
    generator = np.random.default_rng(0)
    vectors = generator.normal(size=(len(items), 24))
    for task in tasks:
        for ranking in task.rankings:
            asked, answer = (row[each.content_id] for each in (ranking.query, ranking.candidates[0]))
            vectors[asked] = vectors[answer] + 0.3 * generator.normal(size=24)
    small_runs.write_small_bundle(folder, tasks, unit(change(vectors, tasks[0], row)).astype(np.float32))
    return open_bundle(folder)


def test_centring_mends_sides_that_are_shifted(small_runs, tmp_path):
    """Queries are shifted one way, candidates the other; wrong ones are longer and thus turned less."""

    def shift(vectors, task, row):
        asked = [row[each.query.content_id] for each in task.rankings]
        answers = [row[each.candidates[0].content_id] for each in task.rankings]
        vectors[:, 0] = 0
        vectors = 3 * unit(vectors)
        vectors[[*asked, *answers]] /= 3
        vectors[:, 0] = -2
        vectors[asked, 0] = 2
        return vectors

    bundle = written(small_runs, tmp_path / "bundle", shift)
    pools = pools_of(bundle)
    assert cures.hits(pools.similarity, pools).mean() < 0.5
    assert cures.hits(cures.centred(bundle, pools), pools).mean() > 0.9
    assert cures.hits(cures.centred(bundle, pools, 0.0), pools).mean() < 0.5


def test_csls_mends_a_hub(small_runs, tmp_path):
    """A wrong candidate of each query is what all queries have in common."""

    def hub(vectors, task, row):
        vectors[:, 0] = 0
        vectors = unit(vectors)
        for each in task.rankings:
            vectors[row[each.query.content_id], 0] = 1.1
            vectors[row[each.candidates[1].content_id]] = np.eye(24)[0]  # each pool has its own copy of it
        return vectors

    bundle = written(small_runs, tmp_path / "bundle", hub)
    pools = pools_of(bundle)
    assert cures.hits(pools.similarity, pools).mean() < 0.3
    assert cures.hits(cures.csls(bundle, pools), pools).mean() > 0.9


def test_vectors_that_are_all_alike_stay_ties(bundle):
    alike = replace(bundle, vectors=np.tile(bundle.vectors[:1], (len(bundle.vectors), 1)))
    pools = pools_of(alike)
    chance = bundle.rankings["chance"].to_numpy()
    for similarity in (cures.centred(alike, pools), cures.csls(alike, pools), cures.int8(alike, pools)):
        np.testing.assert_allclose(cures.hits(similarity, pools), chance)


def test_zero_vectors_stay_zero(bundle):
    vectors = np.array(bundle.vectors)
    vectors[int(bundle.rankings["query"].iloc[0])] = 0
    found = cures.centred(replace(bundle, vectors=vectors), pools_of(bundle))
    assert not found[0].any()
    assert found[1].any()
