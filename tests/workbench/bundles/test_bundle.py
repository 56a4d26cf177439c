"""Bundles are read whole and checked, or refused with the file and the reason."""

import json
import shutil

import numpy as np
import pandas as pd
import pytest
from safetensors.numpy import load_file, save_file

from core.evaluation.bundle_rankings import BINS
from core.objectives.hard_debiased import HardDebiased
from core.objectives.hardness import HardnessWeighted
from core.objectives.infonce import InfoNCE
from core.objectives.settings import ObjectiveSettings
from workbench.bundles.bundle import BundleError, list_bundles, manifest_digest, open_bundle


def change_vectors(folder, change):
    path = folder / "embeddings.safetensors"
    vectors = load_file(path)["items"].copy()
    save_file({"items": change(vectors)}, path)


def change_table(folder, name, **columns):
    table = pd.read_parquet(folder / name)
    for column, value in columns.items():
        table[column] = value(table[column])
    table.to_parquet(folder / name)


def first_set(value):
    def change(column):
        changed = column.copy()
        changed.iloc[0] = value
        return changed

    return change


def test_a_bundle_is_read_as_it_was_written(bundle_folder):
    bundle = open_bundle(bundle_folder)
    assert bundle.datasets == ["shape", "look-alike", "story", "clips"]
    assert len(bundle.rankings) == 24
    assert bundle.vectors.shape == (len(bundle.items), 16)
    assert (bundle.step, bundle.suite, bundle.zero_vectors) == (10, "miniature", 0)
    assert (bundle.objective.temperature, bundle.objective_settings.alpha) == (0.02, 9.0)
    assert bundle.digest == manifest_digest(bundle_folder)
    assert set(bundle.scores["metric"]) == {"P@1", "R@5", "R@10", "MRR", "NDCG@5", "MAP", "V-measure"}
    pictures = {
        part["thumbnail"] for row in range(len(bundle.items)) for part in bundle.parts(row) if part["type"] != "text"
    }
    assert pictures == set(bundle.thumbnails)
    assert all(bundle.picture(thumbnail) is not None for thumbnail in pictures)


def test_a_query_and_its_negatives_agree_with_the_vectors(bundle_folder):
    bundle = open_bundle(bundle_folder)
    for number in range(len(bundle.rankings)):
        query, negatives = bundle.query(number), bundle.hardest(number)
        assert query.similarity == pytest.approx(
            float(bundle.vectors[query.positive] @ bundle.vectors[query.query]), abs=1e-6
        )
        assert [negative.place for negative in negatives] == list(range(1, query.size))
        found = bundle.vectors[[negative.item for negative in negatives]] @ bundle.vectors[query.query]
        np.testing.assert_allclose([negative.similarity for negative in negatives], found, atol=1e-6)
        assert query.margin == pytest.approx(query.similarity - negatives[0].similarity, abs=1e-6)
        assert all(negative.true_hardness >= 1 for negative in negatives)


def test_counts_are_those_of_the_table(bundle_folder):
    bundle = open_bundle(bundle_folder)
    edges, counts = bundle.counts(None)
    np.testing.assert_allclose(edges, np.linspace(-1, 1, BINS + 1), atol=1e-9)
    totals = bundle.histograms.groupby("kind")["count"].sum()
    assert {kind: int(found.sum()) for kind, found in counts.items()} == totals.to_dict()
    own = bundle.rankings.loc[bundle.rankings["dataset"] == "story", "similarity"]
    np.testing.assert_array_equal(bundle.counts("story")[1]["positive"], np.histogram(own, edges)[0])


def test_a_zero_vector_is_counted_and_not_refused(bundle_folder, small_runs):
    change_vectors(bundle_folder, lambda vectors: np.where(np.arange(len(vectors))[:, None] == 3, 0, vectors))
    small_runs.rewrite_manifest(bundle_folder)
    assert open_bundle(bundle_folder).zero_vectors == 1


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda vectors: np.where(np.arange(len(vectors))[:, None] == 3, np.nan, vectors), "NaN or infinity"),
        (lambda vectors: vectors * np.float32(1.01), "norm 1.0100, not 1"),
        (lambda vectors: vectors[:-1], "vectors"),
        (lambda vectors: np.ascontiguousarray(vectors[:, :8]), r"shape \(\d+, 8\), not float32 of shape \(items, 16\)"),
        (lambda vectors: vectors.astype(np.float64), "float64"),
    ],
)
def test_bad_vectors_are_refused(bundle_folder, small_runs, change, reason):
    change_vectors(bundle_folder, change)
    small_runs.rewrite_manifest(bundle_folder)
    with pytest.raises(BundleError, match=reason):
        open_bundle(bundle_folder)


