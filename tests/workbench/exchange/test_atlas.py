"""The file for Embedding Atlas holds the documented columns, and they say what the bundle says."""

import io

import numpy as np
import PIL.Image
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from workbench.bundles.bundle import open_bundle
from workbench.exchange.atlas import atlas_command, nearest_rows, write_atlas


@pytest.fixture(scope="module")
def bundle(written_run):
    return open_bundle(written_run / "bundles" / "000010-miniature")


@pytest.fixture(scope="module")
def table(bundle, tmp_path_factory):
    path = tmp_path_factory.mktemp("atlas") / "items.parquet"
    write_atlas(bundle, path, 5)
    return pq.read_table(path)


def test_the_documented_columns_and_types(table, bundle):
    assert table.num_rows == len(bundle.items)
    kinds = {name: table.schema.field(name).type for name in table.column_names}
    assert kinds["x"] == kinds["y"] == pa.float32()
    assert {field.name for field in kinds["neighbors"]} == {"ids", "distances"}
    assert [field.name for field in kinds["picture"]] == ["bytes", "path"]
    np.testing.assert_allclose(table["x"].to_numpy(), bundle.layouts["pca"].points[:, 0])
    assert table["id"].to_pylist() == bundle.items["item"].tolist()


def test_neighbours_are_exact_row_numbers_from_zero(table, bundle):
    similarity = bundle.vectors.astype(np.float64) @ bundle.vectors.astype(np.float64).T
    for row, found in enumerate(table["neighbors"].to_pylist()):
        assert found["ids"][0] == row
        assert found["distances"][0] == 0
        others = np.delete(np.arange(len(similarity)), row)
        expected = others[np.argsort(-similarity[row, others], kind="stable")][:5]
        np.testing.assert_allclose(found["distances"][1:], 1 - similarity[row, expected], atol=1e-6)
        np.testing.assert_allclose(1 - similarity[row, found["ids"][1:]], found["distances"][1:], atol=1e-6)
        assert len(set(found["ids"])) == 6


def test_few_items_and_many_that_are_alike():
    vectors = np.linalg.qr(np.random.default_rng(0).normal(size=(7, 7)))[0].astype(np.float32)
    vectors[1] = vectors[0]
    ids, distances = nearest_rows(vectors, 20)
    assert ids.shape == distances.shape == (7, 7)
    assert ids[0, :2].tolist() == [0, 1]
    assert ids[1, :2].tolist() == [1, 0]  # itself first, though the other is as near
    alike = np.ones((6, 1), dtype=np.float32)
    for row, found in enumerate(nearest_rows(alike, 2)[0].tolist()):
        assert found[0] == row
        assert len(set(found)) == 3
    assert nearest_rows(alike[:1], 3)[0].tolist() == [[0]]
    with pytest.raises(ValueError, match="neighbours = 0 is below 1"):
        nearest_rows(vectors, 0)


def test_queries_carry_how_they_fared(table, bundle):
    rows = table.to_pylist()
    for number, ranking in bundle.rankings.groupby("query"):
        row = rows[number]
        worst = ranking.sort_values("margin").iloc[0]
        assert row["rank"] == pytest.approx(worst["rank"])
        assert row["margin"] == pytest.approx(worst["margin"])
        assert row["hardest"] == bundle.words(int(worst["hardest"]))
        assert row["role"] in ("query", "both")
        assert worst["dataset"] in row["dataset"].split(", ")
    asked = set(bundle.rankings["query"])
    assert all(row["rank"] is None and row["meta_task"] is None for n, row in enumerate(rows) if n not in asked)
    above = bundle.negatives.loc[bundle.negatives["above_positive"]]
    assert sum(row["fools"] for row in rows) == len(above) > 0


def test_pictures_are_the_first_of_each_item(table, bundle):
    for number, row in enumerate(table.to_pylist()):
        first = next((part["thumbnail"] for part in bundle.parts(number) if part["type"] != "text"), None)
        assert (row["picture"] is None) == (first is None)
        if first is not None:
            assert row["picture"]["bytes"] == bundle.thumbnails[first]
            assert PIL.Image.open(io.BytesIO(row["picture"]["bytes"])).format == "WEBP"


def test_the_true_attributes_are_columns(table, bundle):
    known = next(row for row in range(len(bundle.items)) if bundle.attributes(row))
    name, value = next(iter(bundle.attributes(known).items()))
    assert table[f"attribute_{name}"].to_pylist()[known] == value


def test_another_suffix_is_refused_and_the_command_quotes(bundle, tmp_path):
    with pytest.raises(ValueError, match=r"ends in \.parquet"):
        write_atlas(bundle, tmp_path / "items.csv")
    assert "'two words.parquet' --x x --y y --neighbors neighbors" in atlas_command(
        tmp_path.relative_to(tmp_path) / "two words.parquet"
    )
