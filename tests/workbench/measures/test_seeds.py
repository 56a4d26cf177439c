"""Intervals of few runs: Student's t, and no interval at all from one run."""

import numpy as np
import pytest
from scipy import stats

from workbench.measures.seeds import mean_and_half_width


def test_half_width_is_scipys():
    values = np.random.default_rng(0).normal(3, 2, size=7)
    mean, half = mean_and_half_width(values)
    low, high = stats.t.interval(0.95, 6, loc=values.mean(), scale=stats.sem(values))
    assert (mean - half, mean + half) == pytest.approx((low, high))


def test_two_seeds_say_little():
    assert mean_and_half_width(np.array([0.0, 2.0])) == pytest.approx((1.0, 12.706), rel=1e-4)


def test_one_seed_has_no_interval():
    assert mean_and_half_width(np.array([0.4])) == (0.4, float("inf"))
