"""The check of a suite's pictures: all bad ones at once, or what needs them left out."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field

import PIL.Image
import pytest

from core.data.checks.problems import BadItems
from core.data.checks.rankings import usable_tasks
from core.data.images.image_files import BadImage
from core.data.records import Image, Item, Ranking, RankingTask, Text


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


OPENED: list[str] = []
WORDS = [Item((Text(word),)) for word in "abc"]
GOOD = [Item((Image(Counted(f"good {number}", OPENED)),)) for number in range(3)]
BAD = [Item((Image(Counted(f"bad {number}", OPENED, bad=True)), Text("x"))) for number in range(12)]


def task(*rankings: tuple[Item, tuple[Item, ...], tuple[int, ...]], name: str = "t") -> RankingTask:
    """A task whose rankings come from rows 1, 2, ... of a file."""
    made = [Ranking(*each, origin=f"f row {number}") for number, each in enumerate(rankings, start=1)]
    return RankingTask(name, "retrieval", True, tuple(made))


@pytest.fixture(autouse=True)
def fresh() -> None:
    """Nothing was opened yet."""
    OPENED.clear()


def test_good_tasks_come_back_as_they_are_and_each_picture_is_opened_once() -> None:
    pool = (*GOOD, *WORDS)
    tasks = [task((GOOD[0], pool, (0,)), (WORDS[0], pool, (1,))), task((GOOD[0], pool, (2,)), name="u")]
    assert usable_tasks(tasks, progress=False) == (tasks, [])
    assert sorted(OPENED) == ["good 0", "good 1", "good 2"]


def test_stop_lists_all_bad_pictures_up_to_a_bound_with_a_row_that_shows_each() -> None:
    tasks = [task((WORDS[0], (GOOD[0], BAD[0]), (0,)), (BAD[1], (GOOD[0], *BAD), (0,)))]
    with pytest.raises(BadItems) as caught:
        usable_tasks(tasks, progress=False)
    message = str(caught.value)
    assert message.startswith(
        "12 of 13 pictures and clips cannot be used:\n  f row 1: bad 0 is bad.\n  f row 2: bad 1 is bad."
    )
    assert "... and 2 more" in message
    assert message.endswith("--suite.on_bad_item skip.")


def without(rankings: Sequence[tuple[Item, tuple[Item, ...], tuple[int, ...]]]) -> tuple[Ranking, ...]:
    """The rankings that are left."""
    (left,), _ = usable_tasks([task(*rankings)], "skip", progress=False)
    return left.rankings


def test_skip_leaves_out_queries_and_right_answers_that_cannot_be_seen(caplog: pytest.LogCaptureFixture) -> None:
    left = without([
        (BAD[0], tuple(WORDS), (0,)),
        (WORDS[0], (BAD[1], GOOD[0]), (0,)),
        (WORDS[1], (BAD[1], GOOD[0], GOOD[1]), (0, 2)),
        (WORDS[2], (GOOD[0], GOOD[1]), (1,)),
    ])  # fmt: skip
    assert [each.origin for each in left] == ["f row 3", "f row 4"]
    assert (left[0].candidates, left[0].right) == ((GOOD[0], GOOD[1]), (1,))
    assert (left[1].candidates, left[1].right) == ((GOOD[0], GOOD[1]), (1,))
    assert "Left out of the rankings: f row 1: bad 0 is bad." in caplog.text
    assert "t: 2 of 4 queries are left." in caplog.text


def test_a_shared_pool_stays_shared_without_its_bad_candidates() -> None:
    pool = (BAD[0], GOOD[0], GOOD[1], BAD[1], GOOD[2])
    left = without([(WORDS[number], pool, (place,)) for number, place in enumerate((1, 2, 4))])
    assert [each.right for each in left] == [(0,), (1,), (2,)]
    assert len({id(each.candidates) for each in left}) == 1
    assert left[0].candidates == tuple(GOOD)


def test_a_pool_without_bad_candidates_is_the_same_object() -> None:
    pool = tuple(GOOD)
    left = without([(WORDS[0], pool, (1,)), (BAD[0], pool, (2,))])
    assert [id(each.candidates) for each in left] == [id(pool)]


def test_a_task_of_which_nothing_is_left_is_an_error() -> None:
    with pytest.raises(ValueError, match="t: every query, or what is right for it"):
        usable_tasks([task((BAD[0], tuple(WORDS), (0,)))], "skip", progress=False)


def test_many_bad_pictures_are_not_all_logged(caplog: pytest.LogCaptureFixture) -> None:
    many = [Item((Image(Counted(f"bad {number}", OPENED, bad=True)),)) for number in range(50)]
    with caplog.at_level(logging.WARNING):
        _, problems = usable_tasks([task((WORDS[0], (GOOD[0], *many), (0,)))], "skip", progress=False)
    assert len(problems) == 50
    assert "... and 30 more pictures, clips or items." in caplog.text


def test_progress_is_shown_on_the_error_stream(capsys: pytest.CaptureFixture[str]) -> None:
    usable_tasks([task((WORDS[0], tuple(GOOD), (0,)))])
    assert "checking pictures of the suite: 100%" in capsys.readouterr().err
