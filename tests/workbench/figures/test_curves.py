"""Curves of several runs are told apart, keep their numbers, and say what they show."""

import numpy as np

from workbench.figures.curves import MOST_MARKS, Line, curve_figure, spike_figure


def line(name="good", count=30, start=1.0):
    return Line(name, np.arange(1, count + 1), start + np.arange(count) / 10)


def test_one_run_as_logged():
    figure = curve_figure("Loss", "nats", [line()], marks=range(1, 100))
    (curve,) = figure.data
    np.testing.assert_allclose(curve.y, 1 + np.arange(30) / 10)
    assert list(curve.x) == list(range(1, 31))
    assert figure.layout.title.text == "Loss: 1.1 to 3.8 over 30 steps"
    assert not figure.layout.showlegend
    assert len(figure.layout.shapes) == MOST_MARKS


def test_several_runs_have_a_colour_and_a_dash_each_and_thin_lines_below_smoothed_ones():
    other = Line("<b>", np.arange(3), np.array([0.5, np.nan, 0.7]))
    missing = Line("none", np.arange(3), np.full(3, np.nan))
    thin, thick, few, _ = curve_figure("Loss", "nats", [line(count=60), other, missing], beta=0.5).data
    assert thin.line.color == thick.line.color != few.line.color
    assert thick.line.dash != few.line.dash
    assert thin.line.width < thick.line.width
    assert (thin.showlegend, thick.showlegend) == (False, True)
    assert few.name == "&lt;b&gt;"
    np.testing.assert_allclose(few.y, [0.5, 0.7])  # so few values are not smoothed
    np.testing.assert_allclose(thin.y, 1 + np.arange(60) / 10)
    np.testing.assert_allclose(thick.y[:2], [1, (1.1 + 0.5 * 1) / 1.5])
    assert curve_figure("Loss", "nats", [line(), other]).layout.title.text == "Loss: good 3.8, &lt;b&gt; 0.7"
    three = curve_figure("Loss", "nats", [line(), other, missing]).layout.title.text
    assert three == "Loss: 2 runs end at 0.7 to 3.8"


def test_nothing_logged():
    nothing = Line("good", np.arange(2), np.full(2, np.nan))
    assert curve_figure("Margin", "cosine", [nothing]).layout.title.text == "Margin: not logged"
    assert spike_figure("Loss", nothing, nothing.values, []).layout.title.text == "Loss: not logged"


def test_spikes_are_marked():
    values = np.ones(50)
    values[[30, 40]] = 9, np.nan
    figure = spike_figure("Loss", Line("good", np.arange(50), values), np.ones(50), [30, 40])
    assert (list(figure.data[2].x), list(figure.data[2].y)) == ([30], [9])
    assert figure.layout.title.text == "Loss: 1 spike, 1 step not finite, in 50 steps"