@pytest.mark.parametrize(
    ("name", "columns", "reason"),
    [
        ("rankings.parquet", {"query": first_set(9999)}, "query = 9999"),
        ("pools.parquet", {"candidates": first_set([])}, "candidates is empty"),
        ("pools.parquet", {"candidates": first_set([999])}, "candidates = 999"),
        ("rankings.parquet", {"pool": first_set(-1)}, "pool = -1"),
        ("rankings.parquet", {"left_out": first_set([9999])}, "left_out = 9999"),
        ("rankings.parquet", {"right": first_set([-1])}, "right = -1"),
        ("negatives.parquet", {"negative": first_set(-1)}, "negative = -1"),
        ("negatives.parquet", {"ranking": first_set(24)}, "ranking = 24 names none of the 24 rows"),
        ("items.parquet", {"parts": lambda column: column.map(str)}, "are not lists of texts, images or videos"),
        ("items.parquet", {"parts": first_set([])}, "not texts, images or videos"),
        ("items.parquet", {"parts": first_set([{"type": "sound", "text": "x"}])}, "not texts, images or videos"),
        ("items.parquet", {"parts": first_set([{"type": "image", "text": "x"}])}, "not texts, images or videos"),
    ],
)
def test_tables_that_do_not_fit_are_refused(bundle_folder, small_runs, name, columns, reason):
    change_table(bundle_folder, name, **columns)
    small_runs.rewrite_manifest(bundle_folder)
    with pytest.raises(BundleError, match=reason) as caught:
        open_bundle(bundle_folder)
    assert caught.value.path == bundle_folder / name


def test_an_item_that_stands_there_twice_is_refused(bundle_folder, small_runs):
    change_table(bundle_folder, "items.parquet", item=lambda column: first_set(column.iloc[1])(column))
    small_runs.rewrite_manifest(bundle_folder)
    with pytest.raises(BundleError, match="twice"):
        open_bundle(bundle_folder)


def test_a_missing_column_is_named(bundle_folder, small_runs):
    path = bundle_folder / "negatives.parquet"
    pd.read_parquet(path).drop(columns="share").to_parquet(path)
    small_runs.rewrite_manifest(bundle_folder)
    with pytest.raises(BundleError, match="has no column share"):
        open_bundle(bundle_folder)


