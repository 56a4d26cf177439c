"""Recall at 1: ties count by their expectation, only what is offered competes, chance is exact."""

import numpy as np
import pytest

from core.evaluation.ranking import placement
from workbench.measures.recall import recall_at_1

RIGHT = np.eye(4, dtype=bool)


def test_value_by_hand():
    similarity = np.array([[0.9, 0.1, 0.2, 0.0], [0.8, 0.5, 0.2, 0.0], [0.0, 0.1, 0.7, 0.2], [0.1, 0.2, 0.9, 0.3]])
    score = recall_at_1("r", similarity, RIGHT)
    assert (score.value, score.chance, score.n, score.pool) == (0.5, 0.25, 4, 4.0)
    assert score.low <= 0.5 <= score.high


def test_a_collapsed_model_scores_chance():
    assert recall_at_1("r", np.ones((4, 4)), RIGHT).value == pytest.approx(0.25)


def test_only_what_is_offered_competes():
    drawn = np.random.default_rng(0)
    similarity = drawn.normal(size=(6, 8))
    right, offered = np.zeros((6, 8), dtype=bool), np.zeros((6, 8), dtype=bool)
    right[np.arange(6), np.arange(6)] = True
    offered[np.arange(6), np.arange(6)] = offered[np.arange(6), np.arange(6) + 1] = True
    score = recall_at_1("r", similarity, right, offered)
    rows = np.arange(6)
    assert score.value == np.mean(similarity[rows, rows] > similarity[rows, rows + 1])
    assert (score.chance, score.pool) == (0.5, 2.0)


def test_agrees_with_the_evaluators_rule():
    drawn = np.random.default_rng(1)
    similarity, right = drawn.integers(0, 3, size=(20, 9)) / 3, drawn.random((20, 9)) < 0.2
    right[:, 0] |= ~right.any(axis=1)
    expected = np.mean([placement(row, marked).hit(1) for row, marked in zip(similarity, right, strict=True)])
    assert recall_at_1("r", similarity, right).value == pytest.approx(expected)


def test_nothing_right_is_refused():
    with pytest.raises(ValueError, match="right"):
        recall_at_1("r", np.ones((2, 4)), RIGHT[:2], ~RIGHT[:2])
