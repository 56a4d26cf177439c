"""The reader of MMEB-train's layout, on small folders written by the tests."""

import json
import os
import pickle
import random
import shutil
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import PIL.Image
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from core.data.checks.problems import BadRow
from core.data.images.image_files import FileImage
from core.data.images.image_folders import ImageFolder
from core.data.mmeb.rows import as_list, build_item
from core.data.mmeb.training import MmebPairs, read_mmeb
from core.data.records import Image, Item, Pair, PairDataset, Text

SHARD = "original-00000-of-00001.parquet"


def row(**fields: object) -> dict[str, object]:
    """A text-only row with some fields changed."""
    return {"qry": "a question", "qry_image_path": "", "pos_text": "an answer", "pos_image_path": "", **fields}


def write(root: Path, rows: Sequence[Mapping[str, object]], name: str = "OK-VQA", file: str = SHARD) -> Path:
    """Write one file of the layout and the pictures a.png, b.png, c.png."""
    (root / name).mkdir(parents=True, exist_ok=True)
    (root / "images").mkdir(exist_ok=True)
    for shade, letter in enumerate("abc"):
        PIL.Image.new("RGB", (8, 8), (shade, 0, 0)).save(root / "images" / f"{letter}.png")
    path = root / name / file
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".parquet":
        pq.write_table(pa.Table.from_pylist(list(rows)), path)
    elif path.suffix == ".jsonl":
        path.write_text("\n\n".join(json.dumps(each) for each in rows) + "\n", encoding="utf-8-sig")
    else:
        path.write_text(json.dumps(list(rows)), encoding="utf-8")
    return path


def read_one(root: Path, **fields: object) -> Pair:
    """The pair of one row."""
    write(root, [row(**fields)])
    return read_mmeb(root, ["OK-VQA"])[0][0]


def shown(item: Item, root: Path) -> list[str]:
    """An item's parts as words and file names."""
    parts = []
    for part in item.parts:
        if isinstance(part, Text):
            parts.append(part.text)
        else:
            assert isinstance(part, Image)
            assert isinstance(part.source, FileImage)
            parts.append(part.source.path.relative_to(root / "images").as_posix())
    return parts


def test_a_row_becomes_a_pair_with_its_place(tmp_path: Path) -> None:
    path = write(tmp_path, [row(), row(qry="<|image_1|>\nWhat is it?\n", qry_image_path="images/a.png")])
    (dataset,) = read_mmeb(tmp_path, ["OK-VQA"])
    assert isinstance(dataset, PairDataset)
    assert (dataset.name, dataset.meta_task, len(dataset)) == ("OK-VQA", "vqa", 2)
    pair = dataset[1]
    assert pair.query == Item((Image(FileImage(tmp_path / "images/a.png")), Text("What is it?\n")))
    assert pair.positive == Item((Text("an answer"),))
    assert (pair.dataset, pair.meta_task, pair.negatives) == ("OK-VQA", "vqa", ())
    assert pair.origin == f"{path} row 2"
    for index in (-1, 2):
        with pytest.raises(IndexError, match="OK-VQA"):
            dataset[index]


@pytest.mark.parametrize(
    ("text", "paths", "parts"),
    [
        ("<|image_1|>\nName it.", ["images/a.png"], ["a.png", "Name it."]),
        ("Name <|image_1|>\nnow.\n", ["images/a.png"], ["Name", "a.png", "now.\n"]),
        ("Before <|image_1|> after", ["images/a.png"], ["Before", "a.png", "after"]),
        ("Which is it? <|image_1|>", ["images/a.png"], ["Which is it?", "a.png"]),
        ("no mark", ["images/a.png"], ["a.png", "no mark"]),
        ("", ["images/a.png"], ["a.png"]),
        ("  \n", ["images/a.png"], ["a.png"]),
        ("<|image_2|> then <|image_1|>", ["images/a.png", "images/b.png"], ["b.png", "then", "a.png"]),
        ("no mark", ["images/a.png", "images/b.png"], ["a.png", "b.png", "no mark"]),
        ("two\nlines", [], ["two\nlines"]),
    ],
)
def test_placeholders_put_pictures_in_reading_order(
    tmp_path: Path, text: str, paths: list[str], parts: list[str]
) -> None:
    assert (
        shown(build_item(text, paths, ImageFolder(tmp_path), "x row 1", ("qry", "qry_image_path")), tmp_path) == parts
    )


