"""Vectors without pairs, and pairs out of rows that hold a text and a picture."""

import json
from pathlib import Path

import numpy as np
import PIL.Image
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from core.vector_import.import_bundle import ImportSettings, import_embeddings
from workbench.bundles.bundle import open_bundle

COLOURS = ("red", "green", "blue", "yellow")


def write_rows(folder, texts=tuple(f"a {colour} square" for colour in COLOURS)):
    """One Parquet file: id, text, image and the vectors of both, as image-text models give them."""
    folder.mkdir(exist_ok=True)
    for colour in COLOURS:
        PIL.Image.new("RGB", (8, 8), colour).save(folder / f"{colour}.png")
    chance = np.random.default_rng(0)
    pictures = 2 * np.eye(4, 6) + 0.1 * chance.normal(size=(4, 6))
    words = np.eye(4, 6)[[0, 1, 2, 2]] + 0.1 * chance.normal(size=(4, 6))
    table = pa.table(
        {
            "id": list(COLOURS),
            "text": list(texts),
            "image": [f"{colour}.png" for colour in COLOURS],
            "image_vector": pictures.tolist(),
            "text_vector": words.tolist(),
        }
    )
    pq.write_table(table, folder / "rows.parquet")
    return folder / "rows.parquet", unit(pictures), unit(words)


def unit(rows):
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def both_sides(path, out, **settings):
    columns = {"column": "image_vector", "query_column": "text_vector"}
    sides = {"queries_from": "text", "targets_from": "image"}
    return import_embeddings(ImportSettings(path, out, **{**columns, **sides, **settings}), progress=False)


def test_each_text_of_a_row_asks_for_its_picture_among_all(tmp_path):
    path, pictures, words = write_rows(tmp_path / "outside")
    done = both_sides(path, tmp_path / "runs" / "clip")
    bundle = open_bundle(done.folder)
    np.testing.assert_allclose(bundle.vectors, np.concatenate([words, pictures]), atol=1e-6)
    assert bundle.items["modality"].tolist() == ["text"] * 4 + ["image"] * 4
    cosine = words @ pictures.T
    for row in range(4):
        query = bundle.query(row)
        assert (query.query, query.positive, query.size) == (row, 4 + row, 4)
        assert query.rank == 1 + (cosine[row] > cosine[row, row]).sum()
    assert [bundle.query(row).rank for row in range(3)] == [1, 1, 1]
    assert bundle.query(3).rank > 1
    assert len(bundle.candidates.pools) == 1
    assert bundle.objective_settings is None
    assert bundle.negatives["share"].isna().all()


def test_pictures_ask_for_texts_and_equal_texts_are_right_for_one_another(tmp_path):
    texts = ("a square", "a square", "a blue square", "a yellow square")
    path, _, _ = write_rows(tmp_path / "outside", texts)
    done = both_sides(
        path, tmp_path / "clip", column="text_vector", query_column="image_vector", queries_from="image",
        targets_from="text",
    )  # fmt: skip
    bundle = open_bundle(done.folder)
    assert [sorted(bundle.query(row).right) for row in range(4)] == [[4, 5], [4, 5], [6], [7]]


def test_vectors_of_queries_may_lie_in_a_file_of_their_own(tmp_path):
    path, pictures, words = write_rows(tmp_path / "outside")
    for name, rows in (("pictures", pictures), ("words", words)):
        np.save(tmp_path / f"{name}.npy", rows)
    files = {"items": path, "query_embeddings": tmp_path / "words.npy", "column": None, "query_column": None}
    apart = both_sides(tmp_path / "pictures.npy", tmp_path / "apart", **files)
    together = both_sides(path, tmp_path / "together")
    np.testing.assert_allclose(open_bundle(apart.folder).vectors, open_bundle(together.folder).vectors, atol=1e-6)
    assert apart.scores == together.scores


def test_vectors_without_pairs_make_a_bundle_of_items(tmp_path):
    path, pictures, _ = write_rows(tmp_path / "outside")
    done = import_embeddings(ImportSettings(path, tmp_path / "clip", column="image_vector"), progress=False)
    bundle = open_bundle(done.folder)
    np.testing.assert_allclose(bundle.vectors, pictures, atol=1e-6)
    assert (bundle.paired, bundle.datasets, done.scores, len(bundle.items)) == (False, [], [], 4)
    assert bundle.parts(0)[1] == {"type": "text", "text": "a red square"}
    assert "pairs" not in json.loads((done.folder / "manifest.json").read_text())["suite"]


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"targets_from": None}, "queries_from and targets_from belong together"),
        ({"targets_from": "text"}, "are both 'text'"),
        ({"pairs": Path("pairs.csv")}, "pairs and queries_from both say"),
        ({"queries_from": None, "targets_from": None}, "query_embeddings and query_column are vectors for"),
    ],
)
def test_settings_that_contradict_are_refused(tmp_path, settings, reason):
    path, _, _ = write_rows(tmp_path / "outside")
    with pytest.raises(ValueError, match=reason):
        both_sides(path, tmp_path / "clip", **settings)


def test_a_row_without_its_text_and_vectors_of_two_models_are_named(tmp_path):
    path, _, words = write_rows(tmp_path / "outside", ("a square", "", "b", "c"))
    with pytest.raises(ValueError, match=r"rows\.parquet: item 'green' has no text"):
        both_sides(path, tmp_path / "clip")
    path, _, words = write_rows(tmp_path / "outside")
    np.save(tmp_path / "words.npy", words[:, :5])
    with pytest.raises(ValueError, match="the queries' vectors have 5 numbers"):
        both_sides(path, tmp_path / "clip", query_embeddings=tmp_path / "words.npy", query_column=None)
