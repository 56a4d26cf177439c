"""A user's own folder of pictures with captions."""

import csv
import json
import unicodedata
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest

from core.data.checks.pairs import check_pairs, look_at_rows, usable
from core.data.checks.problems import BadItems, BadRow
from core.data.folder import FolderPairs, folder_pairs, folder_rankings
from core.data.images.image_files import FileImage
from core.data.records import Image, Item, PairDataset, RankingTask, Text

Row = tuple[str, str]


def picture(path: Path, number: int) -> None:
    """Write a picture; the same number gives the same bytes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(number).integers(0, 256, (4, 4, 3), dtype=np.uint8)
    PIL.Image.fromarray(pixels).save(path)


def make(root: Path, rows: Sequence[Row], form: str = "jsonl", column: str = "text") -> Path:
    """Write the metadata of rows of (file name, caption)."""
    root.mkdir(parents=True, exist_ok=True)
    path = root / f"metadata.{form}"
    if form == "jsonl":
        path.write_text("".join(json.dumps({"file_name": name, column: text}) + "\n" for name, text in rows))
    else:
        with path.open("w", encoding="utf-8-sig", newline="") as file:
            csv.writer(file).writerows([("file_name", column), *rows])
    return path


def many(root: Path, number: int) -> list[Row]:
    """A folder of different pictures with different captions."""
    rows = [(f"p/{index}.png", f"picture number {index}") for index in range(number)]
    for index, (name, _) in enumerate(rows):
        picture(root / name, index)
    make(root, rows)
    return rows


def origins(dataset: FolderPairs) -> set[str]:
    """The places of a data set's rows."""
    return {dataset[index].origin for index in range(len(dataset))}


def pictures(dataset: FolderPairs) -> set[str]:
    """The ids of the pictures that caption to image is trained to find."""
    return {dataset[index].positive.content_id for index in range(len(dataset))}


@pytest.mark.parametrize("form", ["jsonl", "csv"])
def test_a_folder_makes_two_data_sets(tmp_path: Path, form: str) -> None:
    rows = [("a.png", "a cat, asleep"), ("deep/b.png", " caf\u00e9 <|image_1|> </s> ")]
    for number, (name, _) in enumerate(rows):
        picture(tmp_path / name, number)
    path = make(tmp_path, rows, form)
    to_image, to_caption = folder_pairs(tmp_path)
    assert isinstance(to_image, PairDataset)
    assert (to_image.name, to_caption.name) == ("caption-to-image", "image-to-caption")
    assert {to_image.meta_task, to_caption.meta_task} == {"retrieval"}
    first = 1 if form == "jsonl" else 2
    for index, (name, text) in enumerate(rows):
        shown = Image(FileImage(tmp_path / name))
        assert to_image[index].query == Item((Text(f"Find an image that matches the caption: {text.strip()}"),))
        assert to_image[index].positive == Item((shown,))
        assert to_caption[index].query == Item((shown, Text("Find a caption of the image.")))
        assert to_caption[index].positive == Item((Text(text.strip()),))
        assert to_image[index].origin == to_caption[index].origin == f"{path} row {first + index}"
    for dataset in (to_image, to_caption):
        assert check_pairs(dataset, progress=False) == []
        with pytest.raises(IndexError):
            dataset[2]


def test_the_caption_column_is_named_and_never_guessed(tmp_path: Path) -> None:
    path = make(tmp_path, [("a.png", "x"), ("b.png", "y")], column="caption")
    with pytest.raises(ValueError, match=rf"{path}: no column 'text' .*file_name, caption.*--data\.caption_column"):
        folder_pairs(tmp_path)
    assert folder_pairs(tmp_path, "caption")[1][0].positive.text == "x"


