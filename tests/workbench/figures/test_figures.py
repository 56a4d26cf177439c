"""Figures hold the numbers they are given, and captions cannot act as tags."""

import numpy as np
import plotly.graph_objects as go
import pytest

from core.evaluation.metrics import Score
from workbench.figures.gradient_shares import gradient_shares_figure
from workbench.figures.hardness_shares import hardness_shares_figure
from workbench.figures.scores import scores_figure
from workbench.figures.similarity_overlap import Histograms, similarity_overlap_figure
from workbench.figures.theme import BLUE, GREEN, GREY, ORANGE, PURPLE, escape
from workbench.figures.training import training_figure
from workbench.figures.weight_curve import weight_curve_figure
from workbench.measures.hardness import Mean


def luminance(colour):
    channels = [int(colour[start : start + 2], 16) / 255 for start in (1, 3, 5)]
    linear = [each / 12.92 if each <= 0.04045 else ((each + 0.055) / 1.055) ** 2.4 for each in channels]
    return float(np.dot([0.2126, 0.7152, 0.0722], linear))


@pytest.mark.parametrize("colour", [BLUE, ORANGE, GREY, PURPLE, GREEN])
def test_colours_stand_out_on_light_and_on_dark(colour):
    assert 1.05 / (luminance(colour) + 0.05) >= 3
    assert (luminance(colour) + 0.05) / (luminance("#171614") + 0.05) >= 3


def test_captions_are_no_tags():
    assert escape("<b>&lt;</b>") == "&lt;b&gt;&amp;lt;&lt;/b&gt;"
    assert len(escape("x" * 500)) == 90


def score(name, value, chance=0.1):
    return Score("dataset", name, "P@1", value, value - 0.05, value + 0.02, 30, 10.0, chance)


def test_scores():
    figure = scores_figure([score("a", 0.5), score("b", 0.12), score("<c>", 0.8)], [True, True, False])
    trained, new, chance = figure.data
    assert list(trained.y) == ["a", "b"]
    np.testing.assert_allclose(trained.x, [50, 12])
    np.testing.assert_allclose(trained.error_x.array, [2, 2])
    np.testing.assert_allclose(trained.error_x.arrayminus, [5, 5])
    assert list(new.y) == ["&lt;c&gt;"]
    np.testing.assert_allclose(chance.x, [10, 10, 10])
    assert trained.marker.symbol != new.marker.symbol
    assert figure.layout.title.text == "2 of 3 data sets are clearly above chance"
    assert "30 queries, 10 candidates" in trained.hovertext[0]
    assert list(figure.layout.yaxis.categoryarray) == ["&lt;c&gt;", "b", "a"]


def histograms(name="one", shift=0):
    edges = np.linspace(-1, 1, 201)
    counts = {kind: np.zeros(200, dtype=int) for kind in ("positive", "hard", "easy")}
    counts["positive"][150 + shift : 154 + shift] = [1, 2, 3, 4]
    counts["hard"][120] = 50
    counts["easy"][40] = 50
    return Histograms(name, "AUROC 1", edges, counts)


def test_similarity_overlap_of_one_model():
    figure = similarity_overlap_figure([histograms()], "apart")
    positive = figure.data[0]
    np.testing.assert_allclose(np.sum(positive.y), 100)
    assert [trace.line.dash for trace in figure.data] == ["solid", "dash", "dot"]
    shown = [x for x, y in zip(positive.x, positive.y, strict=True) if y > 0]
    assert 0.5 - 0.05 <= min(shown) <= max(shown) <= 0.54
    assert figure.layout.xaxis.range[0] <= -0.6 <= 0.54 <= figure.layout.xaxis.range[1]


def test_similarity_overlap_of_two_models_shares_the_axes_and_one_legend():
    figure = similarity_overlap_figure([histograms("a<b"), histograms("c", shift=30)], "two")
    assert len(figure.data) == 6
    assert sum(trace.showlegend for trace in figure.data) == 3
    assert figure.layout.xaxis.matches == "x2"
    assert figure.layout.yaxis2.matches == "y"
    highest = max(np.max(trace.y) for trace in figure.data)
    assert figure.layout.yaxis.range[1] == figure.layout.yaxis2.range[1] >= highest == 100
    assert figure.layout.annotations[0].text.startswith("a&lt;b")


