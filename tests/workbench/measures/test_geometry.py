"""Geometry against constructed spaces whose answers are known (workbench anchors), and plain loops."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.measures import geometry


def unit(values):
    return (values / np.linalg.norm(values, axis=1, keepdims=True)).astype(np.float32)


def cone(n, d, seed=0):
    drawn = np.random.default_rng(seed).normal(size=(n, d)) * 0.2
    drawn[:, 0] += 1
    return unit(drawn)


@pytest.mark.parametrize(("dimensions", "expected"), [(3, -2.08), (100, -3.92), (768, -3.99)])
def test_uniformity_of_the_uniform_sphere(dimensions, expected):
    assert geometry.uniformity(geometry.isotropic(2000, dimensions)) == pytest.approx(expected, abs=0.01)


def test_uniformity_is_that_of_different_pairs_whatever_the_block(monkeypatch):
    vectors = cone(50, 4)
    pairs = [
        np.exp(-2 * np.square(a - b).sum()) for i, a in enumerate(vectors) for j, b in enumerate(vectors) if i != j
    ]
    assert geometry.uniformity(vectors) == pytest.approx(np.log(np.mean(pairs)), rel=1e-5)
    monkeypatch.setattr(geometry, "ROWS_AT_ONCE", 7)
    assert geometry.uniformity(vectors) == pytest.approx(np.log(np.mean(pairs)), rel=1e-5)
    assert geometry.uniformity(np.tile(vectors[:1], (9, 1))) == pytest.approx(0, abs=1e-6)
    assert np.isnan(geometry.uniformity(vectors[:1]))


def test_alignment_is_two_minus_twice_the_cosine():
    queries, targets = geometry.isotropic(30, 5), cone(30, 5)
    assert geometry.alignment(queries, targets) == pytest.approx(2 - 2 * (queries * targets).sum(1).mean(), rel=1e-5)
    assert geometry.alignment(queries, queries) == 0
    assert np.isnan(geometry.alignment(queries[:0], targets[:0]))


def test_mean_similarity_is_that_of_different_pairs():
    vectors = unit(np.random.default_rng(0).normal(size=(7, 3)))
    pairs = (vectors @ vectors.T)[~np.eye(7, dtype=bool)]
    assert geometry.mean_similarity(vectors) == pytest.approx(pairs.mean())
    assert geometry.mean_similarity(vectors[:1]) == 0
    assert abs(geometry.mean_similarity(geometry.isotropic(3000, 64))) < 0.001
    assert geometry.mean_similarity(cone(500, 8)) > 0.7


def test_singular_values_are_those_of_the_matrix():
    for shape in ((40, 6), (6, 40)):
        vectors = np.random.default_rng(1).normal(size=shape).astype(np.float32)
        expected = np.linalg.svd(vectors.astype(np.float64), compute_uv=False)
        np.testing.assert_allclose(geometry.singular_values(vectors), expected, rtol=1e-9)


def test_effective_rank_of_an_isotropic_space():
    assert geometry.effective_rank(geometry.singular_values(geometry.isotropic(25_600, 64))) == pytest.approx(
        63.9, abs=0.1
    )


@given(st.integers(1, 12))
def test_ranks_count_directions_of_equal_strength(directions):
    spectrum = np.array([3.0] * directions + [0.0] * (12 - directions))
    assert geometry.effective_rank(spectrum) == pytest.approx(directions, rel=1e-3)
    assert geometry.participation_ratio(spectrum) == pytest.approx(directions)


def test_strong_directions_count_more_in_the_participation_ratio():
    spectrum = np.array([10.0, *[1.0] * 20])
    assert geometry.participation_ratio(spectrum) < 2 < 13 < geometry.effective_rank(spectrum)
    assert np.isnan(geometry.effective_rank(np.zeros(3)))
    assert np.isnan(geometry.participation_ratio(np.zeros(3)))


def test_all_at_once():
    vectors = cone(60, 8)
    found = geometry.geometry(vectors, vectors[:30], vectors[30:])
    assert found.alignment == geometry.alignment(vectors[:30], vectors[30:])
    assert found.effective_rank == geometry.effective_rank(geometry.singular_values(vectors))
    assert np.isnan(geometry.geometry(vectors).alignment)
    assert np.isnan(geometry.geometry(vectors[:1]).mean_similarity)


def test_isotropic_vectors_have_length_one_and_follow_the_seed():
    assert np.linalg.norm(geometry.isotropic(5, 3), axis=1) == pytest.approx(1)
    assert not np.array_equal(geometry.isotropic(5, 3, 1), geometry.isotropic(5, 3, 2))
    np.testing.assert_array_equal(geometry.isotropic(5, 3, 1), geometry.isotropic(5, 3, 1))