def test_wrong_folders_and_metadata_stop_with_advice(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="nowhere: no such folder"):
        folder_pairs(tmp_path / "nowhere")
    with pytest.raises(ValueError, match="neither is there; write one"):
        folder_pairs(tmp_path)
    make(tmp_path, [("a.png", "x")])
    with pytest.raises(ValueError, match="holds one row"):
        folder_pairs(tmp_path)
    make(tmp_path, [("a.png", "x")], "csv")
    with pytest.raises(ValueError, match="both lie there; keep one"):
        folder_pairs(tmp_path)
    (tmp_path / "metadata.csv").unlink()
    (tmp_path / "metadata.jsonl").write_text('{"image": "a.png", "text": "x"}\n')
    with pytest.raises(ValueError, match="column 'file_name' is missing; its columns are image, text"):
        folder_pairs(tmp_path)


def test_each_bad_row_is_reported_with_file_and_row(tmp_path: Path) -> None:
    for name in ("good.png", "other.png"):
        picture(tmp_path / name, len(name))
    (tmp_path / "broken.jpg").write_bytes(b"no picture")
    bad = [("missing.png", "x"), ("broken.jpg", "x"), ("good.png", "  "), ("../out.png", "x"), ("", "x")]
    path = make(tmp_path, [("good.png", "one"), *bad, ("other.png", "two")])
    with path.open("a") as file:
        file.write('{"file_name": "good.png", "text": ["a", "list"]}\n{"file_name": "good.png"}\n')
    reasons = [
        "missing.png: cannot be read",
        "broken.jpg: not a readable picture",
        "text is empty",
        "'../out.png' is not",
    ]
    reasons += ["file_name is empty", "text = ['a', 'list'] is no text", "text is empty"]
    places = [f"{path} row {row}" for row in (2, 3, 4, 5, 6, 8, 9)]
    for dataset in folder_pairs(tmp_path):
        with pytest.raises(BadItems, match="7 of 9 rows"):
            usable(dataset, progress=False)
        kept, problems = usable(dataset, "skip", progress=False)
        assert [problem.where for problem in problems] == places
        assert all(reason in problem.reason for reason, problem in zip(reasons, problems, strict=True))
        assert [kept[index].origin for index in range(len(kept))] == [f"{path} row 1", f"{path} row 7"]


def test_a_linked_picture_folder_is_named_with_what_to_do(tmp_path: Path) -> None:
    disk, root = tmp_path / "bigdisk", tmp_path / "set"
    disk.mkdir()
    root.mkdir()
    for number in range(2):
        picture(disk / f"{number}.png", number)
    (root / "images").symlink_to(disk)
    path = make(root, [("images/0.png", "one"), ("images/1.png", "two")])
    with pytest.raises(BadItems, match=rf"{path} row 1: .*{root / 'images'} is a symbolic link to {disk}.*cp -rl"):
        usable(folder_pairs(root)[0], progress=False)