def test_similarity_overlap_of_nothing():
    empty = Histograms("", "", np.linspace(-1, 1, 201), {"positive": np.zeros(200, dtype=int)})
    assert isinstance(similarity_overlap_figure([empty], "nothing"), go.Figure)


def test_weight_curve():
    similarity, curve = np.array([0.1, 0.3, 0.6]), np.linspace(0, 0.7, 5)
    figure = weight_curve_figure(similarity, np.exp(9 * similarity), 0.65, curve, np.exp(9 * curve), np.ones(5))
    what_if, trained, points = figure.data
    np.testing.assert_allclose(what_if.y, np.exp(9 * curve))
    np.testing.assert_allclose(trained.y, np.ones(5))
    np.testing.assert_allclose(points.x, similarity)
    assert figure.layout.shapes[0].x0 == 0.65
    assert figure.layout.yaxis.type == "log"
    assert figure.layout.title.text == "The hardest negative weighs 15 times the median"
    flat = weight_curve_figure(similarity, np.ones(3), 0.65, curve, np.ones(5), np.ones(5))
    assert flat.layout.title.text == "Every negative weighs about the same"
    falls = weight_curve_figure(similarity, np.array([1.0, 0.5, 0.1]), 0.65, curve, np.ones(5), np.ones(5))
    assert falls.layout.title.text == "The hardest negative weighs 0.2 times the median"
    none = weight_curve_figure(np.zeros(0), np.zeros(0), 0.65, curve, np.ones(5), np.ones(5))
    assert none.layout.title.text == "This query has no negatives"


def test_weights_beyond_float64_are_drawn_at_the_edge():
    beyond = np.array([0.0, 1.0, np.inf])
    figure = weight_curve_figure(np.array([0.1, 0.2, 0.3]), beyond, 0.65, np.linspace(0, 1, 3), beyond, np.ones(3))
    for trace in figure.data:
        assert np.isfinite(np.log10(np.array(trace.y, dtype=float))).all()
    assert "nan" not in figure.layout.title.text
    assert figure.layout.yaxis.dtick >= 30  # few ticks over 300 decades


def test_gradient_shares_fold_the_rest():
    shares = np.array([0.5, *[0.5 / 19] * 19])
    figure = gradient_shares_figure(["<i>"] * 20, np.full(20, 0.05), shares)
    what_if, trained = figure.data
    assert list(what_if.x) == [*map(str, range(1, 13)), "rest"]
    np.testing.assert_allclose(what_if.y.sum(), 100)
    np.testing.assert_allclose(trained.y[-1], 40)
    assert what_if.hovertext[0] == "&lt;i&gt;"
    assert what_if.marker.pattern.shape != trained.marker.pattern.shape
    assert figure.layout.title.text == "1 of 20 negatives does half of the pulling"
    assert len(gradient_shares_figure(["a", "b"], shares[:2], shares[:2]).data[0].x) == 2
    assert gradient_shares_figure([], np.zeros(0), np.zeros(0)).layout.title.text == "This query has no negatives"


def test_hardness_shares():
    shares = {1: (Mean(0.6, 0.5, 0.65, 9), 0.2), 3: (Mean(0.4, 0.35, 0.5, 9), 0.8)}
    what_if, _, alike = hardness_shares_figure(shares, shares).data
    np.testing.assert_allclose(what_if.y, [60, 40])
    np.testing.assert_allclose(what_if.error_y.array, [5, 10])
    np.testing.assert_allclose(what_if.error_y.arrayminus, [10, 5])
    np.testing.assert_allclose(alike.y, [20, 80])
    title = hardness_shares_figure(shares, shares).layout.title.text
    assert title == "Negatives that differ in 1 attribute get 60% of the gradient; they are 20% of all"


def test_training():
    rows = [{"step": step, "loss": 1.0, "infonce_loss": 0.5, "margin": step / 100} for step in range(1, 31)]
    loss, plain, margin = training_figure(rows).data
    assert list(loss.x) == list(range(1, 31))
    assert set(loss.y) == {1.0}
    assert set(plain.y) == {0.5}
    assert margin.y[0] == pytest.approx(0.01)
    assert training_figure(rows).layout.title.text == "Over 30 steps the margin went from +0.02 to +0.29"
    assert len(training_figure([*rows] * 100).data[0].x) <= 1001
    assert training_figure([]).layout.title.text == "No step has been logged"
    assert len(training_figure([{"step": 1}]).data) == 3
