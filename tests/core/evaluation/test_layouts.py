"""Layouts that a bundle stores: PCA beside numpy's, a UMAP's columns, and what is said where none can be made."""

import json

import numpy as np
import pyarrow.parquet as pq
import pytest

from core.evaluation import layouts
from core.evaluation.bundle import Description, write_bundle
from core.evaluation.bundle_rankings import RankedTables
from core.evaluation.embedded import Embedded
from core.evaluation.evaluate import evaluate
from core.evaluation.layouts import Layout, check_umap, over_all, pca_layout
from core.evaluation.settings import EvalSettings


def test_pca_is_that_of_numpy_and_knows_its_share():
    vectors = np.random.default_rng(0).normal(size=(40, 6)).astype(np.float32) * [3, 2, 1, 1, 1, 1]
    found = pca_layout(vectors.astype(np.float32))
    values = np.linalg.svd(vectors - vectors.mean(axis=0), compute_uv=False) ** 2
    assert found.share == pytest.approx(values[:2].sum() / values.sum(), rel=1e-4)
    np.testing.assert_allclose(np.square(found.points).sum(axis=0), values[:2], rtol=1e-4)
    assert pca_layout(np.ones((5, 3), np.float32)).share == 0


def test_a_layout_over_all_has_no_place_for_those_that_it_left_out():
    points = over_all(Layout(np.array([3, 0]), np.array([[1.0, 2], [3, 4]]), "made"), 5)
    np.testing.assert_array_equal(points[[3, 0]], [[1, 2], [3, 4]])
    assert np.isnan(points[[1, 2, 4]]).all()


def test_without_the_package_it_is_said_before_anything_is_encoded(monkeypatch, tmp_path):
    monkeypatch.setattr(layouts.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ValueError, match=r"extra ui .*or leave umap false"):
        check_umap()
    with pytest.raises(ValueError, match="umap-learn is not installed"):
        evaluate(EvalSettings(checkpoint=tmp_path / "none", umap=True))


def test_a_second_map_is_columns_beside_pca_and_is_described(tmp_path, items):
    vectors = np.random.default_rng(0).normal(size=(len(items), 4)).astype(np.float32)
    second = Layout(np.arange(1, len(items)), vectors[1:, :2], "UMAP: as told")
    described = Description("c", 1, {"name": "s"}, None)
    tables = RankedTables(items, None)
    write_bundle(tmp_path / "b", described, Embedded(items, vectors), tables, [], layouts={"umap": second})
    table = pq.read_table(tmp_path / "b" / "projection.parquet")
    assert table.column_names == ["pca_x", "pca_y", "umap_x", "umap_y"]
    np.testing.assert_array_equal(table.column("umap_y").to_numpy()[1:], vectors[1:, 1])
    assert np.isnan(table.column("umap_x").to_numpy()[0])
    said = json.loads((tmp_path / "b" / "manifest.json").read_text())["projections"]
    assert said["umap"] == {"made": "UMAP: as told", "share": None}
    assert 0 < said["pca"]["share"] <= 1
