"""Sorted dots of data sets, lifts of features, and the matrix of modalities hold the numbers they are given."""

import numpy as np
import pytest

from workbench.figures.dataset_dots import Axis, Dots, dataset_dots_figure, sorted_names
from workbench.figures.lifts import Lift, lifts_figure
from workbench.figures.modality_matrix import modality_matrix_figure
from workbench.measures.hardness import Mean

MEANS = {"a<b": Mean(0.2, 0.1, 0.35, 7), "c": Mean(0.5, 0.4, 0.6, 9)}


def test_data_sets_are_sorted_and_escaped_with_their_intervals():
    order = sorted_names(MEANS)
    assert order == ["c", "a<b"]
    figure = dataset_dots_figure([Dots("one", MEANS)], order, Axis("P@1, %", 100, chance={"c": 0.1}), "title")
    dots, chance = figure.data
    by_row = dict(zip(dots.y, dots.x, strict=True))
    assert by_row == {0: 50, 1: 20}
    np.testing.assert_allclose(dots.error_x.array, [15, 10])
    np.testing.assert_allclose(dots.error_x.arrayminus, [10, 10])
    assert list(figure.layout.yaxis.ticktext) == ["c", "a&lt;b"]
    assert list(chance.x) == [10]
    assert "7 queries" in dots.hovertext[0]


def test_several_sets_differ_by_colour_and_symbol_and_lie_apart():
    sets = [Dots("one", MEANS), Dots("two", {"c": MEANS["c"]})]
    figure = dataset_dots_figure(sets, ["c"], Axis("margin", 1, 0.0), "title")
    first, second = figure.data
    assert first.marker.symbol != second.marker.symbol
    assert first.marker.color != second.marker.color
    assert first.y[0] < 0 < second.y[0]
    with pytest.raises(ValueError, match="draws one to 3 sets, not 0"):
        dataset_dots_figure([], [], Axis("x", 1), "title")


def test_lifts_are_rows_and_what_may_be_chance_looks_different():
    features = [
        Lift("word", "red<", 12, 0.5, 2.0, 1.5, 2.6, True),
        Lift("colour", "blue", 30, 0.1, 0.4, 0.0, 1.1, False),
    ]
    figure = lifts_figure(features, "misses", "title")
    sure, unsure = figure.data
    assert (list(sure.y), list(sure.x)) == ([0], [2.0])
    assert (list(unsure.y), list(unsure.x)) == ([1], [0.4])
    np.testing.assert_allclose(unsure.error_x.arrayminus, [0.35])  # a log scale has no 0
    assert sure.marker.symbol != unsure.marker.symbol
    assert figure.layout.yaxis.ticktext[0].startswith("red&lt;")
    assert "12 queries, 50.0% misses" in sure.hovertext[0]
    assert lifts_figure([], "misses", "nothing").layout.title.text == "nothing"


def test_the_matrix_has_n_in_each_cell_and_leaves_what_is_missing_empty():
    means = {("text", "image"): Mean(0.5, 0.4, 0.6, 1200), ("image", "text"): Mean(float("nan"), 0, 0, 0)}
    heat = modality_matrix_figure(means, "P@1", True, "title").data[0]
    assert (list(heat.y), list(heat.x)) == (["text", "image"], ["image", "text"])
    assert heat.text[0][0] == "50.0 %<br>1,200 queries"
    assert heat.text[1][1] == "-<br>0 queries"
    assert heat.text[1][0] == ""
    assert np.isnan(heat.z[0][1])
