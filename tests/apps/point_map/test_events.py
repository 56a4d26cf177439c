"""What a browser tells of a point map, most of it nonsense."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.point_map.encoding import DIMMED, PointCloud, pack
from apps.point_map.events import MOST_VERTICES, MapEvent, read_event, read_row

# A grid of 25 points from (10, 20) to (14, 24), and two without a place in front.
GRID = np.stack(np.meshgrid(np.arange(10.0, 15), np.arange(20.0, 25)), axis=-1).reshape(-1, 2)
POINTS = np.concatenate([np.full((2, 2), np.nan), GRID])
GROUPS = np.concatenate([[0, 0], np.arange(25) % 2])
FLAGS = np.zeros(27, dtype=np.uint8)
FLAGS[2] = DIMMED
PACKED = pack("key", PointCloud(POINTS, GROUPS, ["even", "odd"], FLAGS))
SQUARE = [[-1.1, -1.1], [0.1, -1.1], [0.1, 0.1], [-1.1, 0.1]]


def told(**fields) -> MapEvent:
    return read_event({"of": PACKED.points.digest, **fields}, PACKED)


def test_a_click_names_the_callers_row():
    assert told(kind="click", row=0).click == 2
    assert told(kind="click", row=24).click == 26
    assert read_row({"of": PACKED.points.digest, "row": 3}, PACKED) == 5


def test_a_lasso_gives_its_rows_and_its_outline_in_the_callers_coordinates():
    event = told(kind="lasso", polygon=SQUARE)
    # The lower left nine of the grid, without the one that a filter dims.
    assert event.rows.tolist() == [3, 4, 7, 8, 9, 12, 13, 14]
    assert event.polygon is not None
    assert np.allclose(event.polygon, np.array(SQUARE) * 2 + (12, 22))
    odd = told(kind="lasso", polygon=SQUARE, hidden=[0]).rows
    assert odd.tolist() == [row for row in event.rows if GROUPS[row] == 1]
    nowhere = told(kind="lasso", polygon=[[5, 5], [6, 5], [6, 6]])
    assert (nowhere.rows.tolist(), nowhere.refused) == ([], None)


def test_nothing_told_and_a_selection_given_up():
    assert read_event(None, PACKED).refused is None
    assert not read_event(None, PACKED).cleared
    assert told(kind="clear").cleared


def test_events_of_other_points_are_refused():
    fewer = pack("key", PointCloud(POINTS[:-1], GROUPS[:-1], ["even", "odd"]))
    event = read_event({"of": fewer.points.digest, "kind": "click", "row": 1}, PACKED)
    assert event.click is None
    assert "no longer drawn" in str(event.refused)
    assert read_row({"of": fewer.points.digest, "row": 1}, PACKED) is None


ODD = [
    7,
    "click",
    [],
    {},
    {"kind": "click", "row": 1},
    {"of": [PACKED.points.digest], "kind": "click", "row": 1},
    *({"of": PACKED.points.digest, "kind": "click", "row": row} for row in (-1, 25, 1.0, True, "1", None, [1], 10**40)),
    {"of": PACKED.points.digest, "kind": "lasso"},
    *(
        {"of": PACKED.points.digest, "kind": "lasso", "polygon": polygon}
        for polygon in (
            "polygon",
            {"0": [0, 0]},
            SQUARE[:2],
            SQUARE * MOST_VERTICES,
            [*SQUARE, [float("nan"), 0]],
            [*SQUARE, [0, float("inf")]],
            [*SQUARE, [0, 1e300]],
            [*SQUARE, [10**400, 0]],
            [*SQUARE, [0]],
            [*SQUARE, [0, 0, 0]],
            [*SQUARE, [True, 0]],
            [*SQUARE, ["0", "0"]],
            [*SQUARE, None],
        )
    ),
    *(
        {"of": PACKED.points.digest, "kind": "lasso", "polygon": SQUARE, "hidden": hidden}
        for hidden in ([-1], [25], [True], ["0"], 0, None, {})
    ),
    {"of": PACKED.points.digest, "kind": "hover"},
    {"of": PACKED.points.digest, "kind": ["click"]},
]


@pytest.mark.parametrize("sent", ODD, ids=lambda sent: repr(sent)[-60:])
def test_odd_input_is_refused_with_a_reason(sent):
    event = read_event(sent, PACKED)
    assert event.refused
    assert event.click is None
    assert event.polygon is None
    assert not event.cleared
    assert len(event.rows) == 0


ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@given(st.sampled_from(["click", "lasso", "clear"]), ANY, ANY, ANY)
def test_no_input_raises(kind, row, polygon, hidden):
    event = told(kind=kind, row=row, polygon=polygon, hidden=hidden)
    assert event.click is None or event.click in PACKED.points.rows
    json.dumps([event.click, event.rows.tolist(), event.cleared, event.refused])
