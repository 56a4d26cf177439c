"""Three charts with a line a group, and a title that compares only what can be compared."""

from dataclasses import replace

import numpy as np

from workbench.figures.replay import replay_figure
from workbench.measures.replay import Course, Replay

NEAR = Course("differs in 1 attribute", [10, 20], [0.5, 0.4], [80.0, 40.0], [0.3, 0.6], [4, 4])
FAR = Course("differs in <2>", [20], [0.1], [2.0], [0.2], [4])
FALSE = Course("truly right (a false negative)", [10], [0.9], [90.0], [0.9], [1])
REPLAY = Replay([FALSE, NEAR, FAR], [10, 20], [0.8, 0.9], True, 8, 1.0, 1, 1.0)


def test_lines_hold_the_numbers():
    figure = replay_figure(REPLAY)
    positive, false, _, _, near, weight, share, *far = figure.data
    np.testing.assert_allclose(positive.y, [0.8, 0.9])
    assert false.name == FALSE.name
    np.testing.assert_allclose(near.y, [0.5, 0.4])
    np.testing.assert_allclose(weight.y, [80, 40])
    np.testing.assert_allclose(share.y, [30, 60])
    assert [each.name for each in far] == ["differs in &lt;2&gt;"] * 3
    assert sum(each.showlegend for each in figure.data) == 4
    assert len({(each.line.dash, each.marker.symbol) for each in figure.data}) == 4


def test_weights_are_on_a_log_axis_only_where_they_differ_much():
    assert replay_figure(REPLAY).layout.yaxis2.type == "log"
    flat = replace(REPLAY, courses=[replace(NEAR, weight=[1.0, 1.0])])
    assert replay_figure(flat).layout.yaxis2.type != "log"


def test_titles():
    title = replay_figure(REPLAY).layout.title.text
    assert title == "Share of the pull, differs in 1 attribute: 30% at step 10, 60% at 20"
    once = replay_figure(replace(REPLAY, courses=[FAR])).layout.title.text
    assert once == "Negatives at step 20: differs in &lt;2&gt; get 20% of the pull"
    mixed = replay_figure(replace(REPLAY, datasets=4)).layout.title.text
    assert mixed == "4 data sets in turns: choose one to see what changed"
    assert replay_figure(replace(REPLAY, courses=[])).layout.title.text == "No pairs have been recorded"
