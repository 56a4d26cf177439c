"""The circle: arrows point where the speeds say, and the title says what becomes of the query."""

import numpy as np
import pytest

from workbench.figures.gradient_field import LONGEST, arrows, direction, gradient_field_figure
from workbench.figures.slider import with_slider

ANGLES = np.array([-60.0, 0.0, 40.0])
STOP = np.array([[1.0, 0.5, -1.5], [2.0, -1.0, -1.0], [0.0, -2.0, 2.0]])
FREE = np.array([[1.2, 0.5, -1.7], [1.5, -1.0, -0.5], [-0.4, -2.0, 2.4]])


def drawn_arrows(trace):
    """(start, end) angles of each arrow, in radians from the top."""
    angles = np.arctan2([np.nan if x is None else x for x in trace.x], [np.nan if y is None else y for y in trace.y])
    ends = np.flatnonzero(np.isnan(angles))
    starts = [0, *(ends[:-1] + 1)]
    return [(angles[start], angles[end - 1]) for start, end in zip(starts, ends, strict=True)]


def test_arrows_start_at_their_points_and_are_as_long_as_the_speeds():
    trace = arrows(np.array([0.0, 40.0, -60.0]), np.array([1.0, -0.5, 0.0]), 1.0, "#000000", "arrow")
    found = np.array(drawn_arrows(trace))
    np.testing.assert_allclose(found[:, 0], np.radians([0.0, 40.0, -60.0]))
    np.testing.assert_allclose(found[:, 1] - found[:, 0], [LONGEST, -LONGEST / 2, 0.0], atol=1e-12)
    assert [each for each in trace.marker.symbol if each != "circle"] == ["arrow", "arrow", "circle-open"]


@pytest.mark.parametrize(
    ("at", "words"),
    [(0, "moves to its answer either way"), (2, "with the stop the query stays, without it is pushed away")],
)
def test_the_title_says_what_becomes_of_the_query(at, words):
    assert words in gradient_field_figure(ANGLES, 40.0, STOP, FREE, at).layout.title.text


def test_a_speed_that_is_nothing_beside_the_figures_largest_is_standing_still():
    slow = np.array([[9.0, 0.0, 0.0], [0.1, 0.0, 0.0], [-9.0, 0.0, 0.0]])
    assert "the query stays either way" in gradient_field_figure(ANGLES, 40.0, slow, slow, 1).layout.title.text


def test_a_right_answer_on_the_left_pulls_to_the_left():
    assert direction(-0.5, -40.0) == "moves to its answer"
    assert direction(0.5, -40.0) == "is pushed away"
    assert direction(0.01, 40.0) == "stays"


def test_curves_hold_the_querys_speeds_and_dots_the_present_one():
    figure = gradient_field_figure(ANGLES, 40.0, STOP, FREE, 1)
    curves = [trace for trace in figure.data if trace.mode == "lines" and len(trace.x) == 3]
    np.testing.assert_array_equal([curve.y for curve in curves], [STOP[:, 0], FREE[:, 0]])
    assert [curve.line.dash for curve in curves] == ["solid", "dash"]
    dots = [trace for trace in figure.data if trace.mode == "markers" and len(trace.x) == 1]
    assert [(dot.x[0], dot.y[0]) for dot in dots] == [(0.0, 2.0), (0.0, 1.5)]


def test_positions_share_axes_and_make_frames():
    stills = {str(angle): gradient_field_figure(ANGLES, 40.0, STOP, FREE, at) for at, angle in enumerate(ANGLES)}
    assert len({still.layout.yaxis2.range for still in stills.values()}) == 1
    assert len(with_slider(stills, "angle").frames) == 3