@pytest.mark.parametrize(
    ("text", "paths"),
    [
        ("<|image_1|>\nName it.", []),
        ("<|image_2|> and", ["images/a.png"]),
        ("<|image_1|> alone", ["images/a.png", "images/b.png"]),
        ("<|image_0|>", ["images/a.png"]),
    ],
)
def test_a_placeholder_without_its_picture_names_file_row_and_field(
    tmp_path: Path, text: str, paths: list[str]
) -> None:
    path = write(tmp_path, [row(), row(pos_text=text, pos_image_path=str(paths) if paths else "")])
    with pytest.raises(BadRow) as caught:
        read_mmeb(tmp_path, ["OK-VQA"])[0][1]
    assert caught.value.problem.where == f"{path} row 2"
    assert "pos_text has <|image_" in caught.value.problem.reason
    assert f"pos_image_path names {len(paths)} pictures" in caught.value.problem.reason


def test_a_row_that_says_nothing_is_a_bad_row(tmp_path: Path) -> None:
    for fields in ({"pos_text": " "}, {"pos_text": None}, {"pos_text": "", "pos_image_path": None}):
        with pytest.raises(BadRow, match="pos_text and pos_image_path are both empty"):
            read_one(tmp_path, **fields)
    with pytest.raises(BadRow, match="qry holds int 3"):
        read_one(tmp_path, qry=3)


@pytest.mark.parametrize("path", ["/etc/passwd", "../secret.png", "images/../../secret.png", "C:/a.png", "a\\b.png"])
def test_paths_outside_the_image_root_are_refused(tmp_path: Path, path: str) -> None:
    (tmp_path / "secret.png").write_bytes(b"")
    with pytest.raises(BadRow, match=r"row 1: the picture's path .* relative"):
        read_one(tmp_path / "root", qry_image_path=path)


def test_a_symbolic_link_out_of_the_image_root_is_refused(tmp_path: Path) -> None:
    root = tmp_path / "root"
    write(root, [row(qry_image_path="images/link.png"), row(qry_image_path="images/inner.png")])
    (tmp_path / "secret.png").write_bytes(b"")
    os.symlink(tmp_path / "secret.png", root / "images/link.png")
    os.symlink(root / "images/a.png", root / "images/inner.png")
    (dataset,) = read_mmeb(root, ["OK-VQA"])
    with pytest.raises(BadRow, match="leads out of"):
        dataset[0]
    assert shown(dataset[1].query, root)[0] == "inner.png"


def test_the_image_root_can_be_another_folder(tmp_path: Path) -> None:
    write(tmp_path / "pictures", [row()])
    write(tmp_path / "tables", [row(qry_image_path="images/b.png")])
    (dataset,) = read_mmeb(tmp_path / "tables", ["OK-VQA"], image_root=tmp_path / "pictures")
    assert shown(dataset[0].query, tmp_path / "pictures") == ["b.png", "a question"]


@pytest.mark.parametrize(
    ("neg_text", "neg_image_path", "expected"),
    [
        (None, None, []),
        ("", "", []),
        ("wrong", "", [["wrong"]]),
        ("<|image_1|>\nwrong", "images/b.png", [["b.png", "wrong"]]),
        ("", "images/b.png", [["b.png"]]),
        (str(["it's", 'a "b"', "c"]), "", [["it's"], ['a "b"'], ["c"]]),
        (str(["one", "<|image_1|> two"]), str(["", "images/c.png"]), [["one"], ["c.png", "two"]]),
        ("", str(["images/b.png", "images/c.png"]), [["b.png"], ["c.png"]]),
        (str(["one", ""]), str(["", ""]), [["one"]]),
        (["one", "two"], None, [["one"], ["two"]]),
        ("[1] a footnote", "", [["[1] a footnote"]]),
        ("[unfinished", "", [["[unfinished"]]),
        ("[]", "[]", []),
    ],
)
def test_negatives_are_plain_or_lists_written_as_strings(
    tmp_path: Path, neg_text: object, neg_image_path: object, expected: list[list[str]]
) -> None:
    pair = read_one(tmp_path, neg_text=neg_text, neg_image_path=neg_image_path)
    assert [shown(item, tmp_path) for item in pair.negatives] == expected


