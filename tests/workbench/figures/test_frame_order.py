"""Scores under several orders of frames: where they are drawn, and when the title says that something moved."""

import pytest

from core.evaluation.metrics import Score
from workbench.figures.frame_order import frame_order_figure


def score(name, value, chance):
    return Score("dataset", name, "R@1", value, value - 0.1, value + 0.1, 60, 2.0, chance)


def answers(film, motion):
    return [score("film", film, 0.01), score("motion", motion, 0.5)]


def test_orders_stand_beside_each_other():
    figure = frame_order_figure({"as filmed": answers(0.4, 0.5), "reversed": answers(0.42, 0.45)})
    usual, other, chance = figure.data
    assert list(usual.x) == [40, 50]
    assert list(other.x) == [42, 45]
    assert [a - b for a, b in zip(other.y, usual.y, strict=True)] == pytest.approx([0.22, 0.22])
    assert list(chance.x) == [1, 50]
    assert list(figure.layout.yaxis.ticktext) == ["film", "motion"]
    assert usual.marker.symbol != other.marker.symbol
    assert figure.layout.title.text.startswith("In any order the scores stay within")


def test_what_moves_is_named():
    figure = frame_order_figure({"as filmed": answers(0.4, 0.9), "reversed": answers(0.41, 0.1)})
    assert figure.layout.title.text == "Another order of frames moves: motion"


def test_other_questions_are_refused():
    with pytest.raises(ValueError, match="film"):
        frame_order_figure({"as filmed": answers(0.4, 0.5), "reversed": answers(0.4, 0.5)[::-1]})
