"""The gap of two shells at a known distance, its removal, and the probe."""

import numpy as np
import pytest

from workbench.measures import geometry, modality_gap


def shells(distance, n=80, d=16, seed=0, m=None):
    """Two clouds on the sphere on either side of a plane; the larger the distance, the narrower."""
    drawn = np.random.default_rng(seed).normal(size=(n + (m or n), d))
    drawn[:n, 0] += distance
    drawn[n:, 0] -= distance
    vectors = modality_gap.unit(drawn)
    return vectors[:n], vectors[n:]


def test_the_gap_is_the_distance_of_the_means():
    first, second = shells(3, m=50)
    assert modality_gap.gap(first, second) == pytest.approx(np.linalg.norm(first.mean(0) - second.mean(0)), rel=1e-6)
    assert modality_gap.gap(first, first) == 0
    assert modality_gap.gap(np.array([[1.0, 0]]), np.array([[-1.0, 0]])) == 2
    assert np.isnan(modality_gap.gap(first[:0], second))


def test_closing_moves_the_means_together_and_keeps_unit_vectors():
    first, second = shells(3, m=50)
    closed = modality_gap.closed(first, second)
    assert modality_gap.gap(*closed) < 0.1 * modality_gap.gap(first, second)
    for side in closed:
        np.testing.assert_allclose(np.linalg.norm(side, axis=1), 1, rtol=1e-6)
    for before, after in zip((first, second), modality_gap.closed(first, second, 0), strict=True):
        np.testing.assert_allclose(before, after, atol=1e-6)
    gaps = [modality_gap.gap(*modality_gap.closed(first, second, share)) for share in (0, 0.3, 0.6, 1)]
    assert gaps == sorted(gaps, reverse=True)


def test_zero_vectors_stay_zero():
    assert np.array_equal(modality_gap.unit(np.zeros((2, 3), dtype=np.float32)), np.zeros((2, 3)))


def test_the_probe_tells_shells_apart_and_nothing_else():
    assert modality_gap.probe_auroc(*shells(6)) > 0.99
    assert modality_gap.probe_auroc(*shells(0, n=300)) == pytest.approx(0.5, abs=0.08)
    first, second = shells(3)
    assert np.isnan(modality_gap.probe_auroc(first[:3], second))
    assert modality_gap.probe_auroc(first, second) == modality_gap.probe_auroc(first, second)


def test_precision_at_1_breaks_ties_by_chance():
    vectors = geometry.isotropic(20, 8)
    assert modality_gap.precision_at_1(vectors, vectors) == 1
    assert modality_gap.precision_at_1(vectors, np.roll(vectors, 1, axis=0)) == 0
    alike = np.tile(vectors[:1], (20, 1))
    assert modality_gap.precision_at_1(alike, alike) == pytest.approx(1 / 20)


def test_a_shift_of_the_answers_alone_changes_no_ranking_of_plain_products():
    """Why a gap need not hurt: q . (t + c) = q . t + q . c, the same for all candidates of a query."""
    queries, targets = geometry.isotropic(30, 6, 1), geometry.isotropic(30, 6, 2)
    moved = targets + np.array([0.7, 0, 0, 0, 0, 0], dtype=np.float32)
    assert modality_gap.precision_at_1(queries, targets) == modality_gap.precision_at_1(queries, moved)


def test_places_along_the_gap():
    first, second = shells(3)
    left, right = modality_gap.along(first, second)
    half = modality_gap.gap(first, second) / 2
    assert left.mean() == pytest.approx(half, rel=1e-5)
    assert right.mean() == pytest.approx(-half, rel=1e-5)
    assert not np.any(modality_gap.along(first, first))


def test_cosines_by_kind():
    first, second = shells(2, n=10)
    found = modality_gap.cosines(first, second)
    assert {kind: len(values) for kind, values in found.items()} == {
        "within first": 45, "within second": 45, "across": 90, "own": 10,
    }  # fmt: skip
    np.testing.assert_allclose(found["own"], (first * second).sum(axis=1), rtol=1e-5)
    assert found["across"].sum() + found["own"].sum() == pytest.approx((first @ second.T).sum(), rel=1e-4)
