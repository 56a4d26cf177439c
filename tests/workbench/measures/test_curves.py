"""Thinned curves keep their outline; the moving average is the sum that its docstring says."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.measures.curves import MOST_POINTS, envelope, smoothed

NUMBERS = st.lists(st.floats(-1e6, 1e6, width=32) | st.sampled_from([np.nan, np.inf]), max_size=300)


@given(NUMBERS, st.integers(4, 60))
def test_few_points_keep_lowest_highest_and_ends(listed, most):
    values = np.array(listed, dtype=float)
    kept = envelope(values, most)
    finite = np.flatnonzero(np.isfinite(values))
    assert len(kept) <= most or len(kept) == len(finite) <= most
    assert (np.diff(kept) > 0).all()
    assert np.isfinite(values[kept]).all()
    if len(finite):
        assert values[kept].min() == values[finite].min()
        assert values[kept].max() == values[finite].max()
        assert (kept[0], kept[-1]) == (finite[0], finite[-1])


def test_every_spike_of_a_long_curve_stays():
    values = np.random.default_rng(0).normal(size=100_000)
    spikes = np.arange(500, 100_000, 997)
    values[spikes] += 50
    kept = envelope(values)
    assert len(kept) <= MOST_POINTS
    assert set(spikes) <= set(kept)


def test_short_curves_are_drawn_whole():
    np.testing.assert_array_equal(envelope(np.array([1.0, np.nan, 2.0])), [0, 2])
    with pytest.raises(ValueError, match="most = 3 must be at least 4"):
        envelope(np.zeros(5), 3)


@pytest.mark.parametrize("beta", [0.0, 0.5, 0.97])
def test_the_moving_average_is_a_weighted_mean_of_what_was_finite(beta):
    values = np.random.default_rng(1).normal(size=40)
    values[[3, 4, 20]] = np.nan, np.inf, np.nan
    found = smoothed(values, beta)
    past: list[float] = []
    for value, smooth in zip(values, found, strict=True):
        if not np.isfinite(value):
            assert np.isnan(smooth)
            continue
        past.append(value)
        weights = beta ** np.arange(len(past))[::-1]
        assert smooth == pytest.approx(np.average(past, weights=weights), rel=1e-9)
    with pytest.raises(ValueError, match="beta = 1"):
        smoothed(values, 1.0)
