"""Points in a polygon, against the rule written for one point at a time in whole fractions."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.projection.polygon import inside

CORNERS = st.lists(st.tuples(st.integers(-6, 6), st.integers(-6, 6)), min_size=3, max_size=12)
PLACES = st.lists(st.tuples(st.integers(-28, 28), st.integers(-28, 28)), min_size=1, max_size=40)


def holds(x: Fraction, y: Fraction, polygon: list[tuple[int, int]]) -> bool:
    """Even-odd: does a ray to the right cross an odd number of edges?"""
    crossed = 0
    for (x1, y1), (x2, y2) in zip(polygon, polygon[1:] + polygon[:1], strict=True):
        if (y1 <= y) != (y2 <= y):
            crossed += x < x1 + (y - y1) * Fraction(x2 - x1, y2 - y1)
    return crossed % 2 == 1


def on_an_edge(x: Fraction, y: Fraction, polygon: list[tuple[int, int]]) -> bool:
    for (x1, y1), (x2, y2) in zip(polygon, polygon[1:] + polygon[:1], strict=True):
        level = (x2 - x1) * (y - y1) == (y2 - y1) * (x - x1)
        if level and min(x1, x2) <= x <= max(x1, x2) and min(y1, y2) <= y <= max(y1, y2):
            return True
    return False


@given(CORNERS, PLACES)
def test_it_agrees_with_the_rule_in_fractions(polygon, quarters):
    places = [(Fraction(x, 4), Fraction(y, 4)) for x, y in quarters]
    places = [place for place in places if not on_an_edge(*place, polygon)]
    points = np.array([[float(x), float(y)] for x, y in places], dtype=np.float32).reshape(-1, 2)
    expected = [row for row, place in enumerate(places) if holds(*place, polygon)]
    assert inside(points, np.array(polygon, dtype=float)).tolist() == expected


@given(PLACES)
def test_neighbouring_boxes_share_no_point_and_lose_none(quarters):
    points = np.array(quarters, dtype=float) / 4
    halves = [np.array([(x, -8), (x + 8, -8), (x + 8, 8), (x, 8)], dtype=float) for x in (-8, 0)]
    found = [inside(points, half).tolist() for half in halves]
    assert sorted(found[0] + found[1]) == list(range(len(points)))


def test_a_polygon_that_crosses_itself_has_a_hole():
    angle = np.arange(5) * 4 * np.pi / 5
    star = np.stack([np.sin(angle), np.cos(angle)], axis=1)
    points = np.array([[0, 0], [0, 0.7], [0.6, -0.6], [0.9, 0.9]])
    assert inside(points, star).tolist() == [1]


def test_the_area_of_a_lasso_of_many_vertices():
    angle = np.linspace(0, 2 * np.pi, 1000, endpoint=False)
    outline = np.stack([np.cos(angle), np.sin(angle)], axis=1) * (1 + 0.3 * np.sin(5 * angle))[:, None]
    points = np.random.default_rng(0).uniform(-1.5, 1.5, (200_000, 2))
    angles, radii = np.arctan2(points[:, 1], points[:, 0]), np.hypot(points[:, 0], points[:, 1])
    edge = 1 + 0.3 * np.sin(5 * angles)
    clear = np.abs(radii - edge) > 1e-3  # the outline has corners, the curve none
    found = np.isin(np.arange(len(points)), inside(points, outline))
    assert np.array_equal(found[clear], (radii < edge)[clear])


def test_points_that_are_not_finite_are_never_inside():
    points = np.array([[np.nan, 0], [0, np.inf], [-np.inf, np.nan], [0, 0]])
    assert inside(points, np.array([(-1.0, -1), (1, -1), (0, 1)])).tolist() == [3]


def test_a_flat_polygon_and_no_points_hold_nothing():
    line = np.array([(0.0, 0), (1, 1), (2, 2)])
    assert inside(np.array([[0.5, 0.4], [0.4, 0.5]]), line).tolist() == []
    assert inside(np.zeros((0, 2)), line).tolist() == []


@pytest.mark.parametrize(
    "polygon", [np.zeros((2, 2)), np.zeros((3, 3)), np.zeros(6), np.array([(0, 0), (1, np.nan), (1, 1)])]
)
def test_a_polygon_that_is_none_is_refused(polygon):
    with pytest.raises(ValueError, match="polygon"):
        inside(np.zeros((1, 2)), polygon)
