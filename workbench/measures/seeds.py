"""What several seeds say together: means and intervals of few runs (Student's t)."""

import numpy as np
from jaxtyping import Float
from scipy import stats


def mean_and_half_width(values: Float[np.ndarray, " seeds"]) -> tuple[float, float]:
    """Return the mean over seeds and half of its 95 % interval (Student's t); infinite for a single seed."""
    if len(values) < 2:
        return float(values.mean()), float("inf")
    half = stats.t.ppf(0.975, len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values))
    return float(values.mean()), float(half)
