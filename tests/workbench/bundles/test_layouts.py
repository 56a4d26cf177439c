"""The maps of a bundle: stored ones by name, those of older bundles, and what is refused."""

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from workbench.bundles.bundle import open_bundle
from workbench.bundles.files import BundleError


def rewrite(small_runs, folder, columns, **fields):
    """Give a bundle another projection.parquet, and some fields of the manifest."""
    pq.write_table(pa.table(columns), folder / "projection.parquet")
    small_runs.rewrite_manifest(folder, **fields)


def points_of(folder):
    table = pq.read_table(folder / "projection.parquet")
    return table.column("pca_x").to_numpy(), table.column("pca_y").to_numpy()


def test_stored_maps_have_a_place_for_every_item(bundle_folder, small_runs):
    x, y = points_of(bundle_folder)
    told = {"umap": {"made": "UMAP: so", "share": None}, "pca": {"made": "PCA", "share": 0.25}}
    rewrite(small_runs, bundle_folder, {"pca_x": x, "pca_y": y, "umap_x": y, "umap_y": x}, projections=told)
    found = open_bundle(bundle_folder).layouts
    assert list(found) == ["pca", "umap"]
    np.testing.assert_array_equal(found["umap"].points, np.stack([y, x], axis=1))
    assert (found["umap"].made, found["umap"].share, found["pca"].share) == ("UMAP: so", None, 0.25)


def test_an_older_bundle_has_x_and_y_and_says_no_share(bundle_folder, small_runs):
    x, y = points_of(bundle_folder)
    manifest = json.loads((bundle_folder / "manifest.json").read_text())
    del manifest["projections"]
    (bundle_folder / "manifest.json").write_text(json.dumps(manifest))
    rewrite(small_runs, bundle_folder, {"method": ["pca"] * len(x), "x": x, "y": y})
    found = open_bundle(bundle_folder).layouts
    assert list(found) == ["pca"]
    assert found["pca"].share is None
    np.testing.assert_array_equal(found["pca"].points, np.stack([x, y], axis=1))


@pytest.mark.parametrize(
    ("projections", "reason"),
    [
        ({"pca": {}, "umap": {}}, "has no columns umap_x and umap_y"),
        ({"pca": {"share": "much"}}, "share = 'much'"),
        ({"pca": {"share": 2}}, "share = 2"),
        ([1], r"projections = \[1\]"),
        ({"pca": None}, "projections = "),
    ],
)
def test_what_does_not_fit_is_refused(bundle_folder, small_runs, projections, reason):
    small_runs.rewrite_manifest(bundle_folder, projections=projections)
    with pytest.raises(BundleError, match=reason):
        open_bundle(bundle_folder)


def test_words_for_places_are_refused(bundle_folder, small_runs):
    x, _ = points_of(bundle_folder)
    rewrite(small_runs, bundle_folder, {"pca_x": ["here"] * len(x), "pca_y": x})
    with pytest.raises(BundleError, match="pca_x and pca_y are not numbers"):
        open_bundle(bundle_folder)