@pytest.mark.parametrize("name", ["items.parquet", "embeddings.safetensors", "scores.json", "thumbnails.parquet"])
def test_a_changed_byte_is_noticed(bundle_folder, name):
    content = bytearray((bundle_folder / name).read_bytes())
    content[len(content) // 2] ^= 1
    (bundle_folder / name).write_bytes(content)
    with pytest.raises(BundleError, match="sha256 differs") as caught:
        open_bundle(bundle_folder)
    assert caught.value.path == bundle_folder / name


@pytest.mark.parametrize("name", ["rankings.parquet", "embeddings.safetensors", "scores.json"])
def test_a_file_cut_short_is_refused_even_when_its_hash_is_right(bundle_folder, small_runs, name):
    content = (bundle_folder / name).read_bytes()
    (bundle_folder / name).write_bytes(content[: len(content) // 2])
    small_runs.rewrite_manifest(bundle_folder)
    with pytest.raises(BundleError, match=name):
        open_bundle(bundle_folder)


@pytest.mark.parametrize("name", ["manifest.json", "projection.parquet"])
def test_a_missing_file_is_named(bundle_folder, name):
    (bundle_folder / name).unlink()
    with pytest.raises(BundleError, match=f"{name}: cannot be read"):
        open_bundle(bundle_folder)


def test_a_link_is_refused(bundle_folder, tmp_path):
    path = bundle_folder / "scores.json"
    shutil.move(path, tmp_path / "scores.json")
    path.symlink_to(tmp_path / "scores.json")
    with pytest.raises(BundleError, match="is a link"):
        open_bundle(bundle_folder)


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"schema": 3}, "schema = 3, but this version reads 1, 2. A newer version wrote it"),
        ({"schema": "2"}, "schema = '2', but this version reads 1, 2"),
        ({"dimensions": "16"}, "dimensions = '16'"),
        ({"dimensions": 8}, r"not float32 of shape \(items, 8\)"),
        ({"suite": {}}, "suite has no name"),
        ({"objective": {"name": "llave"}}, "does not have the fields"),
        ({"objective": {"name": "llave", "alpha": 1e9, "temperature": 0.02}}, "alpha"),
        ({"objective": {"name": "magic", "temperature": 0.02}}, "objective.name = 'magic' is none of llave, infonce"),
        ({"objective": {"name": ["llave"], "temperature": 0.02}}, "objective.name"),
        ({"objective": {"name": "llave", "temperature": "warm"}}, "not usable"),
        ({"objective": {"name": "llave", "temperature": 0.02, "magic": 1}}, "magic"),
        ({"objective": ["llave"]}, "does not have the fields"),
        ({"files": {}}, "does not list"),
    ],
)
def test_a_manifest_that_does_not_fit_is_refused(bundle_folder, small_runs, fields, reason):
    small_runs.rewrite_manifest(bundle_folder, **fields)
    with pytest.raises(BundleError, match=reason):
        open_bundle(bundle_folder)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"name": "llave", "alpha": 5.0, "temperature": 0.05}, HardnessWeighted(5.0, 0.05)),
        ({"name": "infonce", "alpha": 0.0, "temperature": 0.02}, InfoNCE(0.02)),
    ],
)
def test_an_older_manifest_holds_three_fields_of_the_objective(bundle_folder, small_runs, fields, expected):
    small_runs.rewrite_manifest(bundle_folder, objective=fields)
    assert open_bundle(bundle_folder).objective == expected


def test_a_manifest_holds_every_field_of_the_objective(small_runs, tmp_path):
    settings = ObjectiveSettings(
        name="hard_debiased", beta=2.0, prior=0.2, temperature=1.0, temperature_final=0.5, exclude_above=0.1
    )
    small_runs.write_small_bundle(tmp_path / "bundle", small_runs.small_tasks(("clips",)), objective=settings)
    bundle = open_bundle(tmp_path / "bundle")
    assert bundle.objective_settings == settings
    assert bundle.objective == HardDebiased(2.0, 0.2, 0.5)


def test_a_manifest_that_is_no_json_is_refused(bundle_folder):
    (bundle_folder / "manifest.json").write_text("{")
    with pytest.raises(BundleError, match="not JSON"):
        open_bundle(bundle_folder)


def test_a_picture_that_cannot_be_read_is_none(bundle_folder, small_runs):
    change_table(bundle_folder, "thumbnails.parquet", webp=first_set(b"no picture"))
    small_runs.rewrite_manifest(bundle_folder)
    bundle = open_bundle(bundle_folder)
    assert bundle.picture(next(iter(bundle.thumbnails))) is None
    assert bundle.picture("unknown") is None


def test_bundles_are_listed_in_order_without_links_that_leave_and_half_written_ones(run, bundle_folder, tmp_path):
    earlier = shutil.copytree(bundle_folder, run / "bundles" / "000002-miniature")
    shutil.copytree(bundle_folder, run / "bundles" / ".000003-miniature.tmp")
    (run / "bundles" / "000004-miniature").mkdir()
    outside = shutil.copytree(bundle_folder, tmp_path / "outside")
    (run / "bundles" / "000005-miniature").symlink_to(outside)
    assert list_bundles(run) == [earlier, bundle_folder]


def test_the_digest_changes_with_the_content(bundle_folder, small_runs):
    before = manifest_digest(bundle_folder)
    scores = json.loads((bundle_folder / "scores.json").read_text())
    scores[0]["value"] = 0.123
    (bundle_folder / "scores.json").write_text(json.dumps(scores))
    small_runs.rewrite_manifest(bundle_folder)
    assert manifest_digest(bundle_folder) != before