def test_negatives_of_different_number_are_a_bad_row(tmp_path: Path) -> None:
    with pytest.raises(BadRow, match="row 1: neg_text has 2 entries and neg_image_path 3"):
        read_one(tmp_path, neg_text="['a', 'b']", neg_image_path="['', '', '']")


def test_lists_written_as_strings_are_never_run_as_code() -> None:
    for text in ("[__import__('os').getcwd()]", "[" * 500, "[1, 2]", "['a', 1]"):
        assert as_list(text) == [text]


def test_several_pictures_of_one_item_come_as_a_list_or_its_string(tmp_path: Path) -> None:
    for paths in (["images/b.png", "images/a.png"], "['images/b.png', 'images/a.png']"):
        pair = read_one(tmp_path, qry="from <|image_1|> to <|image_2|>", qry_image_path=paths)
        assert shown(pair.query, tmp_path) == ["from", "b.png", "to", "a.png"]


@pytest.mark.parametrize("file", ["original.jsonl", "original.json"])
def test_json_files_hold_the_same_records(tmp_path: Path, file: str) -> None:
    rows = [row(qry="caf\u00e9 \U0001f600"), row(qry_image_path=["images/a.png", "images/b.png"], neg_text=["x", "y"])]
    path = write(tmp_path, rows, file=file)
    (dataset,) = read_mmeb(tmp_path, ["OK-VQA"])
    assert dataset[0].query.text == "caf\u00e9 \U0001f600"
    assert shown(dataset[1].query, tmp_path) == ["a.png", "b.png", "a question"]
    assert [item.text for item in dataset[1].negatives] == ["x", "y"]
    # the lines of the .jsonl file have a blank line between them
    assert dataset[1].origin == f"{path} row {3 if path.suffix == '.jsonl' else 2}"


def test_shards_lie_behind_one_another_and_all_must_be_there(tmp_path: Path) -> None:
    first = write(tmp_path, [row(qry="1"), row(qry="2")], file="original-00000-of-00002.parquet")
    with pytest.raises(ValueError, match="shard 1 of 00002 is missing"):
        read_mmeb(tmp_path)
    second = write(tmp_path, [row(qry="3")], file="original-00001-of-00002.parquet")
    (dataset,) = read_mmeb(tmp_path)
    assert [dataset[index].query.text for index in range(3)] == ["1", "2", "3"]
    origins = [f"{first} row 1", f"{first} row 2", f"{second} row 1"]
    assert [dataset[index].origin for index in range(3)] == origins


def test_splits_are_told_apart_and_never_mixed(tmp_path: Path) -> None:
    write(tmp_path, [row(qry="original")])
    write(tmp_path, [row(qry="paraphrase")], file="diverse_instruction-00000-of-00001.parquet")
    write(tmp_path, [row(qry="old")], file="train-00000-of-00001.parquet")
    for split, query in (("original", "original"), ("diverse_instruction", "paraphrase"), ("train", "old")):
        (dataset,) = read_mmeb(tmp_path, split=split)
        assert [dataset[0].query.text, len(dataset)] == [query, 1]
    write(tmp_path, [row()], file="original.jsonl")
    with pytest.raises(ValueError, match="'original' lies there twice"):
        read_mmeb(tmp_path)


