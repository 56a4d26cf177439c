"""Maps: known layouts have known quality, odd vectors are placed or left out, the same seed gives the same map."""

import numpy as np
import pytest
from sklearn.manifold import trustworthiness

from workbench.measures.geometry import isotropic
from workbench.projection import projection
from workbench.projection.process import umap_apart
from workbench.projection.projection import Layout, pca_layout, quality, umap_layout


def clusters(n=60, d=10, seed=0):
    generator = np.random.default_rng(seed)
    centres = generator.normal(size=(3, d)) * 4
    return (centres[np.arange(n) % 3] + generator.normal(size=(n, d))).astype(np.float32)


def test_pca_of_a_plane_is_the_plane():
    turn = np.linalg.qr(np.random.default_rng(0).normal(size=(8, 8)))[0][:2]
    plane = np.random.default_rng(1).normal(size=(50, 2)) * [3, 1]
    vectors = (plane @ turn).astype(np.float32)
    found = pca_layout(vectors)
    assert found.made == "PCA: the plane holds 100% of the variance"
    distances = np.linalg.norm(found.points[:, None] - found.points[None], axis=2)
    np.testing.assert_allclose(distances, np.linalg.norm(vectors[:, None] - vectors[None], axis=2), atol=1e-4)
    judged = quality(vectors, found)
    assert judged.trustworthiness == pytest.approx(1)
    assert judged.continuity == pytest.approx(1)
    assert judged.kept.mean() > 0.99


def test_vectors_that_are_not_finite_have_no_place():
    vectors = clusters()
    vectors[[3, 10], 0] = [np.nan, np.inf]
    found = pca_layout(vectors)
    assert found.left_out == 2
    assert not set(found.rows) & {3, 10}
    assert np.isfinite(found.points).all()
    assert not np.isnan(quality(vectors, found).trustworthiness)


@pytest.mark.parametrize("n", [0, 1, 2, 3, 4, 14])
def test_few_vectors(n):
    vectors = clusters(n or 1)[:n]
    for layout in (pca_layout(vectors), umap_layout(vectors)):
        assert layout.points.shape == (n, 2)
        judged = quality(vectors, layout)
        assert np.isnan(judged.trustworthiness) == (n < 4)
    assert "UMAP needs 15 different vectors" in umap_layout(vectors).made


def test_a_sample_is_even_and_said(monkeypatch):
    vectors = clusters(100)
    rows, left_out = projection.shown_rows(vectors, most=10)
    assert rows.tolist() == [0, 11, 22, 33, 44, 55, 66, 77, 88, 99]
    assert left_out == 0
    monkeypatch.setattr(projection, "MEASURED", 40)
    judged = quality(vectors, pca_layout(vectors))
    assert len(judged.rows) == len(judged.kept) == 40


def test_a_random_map_has_the_trustworthiness_of_chance():
    vectors = isotropic(300, 20)
    rows = np.arange(300)
    found = quality(vectors, Layout(rows, isotropic(300, 2, 5), "random"))
    assert found.trustworthiness == pytest.approx(0.5, abs=0.03)
    assert found.kept.mean() == pytest.approx(10 / 299, abs=0.03)


def test_quality_is_that_of_scikit_learn():
    vectors = clusters()
    layout = pca_layout(vectors)
    found = quality(vectors, layout, 7)
    assert found.trustworthiness == pytest.approx(trustworthiness(vectors, layout.points, n_neighbors=7))
    assert found.continuity == pytest.approx(trustworthiness(layout.points, vectors, n_neighbors=7))


def test_neighbours_kept_by_hand(monkeypatch):
    line = np.array([[0.0, 0], [1, 0], [3, 0], [7, 0]])
    swapped = line[[0, 1, 3, 2]]
    assert projection.neighbours_kept(line, swapped, 1).tolist() == [1, 1, 0, 0]
    assert projection.neighbours_kept(line, line * 5 + 2, 2).tolist() == [1, 1, 1, 1]
    vectors, points = clusters(40), clusters(40)[:, :2]
    whole = projection.neighbours_kept(vectors, points, 6)
    monkeypatch.setattr(projection, "ROWS_AT_ONCE", 7)
    np.testing.assert_array_equal(projection.neighbours_kept(vectors, points, 6), whole)


def test_too_few_neighbours():
    with pytest.raises(ValueError, match="neighbours = 1"):
        umap_layout(clusters(), 1)


@pytest.mark.slow
def test_umap_keeps_clusters_puts_duplicates_together_and_follows_the_seed():
    vectors = clusters(60)
    vectors[30:33] = vectors[0]
    vectors[5, 2] = np.nan
    first, again, other = umap_layout(vectors, 8), umap_layout(vectors, 8), umap_layout(vectors, 8, seed=1)
    assert first.made == "UMAP: 8 neighbours, min_dist 0.1, seed 0"
    assert first.left_out == 1
    np.testing.assert_array_equal(first.points, again.points)
    assert not np.array_equal(first.points, other.points)
    place = {int(row): tuple(point) for row, point in zip(first.rows, first.points, strict=True)}
    assert place[0] == place[30] == place[32]
    assert quality(vectors, first, 5).trustworthiness > 0.9
    apart = umap_apart(vectors, ("8", "0.1", "0"))
    assert apart.made == first.made
    assert apart.left_out == 1
    np.testing.assert_array_equal(apart.rows, first.rows)
    np.testing.assert_allclose(apart.points, first.points, atol=1e-3)


def test_a_process_that_fails_says_why():
    with pytest.raises(RuntimeError, match="neighbours = 1"):
        umap_apart(clusters(), ("1", "0.1", "0"))
