"""Curves of a training that are quick to draw and still true: thinned so that spikes stay, smoothed on request."""

import numpy as np
import pandas as pd
from jaxtyping import Float, Int

MOST_POINTS = 2000


def envelope(values: Float[np.ndarray, " n"], most: int = MOST_POINTS) -> Int[np.ndarray, " kept"]:
    """Return the places of at most so many values that keep the curve's outline, in order.

    Of each of most/2 - 1 stretches of equal length the lowest and the highest finite value are kept, besides the first
    and the last finite one of all: no spike is lost (min/max decimation). Values that are not finite are left out.

    Raises:
        ValueError: most is below 4.
    """
    if most < 4:
        raise ValueError(f"most = {most} must be at least 4: a first and a last value, a lowest and a highest.")
    finite = np.flatnonzero(np.isfinite(values))
    if len(finite) <= most:
        return finite
    kept = values[finite]
    starts = np.linspace(0, len(kept), most // 2, dtype=np.int64)
    number = np.repeat(np.arange(len(starts) - 1), np.diff(starts))
    # Sorted by stretch, then by value: the first and the last of each stretch are its lowest and its highest.
    order = np.lexsort((kept, number))
    ends = np.concatenate([order[starts[:-1]], order[starts[1:] - 1], [0, len(kept) - 1]])
    return finite[np.unique(ends)]


def smoothed(values: Float[np.ndarray, " n"], beta: float) -> Float[np.ndarray, " n"]:
    """Return the exponential moving average of the finite values, free of the bias of its start; NaN stays NaN.

    s_t = sum_k beta^(t-k) x_k / sum_k beta^(t-k) over finite x_k, k <= t (bias-corrected as in Adam).

    Raises:
        ValueError: beta is outside [0, 1).
    """
    if not 0 <= beta < 1:
        raise ValueError(f"beta = {beta} must be at least 0 and below 1.")
    finite = np.isfinite(values)
    found = np.full(len(values), np.nan)
    found[finite] = pd.Series(values[finite]).ewm(alpha=1 - beta, adjust=True).mean().to_numpy()
    return found
