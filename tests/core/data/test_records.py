"""Content ids, items and rankings."""

import hashlib
import random
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.data.miniature.scenes import DrawnScene, random_single
from core.data.records import Image, Item, Ranking, Text, Video, as_read, digest, true_hardness

words = st.text(max_size=12)


@given(st.lists(words, max_size=4), st.lists(words, max_size=4))
def test_digest_is_equal_exactly_for_equal_fields(one: list[str], other: list[str]) -> None:
    assert (digest(*one) == digest(*other)) == (one == other)


def test_digest_keeps_field_borders_apart() -> None:
    assert len({digest("ab", "c"), digest("a", "bc"), digest("abc"), digest("", "abc"), digest("1:a", "")}) == 5


def test_content_id_is_the_same_in_every_release_and_process() -> None:
    code = "from core.data.records import Item, Text; print(Item((Text('a red circle'), Text('\\u00e9'))).content_id)"
    found = {
        subprocess.run(
            [sys.executable, "-c", code], env={"PYTHONHASHSEED": seed}, capture_output=True, text=True, check=True
        ).stdout.strip()
        for seed in ("0", "1")
    }
    assert found == {Item((Text("a red circle"), Text("\u00e9"))).content_id}
    assert Text("caf\u00e9").content_id == Text("cafe\u0301").content_id != Text("cafe").content_id
    assert Text("a").content_id == hashlib.sha256(b"4:text1:a").hexdigest()[:16]


@given(st.lists(words, min_size=1, max_size=4))
def test_item_id_depends_on_the_parts_and_their_order_alone(texts: list[str]) -> None:
    parts = tuple(Text(each) for each in texts)
    assert Item(parts).content_id == Item(parts, {"colour": "red"}).content_id
    assert Item(parts) == Item(parts, {"colour": "red"})
    seen = [as_read(each) for each in texts]
    assert (Item(parts).content_id == Item(parts[::-1]).content_id) == (seen == seen[::-1])


def test_kinds_of_parts_have_different_ids() -> None:
    source = DrawnScene(random_single(random.Random(0)))
    parts = (Text(source.content_id), Image(source), Video((source,)), Video((source, source)))
    assert len({part.content_id for part in parts}) == 4


def test_item_names_its_kinds_and_lists_its_pictures_in_reading_order() -> None:
    one, two, three = (DrawnScene(random_single(random.Random(seed))) for seed in range(3))
    item = Item((Text("a"), Image(one), Text("b"), Video((two, three))))
    assert item.modality == "text+image+video"
    assert item.text == "a [image] b [video]"
    assert list(item.images()) == [one, two, three]


def test_empty_items_videos_and_rankings_are_refused() -> None:
    item = Item((Text("a"),))
    with pytest.raises(ValueError, match=r"Item\.parts is empty"):
        Item(())
    with pytest.raises(ValueError, match=r"Video\.frames is empty"):
        Video(())
    for right in ((), (2,), (-1,)):
        with pytest.raises(ValueError, match=r"Ranking\.right"):
            Ranking(item, (item, item), right)


def test_true_hardness_counts_the_asked_attributes_that_differ() -> None:
    positive = Item((Text("a"),), {"colour": "red", "shape": "ring", "size": "small"})
    other = Item((Text("b"),), {"colour": "red", "shape": "star"})
    assert true_hardness(("colour", "shape", "size"), positive, other) == 2
    assert true_hardness(("colour",), positive, other) == 0
    assert true_hardness((), positive, other) is None
    assert true_hardness(("colour",), Item((Text("c"),)), other) is None
