"""Figures of lesson 5 hold the numbers they are given, and their titles count."""

import math

import pytest

from workbench.figures.accumulation import accumulation_figure
from workbench.figures.gradient_errors import FLOOR, Measured, gradient_errors_figure
from workbench.figures.hardest_negative import hardest_negative_figure
from workbench.measures.accumulation import Accumulated


def test_hardest_negative():
    chances = {"one": [0.1, 0.5, 0.9], "above": [0.0, 0.1, 0.2]}
    figure = hardest_negative_figure([4, 32, 256], [0.4, 0.7, 0.9], 0.95, chances, {32: "here"})
    assert [list(each.x) for each in figure.data] == [[4, 32, 256]] * 3
    assert list(figure.data[0].y) == [0.4, 0.7, 0.9]
    assert list(figure.data[1].y) == pytest.approx([10, 50, 90])
    assert figure.layout.title.text == "From 4 pairs to 256, the hardest negative rises from 0.40 to 0.90 (right: 0.95)"
    assert len({(each.line.dash, each.marker.symbol) for each in figure.data}) == 3
    mark = next(each for each in figure.layout.annotations if each.text == "here")
    assert mark.x == pytest.approx(math.log10(32))
    assert figure.layout.xaxis2.type == "log"


def test_accumulation():
    found = [Accumulated(1, 255, 1.0, 0.0, 0.4), Accumulated(8, 31, 0.34, 0.94, 0.1)]
    figure = accumulation_figure(found)
    assert [list(each.y) for each in figure.data] == [[1.0, 0.34], [0.0, 0.94]]
    assert list(figure.data[0].x) == ["1<br>255", "8<br>31"]
    assert figure.layout.title.text == "Accumulated from 8 parts, the gradient has cosine 0.34 to the large batch's"


def test_gradient_errors():
    recipes = {"good": Measured(0.5, 2e-16), "impostor": Measured(0.5, 0.24), "scaled": Measured(1.0, 0.0)}
    figure = gradient_errors_figure(recipes, 0.5)
    losses, errors = figure.data[:2]
    assert list(losses.x) == [0.5, 0.5, 1.0]
    assert list(losses.marker.pattern.shape) == ["", "", "/"]
    assert list(errors.x) == pytest.approx([2e-16 / FLOOR, 0.24 / FLOOR, 1.0])
    assert list(errors.marker.pattern.shape) == ["", "/", ""]
    assert list(errors.text) == ["2e-16", "24%", "0e+00"]
    assert figure.layout.title.text == "2 of 3 log the right loss; 2 of 3 have the right gradient"
    assert figure.layout.xaxis2.type == "log"
