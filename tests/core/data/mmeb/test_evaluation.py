"""The readers of MMEB's evaluation layouts, on all 36 data sets written in exactly those layouts."""

import json
import shutil
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import PIL.Image
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from benchmarks.mmeb_files import write_mmeb_eval, write_mmeb_instruct
from core.data.checks.problems import BadItems
from core.data.mmeb.datasets import BY_NAME, DATASETS
from core.data.mmeb.evaluation import read_mmeb_eval
from core.data.records import Image, Item, Ranking, RankingTask, Text

SHARD = "test-00000-of-00001.parquet"


@pytest.fixture(scope="module")
def benchmark(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All 36 data sets in V1's layout, with 3 queries and 8 candidates each."""
    root = tmp_path_factory.mktemp("mmeb")
    write_mmeb_eval(root)
    return root


@pytest.fixture(scope="module")
def tasks(benchmark: Path) -> list[RankingTask]:
    """All of them, read."""
    return read_mmeb_eval(benchmark, progress=False)


def records(root: Path, name: str) -> list[dict[str, object]]:
    """The rows of a data set as they are in its file."""
    return pq.read_table(root / name / SHARD).to_pylist()


def row(**fields: object) -> dict[str, object]:
    """A row of one query with three candidates, with some fields changed."""
    plain = {"qry_text": "a question", "qry_img_path": "", "tgt_text": ["x", "y", "z"], "tgt_img_path": ["", "", ""]}
    return plain | fields


def read_rows(root: Path, rows: Sequence[Mapping[str, object]], **options: object) -> RankingTask:
    """Some rows, written as OK-VQA's with the pictures a.png and b.png, and read."""
    (root / "OK-VQA").mkdir(parents=True, exist_ok=True)
    (root / "images").mkdir(exist_ok=True)
    for letter in "ab":
        PIL.Image.new("RGB", (8, 8), (ord(letter), 0, 0)).save(root / "images" / f"{letter}.png")
    (root / "OK-VQA" / "test.json").write_text(json.dumps(list(rows)))
    (task,) = read_mmeb_eval(root, ["OK-VQA"], progress=False, **options)
    return task


def right(ranking: Ranking) -> list[Item]:
    """The right candidates."""
    return [ranking.candidates[place] for place in ranking.right]


def spelled(item: Item, root: Path) -> tuple[str, str]:
    """Text and path of an item, as the files have them but for instructions' marks."""
    words = " ".join(part.text for part in item.parts if isinstance(part, Text))
    paths = [source.path.relative_to(root / "images").as_posix() for source in item.images()]
    return words, "".join(paths)


def test_all_36_are_read_with_their_meta_task_and_distribution(tasks: list[RankingTask]) -> None:
    assert [task.name for task in tasks] == [each.name for each in DATASETS]
    for task in tasks:
        each = BY_NAME[task.name]
        assert (task.meta_task, task.in_distribution, task.metric) == (each.meta_task, each.in_distribution, "P@1")
        assert len(task.rankings) == 3
        for ranking in task.rankings:
            assert len(ranking.candidates) == min(8, each.candidates)
            # the files show pictures where the table says so; texts of instructions come on top
            assert ("image" in ranking.query.modality) == ("image" in each.query)
            assert {"image" in item.modality for item in ranking.candidates} == {"image" in each.target}


def test_every_query_and_candidate_is_what_the_file_says(benchmark: Path, tasks: list[RankingTask]) -> None:
    for task in tasks:
        for number, (ranking, record) in enumerate(zip(task.rankings, records(benchmark, task.name), strict=True)):
            plain = [text.replace("<|image_1|>\n", "") for text in record["tgt_text"]]
            written = list(zip(plain, record["tgt_img_path"], strict=True))
            assert [spelled(item, benchmark) for item in right(ranking)] == written[:1]
            assert sorted(spelled(item, benchmark) for item in ranking.candidates) == sorted(written)
            query = record["qry_text"].replace("<|image_1|>\n", ""), record["qry_img_path"]
            assert spelled(ranking.query, benchmark) == query
            assert ranking.origin == f"{benchmark / task.name / SHARD} row {number + 1}"


def test_the_right_candidates_place_says_nothing(tmp_path: Path) -> None:
    write_mmeb_eval(tmp_path, queries=60, candidates=12, datasets=["WebQA", "OK-VQA", "ImageNet-1K"])
    for task in read_mmeb_eval(tmp_path, ["WebQA", "OK-VQA", "ImageNet-1K"], progress=False):
        places = [ranking.right[0] for ranking in task.rankings]
        assert 2.5 < sum(places) / len(places) < 8.5
        assert places.count(0) < 15


def test_the_order_of_a_pool_does_not_depend_on_which_is_right(tmp_path: Path) -> None:
    orders = []
    for number, names in enumerate((["x", "y", "z"], ["z", "x", "y"], ["y", "z", "x"])):
        (ranking,) = read_rows(tmp_path / str(number), [row(tgt_text=names)]).rankings
        assert right(ranking)[0].text == names[0]
        orders.append([item.text for item in ranking.candidates])
    assert orders[0] == orders[1] == orders[2]


def test_items_pictures_and_pools_are_one_object_across_data_sets(tasks: list[RankingTask]) -> None:
    items = [item for task in tasks for each in task.rankings for item in (each.query, *each.candidates)]
    assert len({id(item) for item in items}) == len(set(items)) < 0.6 * len(items)
    sources = [source for item in items for source in item.images()]
    assert len({id(source) for source in sources}) == len(set(sources)) < 0.7 * len(sources)
    by_name = {task.name: task for task in tasks}
    assert len({id(each.candidates) for each in by_name["SUN397"].rankings}) == 1
    coco = [
        {id(item) for each in by_name[name].rankings for item in each.candidates} for name in ("VisDial", "RefCOCO")
    ]
    assert coco[0] & coco[1]


def test_the_instruct_layout_makes_the_same_rankings(benchmark: Path, tasks: list[RankingTask], tmp_path: Path) -> None:
    write_mmeb_instruct(tmp_path)
    read = read_mmeb_eval(tmp_path, layout="instruct", image_root=benchmark / "images", progress=False)
    for one, other in zip(tasks, read, strict=True):
        assert [each.query for each in one.rankings] == [each.query for each in other.rankings]
        assert [right(each) for each in one.rankings] == [right(each) for each in other.rankings]
        assert [set(each.candidates) for each in one.rankings] == [set(each.candidates) for each in other.rankings]


def test_an_instruction_stands_only_before_candidates_that_show_something(tmp_path: Path) -> None:
    fields = {"qry_inst": "<|image_1|>\nAnswer:\n", "qry_img_path": "a.png", "qry_text": "which?"}
    rows = [row(**fields, tgt_inst="<|image_1|>\nSee: ", tgt_text=["x", "y", ""], tgt_img_path=["", "b.png", "a.png"])]
    (ranking,) = read_rows(tmp_path, rows, layout="instruct").rankings
    assert ranking.query.text == "[image] Answer: which?\n"
    assert {item.text for item in ranking.candidates} == {"x", "[image] See: y\n", "[image] See: "}


def test_a_mark_in_the_instruction_of_a_query_of_words_alone_means_nothing(tmp_path: Path) -> None:
    rows = [row(qry_inst="<|image_1|> Find it:", tgt_inst="")]
    (ranking,) = read_rows(tmp_path, rows, layout="instruct").rankings
    assert ranking.query.text == "Find it: a question\n"


@pytest.mark.parametrize("form", ["parquet", "jsonl", "json", "shards", "converted"])
def test_every_form_of_a_table_is_read(benchmark: Path, tasks: list[RankingTask], tmp_path: Path, form: str) -> None:
    rows = records(benchmark, "CIRR")
    folder = tmp_path / "CIRR"
    folder.mkdir()
    if form == "jsonl":
        (folder / "test.jsonl").write_text("\n".join(map(json.dumps, rows)))
    elif form == "json":
        (folder / "test.json").write_text(json.dumps(rows))
    elif form == "converted":
        (folder / "test").mkdir()
        pq.write_table(pa.Table.from_pylist(rows), folder / "test" / "0000.parquet")
    else:
        parts = [rows[:1], rows[1:]] if form == "shards" else [rows]
        for number, part in enumerate(parts):
            pq.write_table(pa.Table.from_pylist(part), folder / f"test-0000{number}-of-0000{len(parts)}.parquet")
    (task,) = read_mmeb_eval(tmp_path, ["CIRR"], image_root=benchmark / "images", progress=False)
    (expected,) = [each for each in tasks if each.name == "CIRR"]
    assert [each.query for each in task.rankings] == [each.query for each in expected.rankings]
    assert [each.candidates for each in task.rankings] == [each.candidates for each in expected.rankings]


def test_pictures_come_out_of_the_hubs_archive(benchmark: Path, tasks: list[RankingTask], tmp_path: Path) -> None:
    shutil.copytree(benchmark / "CIRR", tmp_path / "CIRR")
    with zipfile.ZipFile(tmp_path / "images.zip", "w") as archive:
        for path in sorted((benchmark / "images" / "CIRR").iterdir()):
            archive.write(path, f"CIRR/{path.name}")
    (task,) = read_mmeb_eval(tmp_path, ["CIRR"], progress=False)
    (expected,) = [each for each in tasks if each.name == "CIRR"]
    for one, other in zip(task.rankings, expected.rankings, strict=True):
        assert one.query.content_id == other.query.content_id
        assert {item.content_id for item in one.candidates} == {item.content_id for item in other.candidates}


def test_queries_are_drawn_at_random_by_the_seed(tmp_path: Path) -> None:
    rows = [row(qry_text=str(number)) for number in range(200)]
    first = read_rows(tmp_path, rows, queries=20, seed=1)
    numbers = [int(each.query.text) for each in first.rankings]
    assert len(set(numbers)) == 20
    assert max(numbers) > 150
    assert numbers == sorted(numbers)
    assert numbers == [int(each.query.text) for each in read_rows(tmp_path, rows, queries=20, seed=1).rankings]
    assert numbers != [int(each.query.text) for each in read_rows(tmp_path, rows, queries=20, seed=2).rankings]
    assert len(read_rows(tmp_path, rows, queries=500).rankings) == 200


def test_duplicates_are_one_candidate_and_those_of_the_right_one_are_right(tmp_path: Path) -> None:
    rows = [row(tgt_text=["x", "y", "x", "y", "z"], tgt_img_path=[""] * 5)]
    (ranking,) = read_rows(tmp_path, rows).rankings
    assert sorted(item.text for item in ranking.candidates) == ["x", "y", "z"]
    assert [item.text for item in right(ranking)] == ["x"]


def test_one_picture_with_other_words_is_another_candidate(tmp_path: Path) -> None:
    rows = [row(tgt_text=["<|image_1|> left", "<|image_1|> right"], tgt_img_path=["a.png", "a.png"])]
    (ranking,) = read_rows(tmp_path, rows).rankings
    assert {item.text for item in ranking.candidates} == {"[image] left", "[image] right"}
    assert len({id(source) for item in ranking.candidates for source in item.images()}) == 1


def test_no_text_for_any_candidate_may_be_one_empty_string(tmp_path: Path) -> None:
    for empty in ("", None):
        (ranking,) = read_rows(tmp_path, [row(tgt_text=empty, tgt_img_path=["a.png", "b.png"])]).rankings
        assert all(isinstance(item.parts[0], Image) and len(item.parts) == 1 for item in ranking.candidates)


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"qry_text": 3}, "qry_text holds int '3'; it should be text"),
        ({"qry_text": ""}, "qry_text and qry_img_path are both empty"),
        ({"qry_text": "<|image_1|>"}, r"qry_text has <\|image_1\|> and qry_img_path names 0 pictures"),
        ({"qry_img_path": "../a.png"}, r"'../a.png' is not a plain relative path"),
        ({"tgt_text": ["x", "y"]}, "tgt_text has 2 entries and tgt_img_path 3"),
        ({"tgt_text": "x"}, "tgt_text is one string; it should be a list"),
        ({"tgt_img_path": "x"}, "tgt_img_path is one string; it should be a list"),
        ({"tgt_text": [1, 2, 3]}, r"tgt_text holds '\[1, 2, 3\]'; it should be a list of texts"),
        ({"tgt_text": [], "tgt_img_path": []}, "tgt_text is empty"),
        ({"tgt_text": ["x", " ", "z"]}, r"tgt_text\[1\] and tgt_img_path\[1\] are both empty"),
    ],
)
def test_a_bad_row_names_file_row_and_field_or_is_left_out(
    tmp_path: Path, fields: dict[str, object], reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    rows = [row(), row(**fields)]
    where = f"{tmp_path / 'OK-VQA' / 'test.json'} row 2: "
    with pytest.raises(BadItems, match=rf"1 of 2 rows cannot be used:\n  {where}.*{reason}") as caught:
        read_rows(tmp_path, rows)
    assert "--suite.on_bad_item skip" in str(caught.value)
    assert len(read_rows(tmp_path, rows, on_bad_item="skip").rankings) == 1
    assert f"Left out of the rankings: {where}" in caplog.text
    with pytest.raises(BadItems, match="1 of 1 rows"):
        read_rows(tmp_path, rows[1:], on_bad_item="skip")


def test_missing_columns_files_folders_and_names_are_told(benchmark: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"'OKVQA' is not a data set of MMEB; there are ImageNet-1K, .*RefCOCO"):
        read_mmeb_eval(benchmark, ["OK-VQA", "OKVQA"])
    with pytest.raises(ValueError, match=r"nowhere: no such folder; it should hold MMEB's evaluation files"):
        read_mmeb_eval(tmp_path / "nowhere")
    (tmp_path / "CIRR").mkdir()
    train = {"qry": "a", "qry_image_path": "", "pos_text": "b", "pos_image_path": ""}
    (tmp_path / "CIRR" / "test.json").write_text(json.dumps([train]))
    with pytest.raises(ValueError, match=r"CIRR/test\.json: column 'qry_text' is missing; its columns are qry, "):
        read_mmeb_eval(tmp_path, ["CIRR"])
    with pytest.raises(ValueError, match=r"column 'qry_inst' is missing; its columns are qry_text"):
        read_mmeb_eval(benchmark, ["CIRR"], layout="instruct", progress=False)
    with pytest.raises(ValueError, match=r"ImageNet-1K: no file test-\*.*naming them in suite\.datasets"):
        read_mmeb_eval(tmp_path)
    broken = tmp_path / "OVEN"
    broken.mkdir()
    (broken / SHARD).write_bytes((benchmark / "OVEN" / SHARD).read_bytes()[:500])
    with pytest.raises(ValueError, match=rf"{broken / SHARD}: cannot be read"):
        read_mmeb_eval(tmp_path, ["OVEN"])


def test_a_shard_that_is_missing_is_named(benchmark: Path, tmp_path: Path) -> None:
    (tmp_path / "CIRR").mkdir()
    shutil.copy(benchmark / "CIRR" / SHARD, tmp_path / "CIRR" / "test-00001-of-00002.parquet")
    with pytest.raises(ValueError, match="shard 0 of 00002 is missing"):
        read_mmeb_eval(tmp_path, ["CIRR"])
