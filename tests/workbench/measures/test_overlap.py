"""Overlap measures against scikit-learn, scipy's Gaussians and the bootstrap."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm
from sklearn.metrics import roc_auc_score

from workbench.measures import overlap

similarities = st.lists(st.sampled_from([-1.0, -0.5, 0.0, 0.25, 0.5, 1.0]), min_size=1, max_size=30).map(np.array)


@settings(deadline=None)
@given(similarities, similarities)
def test_auroc_with_ties_is_scikit_learns(positive, negative):
    labels = np.repeat([1, 0], [len(positive), len(negative)])
    expected = roc_auc_score(labels, np.concatenate([positive, negative]))
    assert overlap.auroc(positive, negative) == pytest.approx(expected)


@settings(deadline=None)
@given(similarities, similarities)
def test_auroc_of_counts_is_that_of_samples_that_lie_in_bins(positive, negative):
    edges = np.array([-1.1, -0.9, -0.4, 0.1, 0.3, 0.6, 1.1])
    counts = [np.histogram(side, edges)[0] for side in (positive, negative)]
    assert overlap.auroc_of_counts(*counts) == pytest.approx(overlap.auroc(positive, negative))


def test_two_gaussians_one_deviation_apart():
    """d' = 1: AUROC = Phi(1 / sqrt 2) = .760, OVL = 2 Phi(-1/2) = .617."""
    edges = np.linspace(-1, 1, 2001)
    scale = 0.1
    counts = [1e9 * np.diff(norm.cdf(edges, mean, scale)) for mean in (0.05, -0.05)]
    found = overlap.of_counts(*counts, (edges[1:] + edges[:-1]) / 2)
    assert found.auroc == pytest.approx(norm.cdf(1 / np.sqrt(2)), abs=1e-4) == pytest.approx(0.760, abs=1e-3)
    assert found.overlap == pytest.approx(2 * norm.cdf(-0.5), abs=1e-4) == pytest.approx(0.617, abs=1e-3)
    assert found.d_prime == pytest.approx(1, abs=1e-4)


def test_samples_of_the_two_gaussians_agree():
    generator = np.random.default_rng(0)
    found = overlap.of_samples(generator.normal(0.05, 0.1, 200_000), generator.normal(-0.05, 0.1, 200_000))
    assert found.auroc == pytest.approx(0.7602, abs=0.003)
    assert found.overlap == pytest.approx(0.6171, abs=0.01)
    assert found.d_prime == pytest.approx(1, abs=0.01)
    assert (found.positives, found.negatives) == (200_000, 200_000)


def test_vectors_that_are_all_alike():
    found = overlap.of_samples(np.ones(5), np.ones(50))
    assert (found.auroc, found.overlap) == (0.5, 1.0)
    assert np.isnan(found.d_prime)


@pytest.mark.parametrize("empty", [(np.ones(3), np.ones(0)), (np.ones(0), np.ones(3)), (np.ones(0), np.ones(0))])
def test_an_empty_side_has_no_measure(empty):
    found = overlap.of_samples(*empty)
    assert np.isnan([found.auroc, found.overlap, found.d_prime]).all()
    assert np.isnan(overlap.auroc_interval([empty[0]] * 2, [empty[1]] * 2)).all()


def test_kinds_are_the_bundles():
    similarity = np.array([[0.9, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.0]])
    positive = np.array([[True] + 7 * [False]])
    wrong = np.array([[False] + 6 * [True] + [False]])
    kinds = overlap.by_kind(similarity, positive, wrong)
    assert [values[0].tolist() for values in kinds.values()] == [
        [0.9],
        [0.2, 0.3, 0.4, 0.5, 0.6],
        [0.1, 0.2, 0.3, 0.4, 0.5],
        [0.1, 0.2, 0.3, 0.4, 0.5, 0.6],
    ]
    found = overlap.against_positives(similarity, positive, wrong)
    assert found["hard"][0].auroc == 1.0
    assert found["all"][0].negatives == 6


@pytest.mark.slow
def test_the_interval_is_the_bootstrap_over_queries():
    """Queries differ in level, so pairs of one query go together, and an interval over pairs would be too narrow."""
    generator = np.random.default_rng(1)
    levels = generator.normal(0, 0.2, 150)
    positives = [np.array([generator.normal(level + 0.15, 0.1)]) for level in levels]
    negatives = [generator.normal(level, 0.1, 8) for level in levels]
    draws = generator.integers(150, size=(2000, 150))
    areas = [
        overlap.auroc(np.concatenate([positives[i] for i in draw]), np.concatenate([negatives[i] for i in draw]))
        for draw in draws
    ]
    low, high = np.quantile(areas, [0.025, 0.975])
    found = overlap.auroc_interval(positives, negatives)
    assert found == pytest.approx((low, high), abs=0.012)


def test_the_interval_of_a_perfect_separation_is_a_point():
    assert overlap.auroc_interval([np.ones(1)] * 3, [np.zeros(2)] * 3) == (1.0, 1.0)
    assert np.isnan(overlap.auroc_interval([np.ones(1)], [np.zeros(2)])).all()
