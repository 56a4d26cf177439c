"""Paired differences of seeds: every seed a point, the mean with its interval, and an honest title."""

import numpy as np
import pytest

from workbench.figures.paired_seeds import paired_seeds_figure
from workbench.measures.seeds import mean_and_half_width

CLEAR, NOISE = np.array([0.05, 0.06, 0.055]), np.array([0.1, -0.12, 0.03])


def test_points_and_intervals():
    means, seeds = paired_seeds_figure("mine", "llave", {"P@1": CLEAR, "margin": NOISE}).data
    expected = [mean_and_half_width(values) for values in (CLEAR, NOISE)]
    assert means.x == pytest.approx([100 * mean for mean, _ in expected])
    assert means.error_x.array == pytest.approx([100 * half for _, half in expected])
    assert seeds.x == pytest.approx([*100 * CLEAR, *100 * NOISE])
    assert list(seeds.y) == ["P@1"] * 3 + ["margin"] * 3


@pytest.mark.parametrize(
    ("values", "verdict"), [(CLEAR, "a difference"), (-CLEAR, "a difference"), (NOISE, "not told")]
)
def test_the_title_says_whether_zero_is_left_out(values, verdict):
    assert verdict in paired_seeds_figure("mine", "llave", {"P@1": values}).layout.title.text
