"""What an objective does to many pools, summed up: computed by blocks of rows, so nothing of pairs' size is kept."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from core.objectives.objective import Objective
from workbench.measures.hardness import (
    Effect,
    Mean,
    Pools,
    effect,
    level_means,
    mean_of,
    pulled_by_hardness,
    rank_correlations,
)

PAIRS = 2**17
"""Of a block: its arrays stay in the processor's cache, which is twice as fast as all at once."""


@dataclass(frozen=True)
class EffectSummary:
    """An objective over pools.

    effective: the mean number of effective negatives of a query. resting: whether a query's negatives have no gradient
    at all. flat: whether all negatives weigh the same. shares: by true hardness, see `hardness.shares_by_hardness`.
    """

    effective: Mean
    resting: Bool[np.ndarray, " m"]
    flat: bool
    shares: dict[int, tuple[Mean, float]]


def blocks(objective: Objective, pools: Pools) -> Iterator[tuple[Pools, Effect]]:
    """Return the pools in blocks of rows with what the objective does to them, in float64."""
    rows = max(1, PAIRS // max(1, pools.similarity.shape[1]))
    for start in range(0, len(pools), rows):
        block = Pools(*(values[start : start + rows] for values in vars(pools).values()))
        yield block, effect(objective, block)


def summary(objective: Objective, pools: Pools) -> EffectSummary:
    """Sum up what the objective does; equal to what `hardness.effect` of all pools at once gives."""
    levels = [int(each) for each in np.unique(pools.hardness[~np.isnan(pools.hardness)])]
    effective, resting, pulled = [], [], []
    low, high = np.inf, -np.inf
    for block, done in blocks(objective, pools):
        effective.append(done.effective_negatives)
        resting.append(block.wrong.any(axis=1) & ~done.pulls)
        low = min(low, float(np.min(done.weight, where=block.wrong, initial=np.inf)))
        high = max(high, float(np.max(done.weight, where=block.wrong, initial=-np.inf)))
        if levels:
            pulled.append(pulled_by_hardness(block, done.share, levels))
    shares = level_means(pools, np.concatenate(pulled), levels) if levels else {}
    every = np.concatenate([np.empty(0), *effective])
    rests = np.concatenate([np.empty(0, dtype=bool), *resting])
    return EffectSummary(mean_of(every), rests, high == low, shares)


def correlations(objective: Objective, pools: Pools) -> Float[np.ndarray, " m"]:
    """Return `hardness.rank_correlations` of the objective's weights."""
    return np.concatenate([np.empty(0), *(rank_correlations(p, done.weight) for p, done in blocks(objective, pools))])
