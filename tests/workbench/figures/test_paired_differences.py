"""Dots, both intervals, and a title that says no more than the last interval does."""

import numpy as np
import pytest

from workbench.figures.paired_differences import Difference, paired_differences_figure


@pytest.mark.parametrize(
    ("paired", "words"),
    [
        ((-0.01, 0.09), "b - a: +4.0 points, -1.0 to +9.0: not told apart"),
        ((0.01, 0.07), "b - a: +4.0 points, +1.0 to +7.0: a difference that shows"),
    ],
)
def test_the_title_is_of_the_last_line(paired, words):
    last = Difference("mean", 0.04, paired, (-0.03, 0.11))
    figure = paired_differences_figure(("a", "b"), [Difference("<x>", 0.1, (0.05, 0.2), (0.0, 0.2)), last])
    assert figure.layout.title.text == words
    same, other = figure.data
    np.testing.assert_allclose(same.x, [10, 4])
    np.testing.assert_allclose(same.error_x.array, [10, 100 * (paired[1] - 0.04)])
    np.testing.assert_allclose(same.error_x.arrayminus, [5, 100 * (0.04 - paired[0])])
    np.testing.assert_allclose(other.error_x.arrayminus, [10, 7])
    assert same.marker.symbol != other.marker.symbol
    assert not set(same.y) & set(other.y)
    assert list(figure.layout.yaxis.ticktext) == ["&lt;x&gt;", "mean"]
    low, high = figure.layout.xaxis.range
    assert low == -high
    assert high > 20


def test_a_difference_below_zero_shows_too():
    title = paired_differences_figure(("a", "b"), [Difference("x", -0.1, (-0.2, -0.05), (-0.3, 0.1))]).layout.title.text
    assert title.endswith("a difference that shows")
