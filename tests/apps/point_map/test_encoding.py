"""The bytes of a point map, read as its script reads them."""

import json
import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from apps.point_map.encoding import (
    DIMMED,
    LINES,
    MOST_GROUPS,
    QUERY,
    SELECTED,
    SHAPES,
    PointCloud,
    colour_of,
    pack,
    place,
    shape_of,
)
from workbench.figures.theme import GREY, GROUP_COLOURS

POINTS = np.array([[0.0, 0], [4, 2], [np.nan, 1], [2, 1], [1, np.inf], [3, 0]])
GROUPS = np.array([0, 1, 1, 2, 0, 1])
FLAGS = np.array([SELECTED, 0, QUERY, DIMMED, 0, QUERY | SELECTED], dtype=np.uint8)
LINE = (0, 1, "hardest negative")


def cloud(**changes) -> PointCloud:
    fields = {"points": POINTS, "groups": GROUPS, "names": ("a", "b", "c"), "flags": FLAGS, "lines": (LINE,)}
    return PointCloud(**{**fields, **changes})


def unpacked(content: bytes) -> dict:
    """The head and the columns, as points.js finds them."""
    magic, version, count, length = struct.unpack_from("<4sIII", content)
    assert (magic, version, length % 4) == (b"PMAP", 1, 0)
    first = 16 + length
    assert len(content) == first + 10 * count
    return {
        "head": json.loads(content[16:first]),
        "x": np.frombuffer(content, "<f4", count, first),
        "y": np.frombuffer(content, "<f4", count, first + 4 * count),
        "group": np.frombuffer(content, "u1", count, first + 8 * count),
        "flags": np.frombuffer(content, "u1", count, first + 9 * count),
    }


def test_columns_come_back_without_the_points_that_have_no_place():
    packed = pack("key", cloud(label="<b>\u00e9\ud83d", height=300))
    read = unpacked(packed.content)
    rows = [0, 1, 3, 5]
    assert packed.points.rows.tolist() == rows
    assert read["x"].tolist() == [-1, 1, 0, 0.5]
    assert read["y"].tolist() == [-0.5, 0.5, 0, -0.5]
    assert np.allclose(packed.points.placed * packed.points.half + packed.points.centre, POINTS[rows])
    assert read["group"].tolist() == GROUPS[rows].tolist()
    assert read["flags"].tolist() == FLAGS[rows].tolist()
    head = read["head"]
    assert (head["key"], head["label"], head["height"], head["leftOut"]) == ("key", "<b>\u00e9\ud83d", 300, 2)
    assert head["names"] == ["a", "b", "c"]
    assert set(head["styles"]) == set(LINES)


def test_lines_name_drawn_points_and_those_to_others_are_counted():
    packed = pack("key", cloud(lines=[(0, 5, "hardest negative"), (3, 2, "neighbour"), (5, 3, "right answer")]))
    assert unpacked(packed.content)["head"]["lines"] == [[0, 3, "hardest negative"], [3, 2, "right answer"]]
    assert (packed.left_out, packed.lines_left_out) == (2, 1)


def test_points_that_were_placed_before_are_packed_alike():
    assert pack("key", cloud(points=place(POINTS))).content == pack("key", cloud()).content


def test_the_digest_is_that_of_places_and_rows_alone():
    packed = pack("key", cloud())
    changes = ({"flags": None}, {"label": "other"}, {"lines": ()}, {"groups": GROUPS[::-1]})
    assert {pack("other key", cloud(**change)).points.digest for change in changes} == {packed.points.digest}
    moved, swapped = POINTS.copy(), POINTS[[2, 0, 1, 3, 4, 5]]
    moved[1] += 1
    assert (
        len(
            {
                packed.points.digest,
                pack("key", cloud(points=moved)).points.digest,
                pack("key", cloud(points=swapped)).points.digest,
            }
        )
        == 3
    )


@given(
    hnp.arrays(np.float64, st.tuples(st.integers(0, 30), st.just(2)), elements=st.floats(width=64)),
)
def test_any_coordinates_are_packed(points):
    with np.errstate(all="raise", under="ignore"):
        packed = pack("key", PointCloud(points, np.zeros(len(points), int), ["one"]))
    read = unpacked(packed.content)
    assert len(read["x"]) == np.isfinite(points).all(axis=1).sum() == len(points) - packed.left_out
    for column in (read["x"], read["y"]):
        assert np.isfinite(column).all()
        assert (np.abs(column) <= 1 + 1e-6).all()


def test_beyond_24_the_largest_groups_keep_their_names():
    groups = np.concatenate([np.arange(40), np.arange(0, 40, 2), np.arange(0, 40, 2), [39, 37, 35, 33, 33]])
    names = [f"group {each}" for each in range(40)]
    packed = pack("key", PointCloud(np.random.default_rng(0).normal(size=(len(groups), 2)), groups, names))
    head = unpacked(packed.content)["head"]
    kept = sorted([*range(0, 40, 2), 33, 35, 37, 39])
    assert head["names"] == [*(f"group {each}" for each in kept), "other"]
    assert head["colours"][-1] == GREY
    expected = [kept.index(each) if each in kept else MOST_GROUPS for each in groups]
    assert unpacked(packed.content)["group"].tolist() == expected


def test_no_two_groups_look_alike_and_of_eight_each_has_its_own_shape():
    looks = [(colour_of(place, "name"), shape_of(place)) for place in range(MOST_GROUPS)]
    assert len(set(looks)) == MOST_GROUPS
    assert len({shape for _, shape in looks[:8]}) == len({colour for colour, _ in looks[:8]}) == SHAPES == 8


def luminance(colour: str) -> float:
    channels = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [each / 12.92 if each <= 0.04045 else ((each + 0.055) / 1.055) ** 2.4 for each in channels]
    return float(np.dot(linear, (0.2126, 0.7152, 0.0722)))


@pytest.mark.parametrize("background", ["#ffffff", "#0e1117"])
def test_every_colour_stands_out_on_light_and_dark(background):
    for colour in GROUP_COLOURS:
        light, dark = sorted((luminance(colour), luminance(background)), reverse=True)
        assert (light + 0.05) / (dark + 0.05) >= 3


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"points": np.zeros((6, 3))}, "points: shape"),
        ({"groups": GROUPS[:5]}, "groups: int64 of shape"),
        ({"groups": GROUPS.astype(float)}, "groups: float64"),
        ({"groups": GROUPS + 1}, "groups: 1 to 3"),
        ({"groups": GROUPS - 1}, "groups: -1 to 1"),
        ({"flags": FLAGS[:2]}, "flags: uint8 of shape"),
        ({"flags": FLAGS.astype(int)}, "flags: int64"),
        ({"height": 50}, "height: 50"),
        ({"lines": [(0, 6, "hardest negative")]}, "lines: "),
        ({"lines": [(0, 1, "<b>")]}, "lines: "),
        ({"lines": [LINE] * 10_001}, "lines: 10,001"),
    ],
)
def test_what_cannot_be_drawn_is_refused_by_name(changes, words):
    with pytest.raises(ValueError, match=words):
        pack("key", cloud(**changes))


def test_labels_stand_where_the_points_do_and_are_cut():
    points = np.array([[2.0, 0], [6, 2]])
    drawn = PointCloud(points, np.zeros(2, int), ["a"], labels=[(6.0, 2.0, "word"), (4.0, 1.0, "w" * 99)])
    (x, y, text), (*middle, long) = unpacked(pack("key", drawn).content)["head"]["labels"]
    assert ([x, y], text) == ([1, 0.5], "word")
    assert (middle, len(long)) == ([0, 0], 60)
