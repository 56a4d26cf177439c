"""The check of bad items before training."""

from dataclasses import dataclass, field
from pathlib import Path

import PIL.Image
import pytest

from core.data.checks.pairs import check_pairs, usable
from core.data.checks.problems import BadItems, BadRow, Problem
from core.data.images.image_files import BadImage, BytesImage, FileImage
from core.data.miniature.benchmark import training_sets
from core.data.records import Image, ImageSource, Item, Pair, PairDataset, Text


@dataclass
class Rows:
    """A data set of queries; a string in place of an item is the reason of a bad row."""

    queries: list[Item | str]
    name: str = "rows"
    meta_task: str = "retrieval"

    def __len__(self) -> int:
        return len(self.queries)

    def __getitem__(self, index: int) -> Pair:
        query = self.queries[index]
        where = f"file row {index + 1}"
        if isinstance(query, str):
            raise BadRow(Problem(where, query))
        return Pair(query, Item((Text(f"{index}"),)), self.name, self.meta_task, origin=where)


@dataclass(frozen=True)
class Counted:
    """A picture that counts how often it is opened."""

    content_id: str
    opened: list[str] = field(compare=False)
    bad: bool = False

    def open(self) -> PIL.Image.Image:
        self.opened.append(self.content_id)
        if self.bad:
            raise BadImage(f"{self.content_id} is bad.")
        return PIL.Image.new("RGB", (1, 1))


def showing(*sources: ImageSource) -> Item:
    """An item of pictures."""
    return Item(tuple(Image(source) for source in sources))


def mixed(tmp_path: Path) -> Rows:
    """Good, empty, missing, broken, good."""
    (tmp_path / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\nnothing")
    return Rows(
        [
            Item((Text("good"),)),
            "the caption is empty.",
            showing(FileImage(tmp_path / "missing.png")),
            showing(FileImage(tmp_path / "broken.png"), FileImage(tmp_path / "missing.png")),
            Item((Text("also good"),)),
        ]
    )


def test_each_bad_row_is_reported_once_in_order_with_its_reasons(tmp_path: Path) -> None:
    problems = check_pairs(mixed(tmp_path), progress=False)
    assert [problem.where for problem in problems] == ["file row 2", "file row 3", "file row 4"]
    assert problems[0].reason == "the caption is empty."
    assert problems[1].reason.startswith(f"{tmp_path / 'missing.png'}: cannot be read (No such file")
    assert "missing.png: cannot be read" in problems[2].reason
    assert "broken.png: not a readable picture" in problems[2].reason


def test_every_distinct_picture_is_opened_once() -> None:
    opened: list[str] = []
    one, two = Counted("one", opened), Counted("two", opened, bad=True)
    rows = Rows([showing(one), showing(one, two), showing(two), showing(one, one)])
    assert [problem.where for problem in check_pairs(rows, progress=False)] == ["file row 2", "file row 3"]
    assert sorted(opened) == ["one", "two"]


def test_pictures_of_positives_and_negatives_are_checked_too() -> None:
    bad = showing(BytesImage(b"no picture", "upload"))
    good = Item((Text("a"),))
    pairs = [Pair(good, bad, "x", "vqa", origin="f row 1"), Pair(good, good, "x", "vqa", (good, bad), origin="f row 2")]

    class Fixed(Rows):
        def __getitem__(self, index: int) -> Pair:
            return pairs[index]

    assert [problem.where for problem in check_pairs(Fixed([good, good]), progress=False)] == ["f row 1", "f row 2"]


def test_stop_raises_with_the_first_ten_the_total_and_the_advice() -> None:
    rows = Rows([Item((Text("good"),)), *(f"reason {number}." for number in range(12))])
    with pytest.raises(BadItems) as caught:
        usable(rows, progress=False)
    message = str(caught.value)
    assert message.startswith("12 of 13 rows cannot be used:")
    assert "file row 2: reason 0." in message
    assert "reason 9." in message
    assert "reason 10." not in message
    assert "... and 2 more" in message
    assert message.endswith("--data.on_bad_item skip.")
    assert isinstance(caught.value, ValueError)
    assert len(caught.value.problems) == 12


def test_skip_leaves_the_bad_rows_out_and_lists_them(tmp_path: Path) -> None:
    rows = mixed(tmp_path)
    kept, problems = usable(rows, "skip", progress=False)
    assert isinstance(kept, PairDataset)
    assert (kept.name, kept.meta_task, len(kept), len(problems)) == ("rows", "retrieval", 2, 3)
    assert [kept[index].query.text for index in range(2)] == ["good", "also good"]
    assert [kept[index].origin for index in range(2)] == ["file row 1", "file row 5"]
    for index in (-1, 2):
        with pytest.raises(IndexError):
            kept[index]


def test_good_data_comes_back_as_it_is() -> None:
    rows = Rows([Item((Text("good"),))])
    for choice in ("stop", "skip"):
        assert usable(rows, choice, progress=False) == (rows, [])


def test_a_data_set_without_a_usable_row_is_an_error() -> None:
    with pytest.raises(ValueError, match=r"rows: none of its 2 rows can be used\. The first is file row 1: x"):
        usable(Rows(["x", "y"]), "skip", progress=False)


def test_the_miniature_is_not_drawn_to_be_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    dataset = training_sets()[0]
    monkeypatch.setattr(type(dataset), "__getitem__", lambda self, index: pytest.fail("a pair was read"))
    assert usable(dataset) == (dataset, [])


def test_progress_is_shown_on_the_error_stream(capsys: pytest.CaptureFixture[str]) -> None:
    check_pairs(Rows([Item((Text("good"),))]), progress=True)
    assert "reading rows of rows: 100%" in capsys.readouterr().err


@dataclass
class Sizes:
    """Rules of a model that refuses what is wider than 100 pixels; counts what it is asked about."""

    asked: list[str] = field(default_factory=list)

    def suspects_size(self, size: tuple[int, int]) -> bool:
        return size[0] > 100

    def refuse_picture(self, picture: PIL.Image.Image, name: str) -> None:
        self.asked.append(Path(name).name)
        raise ValueError("too wide for the model.")

    def suspects(self, item: Item) -> bool:
        return False

    def refuse_item(self, item: Item) -> None:
        raise AssertionError("no item is suspected")


@pytest.mark.parametrize("opened", [False, True])
def test_the_model_is_asked_about_unusual_sizes_and_an_opened_picture_is_not_read_again(
    tmp_path: Path, opened: bool
) -> None:
    wide, plain = (FileImage(tmp_path / name) for name in ("wide.png", "plain.png"))
    PIL.Image.new("RGB", (101, 5)).save(wide.path)
    PIL.Image.new("RGB", (100, 5)).save(plain.path)
    if opened:
        plain.open()
        plain.path.unlink()  # to read it again would be an error
        assert wide.content_id  # by its pixels, which opens it
    rules = Sizes()
    problems = check_pairs(Rows([showing(wide), showing(plain)]), progress=False, rules=rules)
    assert [problem.reason for problem in problems] == [f"{wide.path}: too wide for the model."]
    assert rules.asked == ["wide.png"]


def test_a_problem_is_one_line_whatever_a_file_is_called() -> None:
    assert str(Problem("two\nlines.jsonl row 1", "a\nb.png: missing.")) == r"two\nlines.jsonl row 1: a\nb.png: missing."
