"""The synthetic MMEB has the published columns, and nothing in a query gives its answer away but the words."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from benchmarks.mmeb_files import write_mmeb_eval, write_mmeb_instruct
from core.data.mmeb.datasets import BY_NAME

SHARD = "test-00000-of-00001.parquet"
LISTS = {"tgt_text", "tgt_img_path"}


@pytest.mark.parametrize(
    ("write", "columns"),
    [
        (write_mmeb_eval, ["qry_text", "qry_img_path", "tgt_text", "tgt_img_path"]),
        (write_mmeb_instruct, ["qry_inst", "qry_text", "qry_img_path", "tgt_inst", "tgt_text", "tgt_img_path"]),
    ],
)
def test_all_36_have_the_published_columns_and_numbers(tmp_path: Path, write, columns: list[str]) -> None:
    write(tmp_path, queries=2, candidates=5)
    assert {path.name for path in tmp_path.iterdir()} == {*BY_NAME, "images"}
    for name, each in BY_NAME.items():
        table = pq.read_table(tmp_path / name / SHARD)
        assert table.column_names == columns
        for field in table.schema:
            assert pa.types.is_list(field.type) == (field.name in LISTS)
        assert table.num_rows == 2
        for row in table.to_pylist():
            count = min(5, each.candidates)
            pairs = set(zip(row["tgt_text"], row["tgt_img_path"], strict=True))
            assert len(row["tgt_text"]) == len(row["tgt_img_path"]) == len(pairs) == count
            for path in (row["qry_img_path"], *row["tgt_img_path"]):
                assert not path or (tmp_path / "images" / path).is_file()


def test_the_same_seed_writes_the_same_and_another_does_not(tmp_path: Path) -> None:
    for folder, seed in (("a", 1), ("b", 1), ("c", 2)):
        write_mmeb_eval(tmp_path / folder, datasets=["EDIS", "SUN397"], seed=seed)
    read = {
        root.name: {path.relative_to(root): path.read_bytes() for path in root.rglob("*.*")}
        for root in (tmp_path / folder for folder in "abc")
    }
    assert read["a"] == read["b"] != read["c"]


def test_data_sets_of_one_collection_show_the_same_pictures(tmp_path: Path) -> None:
    write_mmeb_eval(tmp_path, datasets=["MSCOCO_t2i", "VisDial"])
    shown = [
        {path for row in pq.read_table(tmp_path / name / SHARD).to_pylist() for path in row["tgt_img_path"]}
        for name in ("MSCOCO_t2i", "VisDial")
    ]
    assert shown[0] & shown[1]


def texts(root: Path, name: str) -> set[str]:
    """The targets' texts of a data set."""
    return {text for row in pq.read_table(root / name / SHARD).to_pylist() for text in row["tgt_text"]}


def test_texts_are_shared_as_said_and_no_more(tmp_path: Path) -> None:
    names = ["ImageNet-1K", "ImageNet-A", "ImageNet-R", "ObjectNet", "SUN397", "GQA", "DocVQA", "MSCOCO_i2t"]
    write_mmeb_eval(tmp_path, queries=40, candidates=30, datasets=names)
    one, a, r, objects, scenes, gqa, documents, captions = (texts(tmp_path, name) for name in names)
    assert one == a == r
    assert len(one & objects) == 10
    assert 0 < len(gqa & documents) <= 12
    assert len(gqa) > 50
    assert not one & scenes
    assert not (one | gqa | scenes) & captions


def test_queries_share_pictures_within_and_across_data_sets(tmp_path: Path) -> None:
    names = ["GQA", "RefCOCO", "OK-VQA"]
    write_mmeb_eval(tmp_path, queries=30, candidates=5, datasets=names)
    shown = [[row["qry_img_path"] for row in pq.read_table(tmp_path / name / SHARD).to_pylist()] for name in names]
    assert [len(set(paths)) for paths in shown] == [10, 15, 30]
    assert not set(shown[0]) & set(shown[1])
    assert len(set(shown[1]) & set(shown[2])) == 2


def test_unknown_names_and_too_few_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="'CIRRR' is not a data set of MMEB"):
        write_mmeb_eval(tmp_path, datasets=["CIRRR"])
    with pytest.raises(ValueError, match="candidates = 1 at least 2"):
        write_mmeb_eval(tmp_path, candidates=1)
