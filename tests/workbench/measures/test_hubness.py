"""k-occurrence against counting by hand, hubs that were planted, and the baseline of random vectors."""

from collections import Counter

import numpy as np
import pytest
from scipy.stats import skew

from workbench.measures import geometry, hubness


def test_counts_are_those_of_sorting_each_row():
    similarity = np.random.default_rng(0).normal(size=(30, 17))
    expected = Counter(int(j) for row in similarity for j in np.argsort(-row)[:5])
    found = hubness.k_occurrence(similarity, 5)
    assert found.tolist() == [expected[j] for j in range(17)]


def test_ties_share_a_place():
    found = hubness.k_occurrence(np.array([[1.0, 0.5, 0.5, 0.5], [0.5, 0.5, 0.5, 0.5]]), 2)
    np.testing.assert_allclose(found, [1 + 0.5, 1 / 3 + 0.5, 1 / 3 + 0.5, 1 / 3 + 0.5])


def test_a_collapsed_space_has_no_hubs():
    alike = np.tile(geometry.isotropic(1, 4), (12, 1))
    found = hubness.hubness(alike, alike, 3)
    np.testing.assert_allclose(found.counts, 3)
    assert found.skewness == 0
    assert found.anti_hub_rate == 0


def test_skewness_is_the_third_moment():
    counts = np.random.default_rng(0).poisson(3, 500).astype(float)
    assert hubness.skewness(counts) == pytest.approx(skew(counts))
    assert np.isnan(hubness.skewness(np.zeros(0)))


def test_a_planted_hub_is_found():
    queries, items = geometry.isotropic(100, 8, 1), geometry.isotropic(60, 8, 2)
    queries[:, 0] += 3
    items[7] = [1, *[0] * 7]
    found = hubness.hubness(queries, items, 4)
    assert found.hubs(1).tolist() == [7]
    assert found.largest == 100
    assert found.counts.sum() == pytest.approx(400)
    assert found.skewness > 1
    assert found.anti_hub_rate > 0.2
    assert hubness.skewness(hubness.hubness(queries - queries.mean(axis=0), items, 4).counts) < found.skewness


@pytest.mark.parametrize(("dimensions", "expected"), [(3, 0.0), (20, 0.3)])
def test_the_skewness_of_the_uniform_sphere(dimensions, expected):
    """Anchors for the neighbours of a set within itself, k = 10."""
    vectors = geometry.isotropic(2000, dimensions)
    similarity = vectors @ vectors.T
    np.fill_diagonal(similarity, -2)
    assert hubness.skewness(hubness.k_occurrence(similarity, 10)) == pytest.approx(expected, abs=0.15)


def test_the_baseline_follows_the_seed_and_the_size():
    found = hubness.of_random(200, 100, 20, seed=3)
    assert (found.queries, len(found.counts), found.k) == (200, 100, 10)
    assert found.counts.sum() == pytest.approx(2000)
    assert found.skewness == hubness.of_random(200, 100, 20, seed=3).skewness
    assert found.skewness != hubness.of_random(200, 100, 20, seed=4).skewness


def test_blocks_and_small_sets(monkeypatch):
    queries, items = geometry.isotropic(50, 6, 1), geometry.isotropic(20, 6, 2)
    whole = hubness.hubness(queries, items, 5)
    monkeypatch.setattr(hubness, "BYTES_AT_ONCE", 7 * 20 * 8 * hubness.COPIES)
    np.testing.assert_allclose(hubness.hubness(queries, items, 5).counts, whole.counts)
    assert hubness.hubness(queries, items[:3], 10).k == 2
    assert hubness.hubness(queries, items[:1], 10).counts.tolist() == [50]
