"""Scores with intervals: means over queries, means over data sets, and the bootstrap of both."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

RESAMPLES = 1000
CONFIDENCE = 0.95
DRAWN_AT_ONCE = 2**22


@dataclass(frozen=True)
class Score:
    """One number of a report.

    scope: "dataset", "meta-task", "distribution" or "overall". name: which. metric: such as "P@1", a share in [0, 1].
    low, high: the 95 % bootstrap interval. n: queries. pool: mean number of candidates. chance: the score of
    random vectors.
    """

    scope: str
    name: str
    metric: str
    value: float
    low: float
    high: float
    n: int
    pool: float
    chance: float


def resampled_means(values: Float[np.ndarray, "n *columns"], seed: int = 0) -> Float[np.ndarray, "resamples *columns"]:
    """Return the means of 1000 samples of n values, or rows of values, drawn with replacement."""
    generator = np.random.default_rng([seed, len(values)])
    at_once = max(1, DRAWN_AT_ONCE // len(values))
    found = []
    for start in range(0, RESAMPLES, at_once):
        samples = min(at_once, RESAMPLES - start)
        picks = generator.integers(len(values), size=(samples, len(values)))
        cells = (picks + len(values) * np.arange(samples)[:, None]).ravel()
        times = np.bincount(cells, minlength=picks.size).reshape(picks.shape)
        found.append(times @ values / len(values))
    return np.concatenate(found)


def interval(means: Float[np.ndarray, " resamples"]) -> tuple[float, float]:
    """Return the 95 % percentile interval of resampled means."""
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile(means, [tail, 1 - tail])
    return float(low), float(high)


def mean_interval(groups: Sequence[Float[np.ndarray, " _"]]) -> tuple[float, float, float]:
    """Return the unweighted mean of the groups' means, and its interval when queries are resampled within each group.

    MMEB's overall score is the unweighted mean over data sets (papers.md 3.1).

    Raises:
        ValueError: no groups, or an empty one.
    """
    if not groups or any(len(group) == 0 for group in groups):
        raise ValueError("mean_interval needs at least one group, and a value in each.")
    resampled = np.mean([resampled_means(group, seed) for seed, group in enumerate(groups)], axis=0)
    low, high = interval(resampled)
    return float(np.mean([group.mean() for group in groups])), low, high


@dataclass(frozen=True)
class PairedDifference:
    """A score before and after a change, on the same queries.

    value: after minus before, a mean over groups. low, high: its 95 % bootstrap interval, queries resampled in pairs.
    n: queries. gains, losses: queries whose value rose or fell.
    """

    before: float
    after: float
    value: float
    low: float
    high: float
    n: int
    gains: int
    losses: int

    @property
    def turned(self) -> "PairedDifference":
        """The same, before and after exchanged."""
        return PairedDifference(
            self.after, self.before, -self.value, -self.high, -self.low, self.n, self.losses, self.gains
        )


def paired_difference(
    before: Float[np.ndarray, " n"], after: Float[np.ndarray, " m"], groups: Sequence[object] | np.ndarray
) -> PairedDifference:
    """Return the difference of a score of each query, as the unweighted mean over groups of queries (data sets).

    Queries are resampled within each group, before and after together (paired bootstrap).

    Raises:
        ValueError: there are no queries, or not as many of each.
    """
    if not len(before) or not len(before) == len(after) == len(groups):
        counts = f"{len(before)}, {len(after)} and {len(groups)}"
        raise ValueError(f"paired_difference needs as many values before and after as groups, not {counts}.")
    change = after - before
    _, own = np.unique(np.asarray(groups), return_inverse=True)
    members = [np.flatnonzero(own == group) for group in range(int(own.max()) + 1)]
    value, low, high = mean_interval([change[rows] for rows in members])
    was, became = (float(np.mean([each[rows].mean() for rows in members])) for each in (before, after))
    return PairedDifference(
        was, became, value, low, high, len(change), int((change > 0).sum()), int((change < 0).sum())
    )
