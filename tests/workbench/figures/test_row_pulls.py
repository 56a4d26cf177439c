"""Pulls of rows against margins: the numbers, what is lost, and the limits of the axes."""

import numpy as np
import pytest

from workbench.figures.row_pulls import HIGHEST, LOWEST, lost_share, row_pulls_figure

MARGIN = np.array([-0.1, 0.05, 0.2])
PULLS = {"InfoNCE": np.array([0.9, 0.09, 0.01]), "amplifier, beta 9": np.array([3.0, 0.05, 0.0])}


def test_points_and_finding():
    figure = row_pulls_figure(MARGIN, PULLS)
    plain, amplified = figure.data
    np.testing.assert_allclose(plain.x, MARGIN)
    np.testing.assert_allclose(plain.y, PULLS["InfoNCE"])
    np.testing.assert_allclose(amplified.y, [3.0, 0.05, LOWEST])
    assert plain.marker.symbol != amplified.marker.symbol
    assert figure.layout.title.text == "The lost query gets 90% (InfoNCE), 98% (amplifier) of all pull"


def test_several_lost_queries_are_counted():
    title = row_pulls_figure(np.array([-0.1, -0.2]), {"a": np.ones(2)}).layout.title.text
    assert title == "The 2 lost queries get 100% (a) of all pull"


def test_axes_do_not_move_with_the_pulls():
    one = row_pulls_figure(MARGIN, {"a": np.array([0.1, 0.1, 0.1])})
    other = row_pulls_figure(MARGIN, {"a": np.array([1e9, 0.0, 0.5])})
    for axis in ("xaxis", "yaxis"):
        assert one.layout[axis].range == other.layout[axis].range
    assert max(other.data[0].y) == HIGHEST


def test_shares_of_lost_rows():
    assert lost_share(MARGIN, np.zeros(3)) == 0
    assert lost_share(np.abs(MARGIN), np.ones(3)) == 0
    assert lost_share(-np.abs(MARGIN), np.ones(3)) == 1


def test_five_objectives_are_refused():
    with pytest.raises(ValueError, match="5 objectives"):
        row_pulls_figure(MARGIN, {str(number): MARGIN for number in range(5)})
