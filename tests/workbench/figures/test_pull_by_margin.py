"""Queries stand at their lead and their pull, and a lone negative crosses one half on the line."""

import numpy as np
import pytest
import torch

from core.objectives.hardness import HardnessWeighted
from core.objectives.objective import row_terms
from workbench.figures.pull_by_margin import finding, pull_by_margin_figure


def test_queries_stand_at_their_lead():
    figure = pull_by_margin_figure(
        np.array([0.9, 0.5]), np.array([0.75, 0.5]), np.array([0.1, 0.5]), np.array([0.6, 0.9]), 0.18, ["<a>", "b"], "w"
    )
    infonce, weighted = figure.data
    np.testing.assert_allclose(infonce.x, [20, 0])
    np.testing.assert_allclose(infonce.y, [0.1, 0.5])
    np.testing.assert_allclose(weighted.y, [0.6, 0.9])
    assert list(weighted.hovertext) == ["&lt;a&gt;", "b"]
    assert infonce.marker.symbol != weighted.marker.symbol
    assert figure.layout.shapes[0].x0 == pytest.approx(18)
    assert figure.layout.title.text == "2 of 2 queries pull at half strength or more; under InfoNCE 1"


@pytest.mark.parametrize(("alpha", "tau"), [(0.0, 0.02), (9.0, 0.02), (3.0, 0.1)])
def test_a_lone_negative_holds_half_on_the_line(alpha, tau):
    negative = torch.tensor([0.3, 0.7], dtype=torch.float64)
    rows = torch.stack([(1 + alpha * tau) * negative, negative], dim=1)
    own = torch.tensor([[True, False], [True, False]])
    pulls = 1 - row_terms(HardnessWeighted(alpha, tau), rows, own).probability[:, 0].numpy()
    figure = pull_by_margin_figure(
        rows[:, 0].numpy(), rows[:, 1].numpy(), pulls, pulls, alpha * tau, ["a", "b"], "weighted"
    )
    np.testing.assert_allclose(figure.data[1].x, figure.layout.shapes[0].x0, atol=0.006)
    np.testing.assert_allclose(figure.data[1].y, 0.5)


def test_ratios_to_negative_cosines_are_refused():
    values = np.array([0.5])
    with pytest.raises(ValueError, match=r"-0\.100"):
        pull_by_margin_figure(values, np.array([-0.1]), values, values, 0.1, ["a"], "w")


def test_the_title_counts():
    assert finding(np.array([0.5, 0.49]), np.array([0.5, 0.7])).startswith("2 of 2")
