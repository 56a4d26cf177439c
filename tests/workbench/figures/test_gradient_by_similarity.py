"""Points at their pulls, and bars that divide the row without loss."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from core.objectives.hardness import HardnessWeighted
from core.objectives.objective import row_terms
from workbench.figures.gradient_by_similarity import (
    FLOOR,
    divided,
    finding,
    gradient_by_similarity_figure,
    of_negatives,
    percent,
)

ROW = torch.tensor([[0.9, 0.8, 0.1, 0.75, -0.3, 0.7, 0.65, 0.6]], dtype=torch.float64)
OWN = torch.eye(1, 8, dtype=torch.bool)
NEGATIVES = ROW[0, 1:].numpy()
LABELS = [f"<{number}>" for number in range(7)]


def pulls(alpha):
    return row_terms(HardnessWeighted(alpha, 0.02), ROW, OWN).probability[0, 1:].numpy()


def drawn(alpha=9.0):
    return gradient_by_similarity_figure(NEGATIVES, pulls(0.0), pulls(alpha), 0.9, LABELS, "weighted")


def test_points_stand_at_their_pulls():
    infonce, weighted = drawn().data[:2]
    np.testing.assert_allclose(infonce.x, NEGATIVES)
    np.testing.assert_allclose(infonce.y, np.maximum(pulls(0.0), FLOOR))
    np.testing.assert_allclose(weighted.y, np.maximum(pulls(9.0), FLOOR))
    assert infonce.y.min() == FLOOR
    assert infonce.marker.symbol != weighted.marker.symbol
    assert weighted.hovertext[0].startswith("&lt;0&gt;")


def test_points_lie_on_lines_of_the_slopes_that_the_lesson_names():
    for points, slope in zip(drawn().data[:2], (50, 59), strict=True):
        seen = points.y > FLOOR
        np.testing.assert_allclose(np.polyfit(points.x[seen], np.log(points.y[seen]), 1)[0], slope, rtol=1e-9)


def test_bars_divide_the_row():
    bars = drawn().data[2:]
    assert [bar.name for bar in bars] == ["right answer", "hardest negative", "2nd to 5th", "rest"]
    assert len({bar.marker.pattern.shape for bar in bars}) == len({bar.marker.color for bar in bars}) == 4
    np.testing.assert_allclose(np.sum([bar.x for bar in bars], axis=0), 100)
    whole = dict(zip(bars[0].y, np.transpose([bar.x for bar in bars]), strict=True))["whole row: weighted"]
    ordered = np.sort(pulls(9.0))[::-1]
    np.testing.assert_allclose(whole[1:], [100 * ordered[0], 100 * ordered[1:5].sum(), 100 * ordered[5:].sum()])
    np.testing.assert_allclose(whole[0], 100 * (1 - pulls(9.0).sum()))
    assert bars[0].x[:2] == pytest.approx([0, 0])


def test_axes_are_the_same_at_every_alpha():
    layouts = [drawn(alpha).layout for alpha in (0.0, 20.0)]
    for axis in ("xaxis", "yaxis", "xaxis2"):
        assert layouts[0][axis].range == layouts[1][axis].range


@given(st.lists(st.floats(0, 1), min_size=1, max_size=9), st.integers(0, 99))
def test_parts_always_sum_to_one(weights, seed):
    values = np.array(weights) / max(1.0, sum(weights))
    parts = divided(np.random.default_rng(seed).uniform(-1, 1, len(values)), values)
    assert parts.sum() == pytest.approx(1)
    assert parts.min() >= -1e-12
    if values.sum() > 1e-300:
        assert of_negatives(parts).sum() == pytest.approx(1)


def test_nearly_all_is_not_called_all():
    assert [percent(part) for part in (0.059, 0.06, 0.874, 0.995, 1.0)] == ["", "6%", "87%", "99.5%", "100%"]


def test_the_title_compares_totals():
    assert finding(np.array([0.01]), np.array([0.5, 0.3])) == "The negatives hold 80.0% of the row; under InfoNCE 1.0%"
    assert "no negatives" in finding(np.array([]), np.array([]))
