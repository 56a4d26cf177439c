"""Intervals: they hold the value, shrink with n, repeat, and have the width that theory gives."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.evaluation.metrics import mean_interval

shares = st.lists(st.floats(0, 1), min_size=1, max_size=40).map(np.array)


@given(st.lists(shares, min_size=1, max_size=4))
@settings(deadline=None, max_examples=40)
def test_an_interval_holds_its_value_and_stays_in_range(groups):
    value, low, high = mean_interval(groups)
    assert value == pytest.approx(np.mean([np.mean(group) for group in groups]))
    assert low - 1e-12 <= value <= high + 1e-12
    assert min(group.min() for group in groups) - 1e-12 <= low
    assert high <= max(group.max() for group in groups) + 1e-12
    assert mean_interval(groups) == (value, low, high)


@pytest.mark.parametrize("p", [0.1, 0.5, 0.8])
@pytest.mark.parametrize("n", [100, 400, 1600])
def test_its_width_is_that_of_the_normal_approximation(p, n):
    """2 * 1.96 * sqrt(p (1 - p) / n): halved by four times the queries."""
    _, low, high = mean_interval([np.repeat([1.0, 0.0], [round(n * p), n - round(n * p)])])
    assert high - low == pytest.approx(2 * 1.96 * np.sqrt(p * (1 - p) / n), rel=0.12)


def test_data_sets_are_resampled_independently():
    """The mean of k equal groups has a width smaller by sqrt(k); one common resampling would leave it as it is."""
    group = np.repeat([1.0, 0.0], [100, 100])
    _, low, high = mean_interval([group])
    _, low_of_4, high_of_4 = mean_interval([group] * 4)
    assert (high - low) / (high_of_4 - low_of_4) == pytest.approx(2, rel=0.15)


def test_no_values_are_refused():
    for groups in ([], [np.array([1.0]), np.array([])]):
        with pytest.raises(ValueError, match="at least one group, and a value in each"):
            mean_interval(groups)
