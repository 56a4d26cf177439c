"""Items and pools that are one object each."""

from pathlib import Path

import pytest

from core.data.checks.problems import BadRow
from core.data.images.image_files import FileImage
from core.data.images.image_folders import Finder, ImageFolder
from core.data.records import Image, Item, Text
from core.data.shared_items import SharedItems, SharedPictures

FIELDS = ("text", "path")


@pytest.fixture
def items(tmp_path: Path) -> SharedItems:
    """No item yet."""
    return SharedItems(SharedPictures(ImageFolder(tmp_path)))


def test_equal_fields_and_equal_parts_are_one_item_and_one_picture(items: SharedItems, tmp_path: Path) -> None:
    one = items.item("<|image_1|> x", "a.png", "f row 1", FIELDS)
    assert one == Item((Image(FileImage(tmp_path / "a.png")), Text("x")))
    assert items.item("<|image_1|> x", "a.png", "f row 2", FIELDS) is one
    assert items.item("<|image_1|>\nx", "a.png", "f row 3", FIELDS) is one
    other = items.item("y", "a.png", "f row 4", FIELDS)
    assert other is not one
    assert next(other.images()) is next(one.images())
    assert isinstance(items.pictures, Finder)


def test_a_pool_is_its_distinct_items_whatever_their_order(items: SharedItems) -> None:
    a, b, c = (items.item(word, "", "f row 1", FIELDS) for word in "abc")
    pool = items.pool([a, b, c, a])
    assert len(pool) == 3
    assert items.pool([c, b, a]) is pool
    assert items.pool([c, b]) is not pool
    assert [item for item in pool if item is not a] == list(items.pool([b, c]))


def test_a_ranking_finds_the_places_of_all_that_is_right(items: SharedItems) -> None:
    a, b, c = (items.item(word, "", "f row 1", FIELDS) for word in "abc")
    ranking = items.ranking(a, [c, a], [a, b, c], "f row 1")
    assert {ranking.candidates[place].text for place in ranking.right} == {"a", "c"}
    assert ranking.origin == "f row 1"


def test_a_bad_item_is_told_each_time_with_its_own_place(items: SharedItems) -> None:
    for row in (1, 2):
        with pytest.raises(BadRow, match=f"f row {row}: text and path are both empty"):
            items.item(" ", "", f"f row {row}", FIELDS)