def test_names_in_another_unicode_form_are_found_and_the_rest_is_counted(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    composed = "caf\u00e9.png"
    picture(tmp_path / unicodedata.normalize("NFD", composed), 1)
    for number, name in enumerate(("b.png", "unnamed.png")):
        picture(tmp_path / name, number)
    (tmp_path / "icon.svg").write_text("<svg/>")
    make(tmp_path, [(composed, "one"), ("b.png", "two")])
    datasets = folder_pairs(tmp_path)
    assert usable(datasets[0], progress=False)[1] == []
    assert f"{tmp_path}: passed over: 2 not named by metadata.jsonl." in caplog.messages


def test_a_caption_of_white_space_is_a_bad_row(tmp_path: Path) -> None:
    make(tmp_path, [("a.png", "x"), ("b.png", "\t ")])
    with pytest.raises(BadRow, match=r"row 2: text is empty"):
        folder_pairs(tmp_path)[0][1]


def test_held_out_rows_are_never_trained_and_depend_on_content_alone(tmp_path: Path) -> None:
    rows = many(tmp_path / "one", 300)
    training = origins(folder_pairs(tmp_path / "one")[0])
    assert 240 < len(training) < 281
    scored = held_out(folder_rankings(tmp_path / "one", queries=300, progress=False)[0])
    taught = pictures(folder_pairs(tmp_path / "one")[0])
    assert len(scored) + len(training) == 300
    assert not scored & taught

    # other names and another order: the same pictures are held out
    shuffled = [(f"{index}.png", text) for index, (_, text) in enumerate(rows)][::-1]
    for index in range(300):
        picture(tmp_path / "two" / f"{index}.png", index)
    make(tmp_path / "two", shuffled, "csv")
    assert held_out(folder_rankings(tmp_path / "two", queries=300, progress=False)[0]) == scored


def held_out(task: RankingTask) -> set[str]:
    """The ids of the right candidates."""
    return {ranking.candidates[0].content_id for ranking in task.rankings}


def test_copies_of_a_picture_fall_on_the_same_side(tmp_path: Path) -> None:
    rows = []
    for index in range(400):
        picture(tmp_path / f"{index}.png", index % 200)
        rows.append((f"{index}.png", f"caption {index}"))
    make(tmp_path, rows)
    trained = pictures(folder_pairs(tmp_path)[0])
    assert not trained & held_out(folder_rankings(tmp_path, queries=400, progress=False)[0])


def test_the_same_picture_in_another_format_falls_on_the_same_side(tmp_path: Path) -> None:
    rows = many(tmp_path, 200)
    for name, caption in list(rows):
        other = name.replace(".png", ".bmp")
        PIL.Image.open(tmp_path / name).save(tmp_path / other)
        rows.append((other, f"another {caption}"))
    make(tmp_path, rows)
    trained = pictures(folder_pairs(tmp_path)[0])
    scored = held_out(folder_rankings(tmp_path, queries=400, progress=False)[0])
    assert len(trained) + len(scored) == 200


def test_every_picture_is_opened_once_before_training(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    many(tmp_path, 60)
    opened: list[Path] = []
    read = FileImage.read
    monkeypatch.setattr(FileImage, "read", lambda source: opened.append(source.path) or read(source))
    for dataset in folder_pairs(tmp_path):
        kept, _ = usable(dataset, progress=False)
        assert len({kept[index].positive.content_id for index in range(len(kept))}) > 1
    assert len(opened) == len(set(opened)) == 60


def test_a_folder_that_was_not_trained_on_is_scored_as_a_whole(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    many(tmp_path, 30)
    for task in folder_rankings(tmp_path, held_out=1.0, progress=False):
        assert len(task.rankings) == 30
    assert not caplog.text


def test_captions_in_two_unicode_forms_are_one(tmp_path: Path) -> None:
    """Each caption stands under two pictures, once composed and once decomposed: it is never its own distractor."""
    rows = []
    for index, words in enumerate(("caf\u00e9", "na\u00efve", "se\u00f1or")):
        for copy, form in enumerate(("NFC", "NFD")):
            picture(tmp_path / f"{index}{copy}.png", 2 * index + copy)
            rows.append((f"{index}{copy}.png", unicodedata.normalize(form, words)))
    make(tmp_path, rows)
    to_image, to_caption = folder_rankings(tmp_path, held_out=1.0, progress=False)
    assert [len(ranking.candidates) for ranking in to_image.rankings] == [5] * 6
    assert [len(ranking.candidates) for ranking in to_caption.rankings] == [3] * 6


def test_all_targets_of_a_repeated_query_are_known(tmp_path: Path) -> None:
    """The caption of two pictures, and the picture of two captions, with no picture opened again for it."""
    rows = [("0.png", "twin"), ("1.png", "twin"), ("1.png", "second"), ("2.png", "alone")]
    for number in range(3):
        picture(tmp_path / f"{number}.png", number)
    make(tmp_path, rows)
    for dataset in folder_pairs(tmp_path):
        known = look_at_rows(dataset, progress=False).positives(dataset)
        pairs = [dataset[index] for index in range(len(dataset))]
        repeated = [0, 1] if dataset.name == "caption-to-image" else [1, 2]
        query, targets = pairs[repeated[0]].query, {pairs[row].positive.content_id for row in repeated}
        assert {name: set(items) for name, items in known.items()} == {query.content_id: targets}


def test_rankings_have_full_pools_and_repeat(tmp_path: Path) -> None:
    many(tmp_path, 150)
    tasks = folder_rankings(tmp_path, held_out=0.9, queries=30, pool=40, seed=3, progress=False)
    assert [task.name for task in tasks] == ["caption-to-image", "image-to-caption"]
    for task in tasks:
        assert (task.meta_task, task.in_distribution, len(task.rankings)) == ("retrieval", True, 30)
        for ranking in task.rankings:
            assert ranking.right == (0,)
            assert len({item.content_id for item in ranking.candidates}) == len(ranking.candidates) == 40
    assert tasks == folder_rankings(tmp_path, held_out=0.9, queries=30, pool=40, seed=3, progress=False)
    assert tasks != folder_rankings(tmp_path, held_out=0.9, queries=30, pool=40, seed=4, progress=False)


def test_duplicates_of_the_positive_are_no_distractors(tmp_path: Path) -> None:
    # pictures 0 and 1 share a caption; 2.png and copy.png are the same picture with two captions
    rows = [("0.png", "twin"), ("1.png", "twin"), ("2.png", "first"), ("copy.png", "second"), ("3.png", "alone")]
    for number in range(4):
        picture(tmp_path / f"{number}.png", number)
    picture(tmp_path / "copy.png", 2)
    make(tmp_path, rows)
    to_image, to_caption = folder_rankings(tmp_path, progress=False)
    ids = {name: Item((Image(FileImage(tmp_path / name)),)).content_id for name, _ in rows}
    assert ids["2.png"] == ids["copy.png"]
    for ranking in to_image.rankings:
        found = {item.content_id for item in ranking.candidates}
        twins = {ids["0.png"], ids["1.png"]}
        assert len(found & twins) == (1 if ranking.query.text.endswith("twin") else 2)
        assert len(ranking.candidates) == (3 if ranking.query.text.endswith("twin") else 4)
    for ranking in to_caption.rankings:
        words = [item.text for item in ranking.candidates]
        assert len(set(words)) == len(words)
        if words[0] in ("first", "second"):
            assert sorted(words[1:]) == ["alone", "twin"]


def test_a_small_folder_is_trained_and_scored_whole_and_says_so(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    many(tmp_path, 2)
    assert len(folder_pairs(tmp_path)[0]) == 2
    for task in folder_rankings(tmp_path, progress=False):
        assert [len(ranking.candidates) for ranking in task.rankings] == [2, 2]
    assert "held-out rows are fewer than 20, so all 2 rows are both trained and scored" in caplog.text


def test_rankings_need_two_different_rows(tmp_path: Path) -> None:
    for name in ("a.png", "b.png"):
        picture(tmp_path / name, 0)
    make(tmp_path, [("a.png", "one"), ("b.png", "two")])
    with pytest.raises(ValueError, match="two rows with different pictures and captions"):
        folder_rankings(tmp_path, progress=False)


def test_bad_rows_stay_with_training_where_the_check_finds_them(tmp_path: Path) -> None:
    many(tmp_path, 200)
    spoilt = {f"p/{index}.png" for index in range(0, 200, 2)}
    for name in spoilt:
        (tmp_path / name).write_bytes(f"no picture {name}".encode())
    tasks = folder_rankings(tmp_path, held_out=0.5, queries=200, progress=False)
    assert 20 <= len(tasks[0].rankings) < 80
    for dataset in folder_pairs(tmp_path, held_out=0.5):
        assert len(check_pairs(dataset, progress=False)) == len(spoilt)


def test_a_small_folder_with_a_bad_row_stops_or_leaves_it_out(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    many(tmp_path, 5)
    (tmp_path / "p/3.png").unlink()
    with pytest.raises(BadItems, match=r"1 of 5 rows .*\n.* row 4: "):
        folder_rankings(tmp_path, progress=False)
    tasks = folder_rankings(tmp_path, on_bad_item="skip", progress=False)
    assert [len(task.rankings) for task in tasks] == [4, 4]
    assert "row 4: " in caplog.text


@pytest.mark.parametrize("options", [{"held_out": 1.5}, {"held_out": -0.1}, {"queries": 0}, {"pool": 1}])
def test_numbers_out_of_range_are_refused(tmp_path: Path, options: dict[str, Any]) -> None:
    many(tmp_path, 3)
    with pytest.raises(ValueError, match=next(iter(options))):
        folder_rankings(tmp_path, progress=False, **options)