def test_all_data_sets_of_the_split_are_read_and_others_are_named(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    write(tmp_path, [row()], "VisDial")
    write(tmp_path, [row()], "MSCOCO")
    write(tmp_path, [row()], "FashionIQ", "train-00000-of-00001.parquet")
    assert [each.name for each in read_mmeb(tmp_path)] == ["MSCOCO", "VisDial"]
    assert "left out for want of the split 'original': FashionIQ." in caplog.text
    assert [each.name for each in read_mmeb(tmp_path, ["VisDial", "MSCOCO"])] == ["VisDial", "MSCOCO"]
    with pytest.raises(ValueError, match=r"FashionIQ: no file of the split 'original'; its splits are train\."):
        read_mmeb(tmp_path, ["FashionIQ"])
    with pytest.raises(ValueError, match=r"CIRR: no file of the split 'original'; there is no such folder"):
        read_mmeb(tmp_path, ["CIRR"])
    for names in (["MSCOCO", "MSCOCO"], []):
        with pytest.raises(ValueError, match=r"names = \["):
            read_mmeb(tmp_path, names)


def test_an_unknown_data_set_needs_its_meta_task(tmp_path: Path) -> None:
    write(tmp_path, [row()], "my-data")
    with pytest.raises(ValueError, match=r'Write \{"my-data": "retrieval"\} .*meta_tasks\.json'):
        read_mmeb(tmp_path)
    side = tmp_path / "meta_tasks.json"
    side.write_text('{"my-data": "vqa"}')
    (dataset,) = read_mmeb(tmp_path)
    assert (dataset.meta_task, dataset[0].meta_task) == ("vqa", "vqa")
    for text, message in (('{"my-data": "x"}', "meta-task 'x'"), ("[]", "one object"), ("{", "not valid JSON")):
        side.write_text(text)
        with pytest.raises(ValueError, match=message):
            read_mmeb(tmp_path)


def test_wrong_folders_files_and_columns_stop_with_their_name(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"nowhere: no such folder"):
        read_mmeb(tmp_path / "nowhere")
    with pytest.raises(ValueError, match="no folder in it holds a file original-"):
        read_mmeb(tmp_path)
    path = write(tmp_path, [{"qry": "a", "qry_image_path": "", "pos_text": "b", "pos_img_path": ""}])
    with pytest.raises(
        ValueError, match=rf"{path}: column 'pos_image_path' is missing; its columns are qry, .*pos_img"
    ):
        read_mmeb(tmp_path)
    path.write_bytes(b"version https://git-lfs.github.com/spec/v1\n")
    with pytest.raises(ValueError, match=rf"{path}: cannot be read"):
        read_mmeb(tmp_path)
    write(tmp_path, [row()])
    with pytest.raises(ValueError, match="elsewhere: no such folder"):
        read_mmeb(tmp_path, image_root=tmp_path / "elsewhere")
    with pytest.raises(ValueError, match="limit = 0"):
        read_mmeb(tmp_path, limit=0)


def texts(dataset: MmebPairs) -> list[str]:
    """The query texts of a data set."""
    return [dataset[index].query.text for index in range(len(dataset))]


def test_the_cap_is_a_seeded_random_sample_and_not_the_first_rows(tmp_path: Path) -> None:
    for name in ("MSCOCO", "VisDial"):
        write(tmp_path, [row(qry=str(number)) for number in range(500)], name)
    first, other = read_mmeb(tmp_path, limit=50, seed=1)
    assert len(set(texts(first))) == 50
    assert max(int(each) for each in texts(first)) > 400
    assert texts(first) == texts(read_mmeb(tmp_path, ["MSCOCO"], limit=50, seed=1)[0])
    assert texts(first) != texts(other)
    assert texts(first) != texts(read_mmeb(tmp_path, limit=50, seed=2)[0])
    assert first[0].origin.endswith(f"row {int(texts(first)[0]) + 1}")
    assert len(read_mmeb(tmp_path, limit=501)[0]) == 500


def test_rows_are_made_pairs_only_when_asked_for(tmp_path: Path) -> None:
    rows = [row(qry=f"{number}", qry_image_path="images/missing.png") for number in range(100)]
    write(tmp_path, [*rows, row(qry="<|image_1|>")])
    (dataset,) = read_mmeb(tmp_path)
    order = random.Random(0).sample(range(100), 5)
    assert [dataset[index].query.parts[1] for index in order] == [Text(str(index)) for index in order]
    with pytest.raises(BadRow):
        dataset[100]


def test_a_data_set_can_be_sent_to_loader_processes(tmp_path: Path) -> None:
    write(tmp_path, [row(qry_image_path="images/a.png"), row()])
    (dataset,) = read_mmeb(tmp_path)
    sent = pickle.loads(pickle.dumps(dataset))
    assert [sent[index] for index in range(2)] == [dataset[index] for index in range(2)]


def zipped(root: Path, archive: Path, prefix: str) -> None:
    """Pack the pictures a, b, c under a prefix and delete their files."""
    with zipfile.ZipFile(root / "packed.tmp", "w", zipfile.ZIP_DEFLATED) as packed:
        for letter in "abc":
            packed.write(root / "images" / f"{letter}.png", f"{prefix}{letter}.png")
    shutil.rmtree(root / "images")
    archive.parent.mkdir(parents=True, exist_ok=True)
    (root / "packed.tmp").rename(archive)


@pytest.mark.parametrize(
    ("archive", "prefix", "named"),
    [
        ("images_zip/OK-VQA.zip", "", "images/OK-VQA/b.png"),
        ("images_zip/OK-VQA.zip", "OK-VQA/", "images/OK-VQA/b.png"),
        ("images_zip/OK-VQA.zip", "images/OK-VQA/", "images/OK-VQA/b.png"),
        ("images.zip", "images/OK-VQA/", "images/OK-VQA/b.png"),
        ("images/OK-VQA.zip", "OK-VQA/Train/", "images/OK-VQA/Train/b.png"),
    ],
)
def test_pictures_are_read_out_of_archives_as_they_are_shipped(
    tmp_path: Path, archive: str, prefix: str, named: str
) -> None:
    write(tmp_path, [row(qry_image_path=named)])
    plain = FileImage(tmp_path / "images" / "b.png")
    pixels, expected = plain.open().tobytes(), plain.content_id
    zipped(tmp_path, tmp_path / archive, prefix)
    (dataset,) = read_mmeb(tmp_path, ["OK-VQA"])
    (source,) = pickle.loads(pickle.dumps(dataset))[0].query.images()
    assert (source.content_id, source.open().tobytes()) == (expected, pixels)


def test_an_unpacked_picture_comes_before_the_archive_and_a_missing_one_names_both(tmp_path: Path) -> None:
    path = write(tmp_path, [row(qry_image_path="images/a.png"), row(qry_image_path="images/none.png")])
    zipped(tmp_path, tmp_path / "images_zip" / "OK-VQA.zip", "images/")
    (tmp_path / "images").mkdir()
    PIL.Image.new("RGB", (8, 8), "white").save(tmp_path / "images" / "a.png")
    (dataset,) = read_mmeb(tmp_path, ["OK-VQA"])
    (source,) = dataset[0].query.images()
    assert source == FileImage(tmp_path / "images" / "a.png")
    with pytest.raises(BadRow, match=rf"{path} row 2: the picture 'images/none.png' is neither in .*OK-VQA\.zip"):
        dataset[1]


def test_a_broken_archive_is_told_before_any_row_is_read(tmp_path: Path) -> None:
    write(tmp_path, [row()])
    (tmp_path / "images_zip").mkdir()
    (tmp_path / "images_zip" / "OK-VQA.zip").write_bytes(b"PK\x03\x04 half of it")
    with pytest.raises(ValueError, match=r"OK-VQA\.zip: not a readable ZIP archive\. Download it again"):
        read_mmeb(tmp_path)


def test_each_data_set_can_have_its_own_limit(tmp_path: Path) -> None:
    for name in ("MSCOCO", "VisDial", "CIRR"):
        write(tmp_path, [row(qry=str(number)) for number in range(30)], name)
    found = read_mmeb(tmp_path, limit=5, limits={"VisDial": 12, "MSCOCO": 100})
    assert {each.name: len(each) for each in found} == {"CIRR": 5, "MSCOCO": 30, "VisDial": 12}
    with pytest.raises(ValueError, match="limits: 'WebQA' is not among the data sets that are read: CIRR, MSCOCO"):
        read_mmeb(tmp_path, limits={"WebQA": 3})
    with pytest.raises(ValueError, match="limit = 0 of CIRR is below 1"):
        read_mmeb(tmp_path, limits={"CIRR": 0})


def test_the_hubs_converted_branch_is_read_too(tmp_path: Path) -> None:
    write(tmp_path, [row(qry="1")], file="original/0000.parquet")
    write(tmp_path, [row(qry="2")], file="original/0001.parquet")
    (dataset,) = read_mmeb(tmp_path, ["OK-VQA"])
    assert texts(dataset) == ["1", "2"]
