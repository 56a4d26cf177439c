"""What an objective does to the pools of a bundle, and whether its weights follow the true hardness.

A pool is a query with its candidates. Its similarities are computed again from the vectors, and what the objective
makes of them comes from `core.objectives.objective.row_terms`: the trainer's own function, so any objective
with any numbers can be tried on a trained model without training. Direction: query -> candidates.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from core.evaluation.metrics import mean_interval
from core.objectives.objective import Objective, PairSimilarities, PairTerms, row_terms
from core.objectives.siglip import SigLIP
from workbench.bundles.bundle import Bundle
from workbench.measures.pool_products import pool_products

SUSPECT = 0.95
MOST_QUERIES, MOST_PAIRS = 5000, 2**22
"""Of more queries, or candidates together, an even sample is looked at."""


@dataclass(frozen=True)
class Pools:
    """The pools of some queries, one a row, padded on the right to the longest (m queries, n candidates).

    rankings: rows of the bundle's rankings. candidates: rows of its items, -1 for padding. positive: the most
    similar right candidate. wrong: the negatives. similarity: cosine, 0 for padding. hardness: asked attributes in
    which a negative truly differs from the positive; NaN where unknown, for right candidates and for padding.
    """

    rankings: Int[np.ndarray, " m"]
    candidates: Int[np.ndarray, "m n"]
    positive: Bool[np.ndarray, "m n"]
    wrong: Bool[np.ndarray, "m n"]
    similarity: Float[np.ndarray, "m n"]
    hardness: Float[np.ndarray, "m n"]

    def __len__(self) -> int:
        return len(self.rankings)

    def pick(self, rows: Sequence[int] | np.ndarray) -> "Pools":
        """Return some of the pools."""
        return Pools(*(values[rows] for values in vars(self).values()))


@dataclass(frozen=True)
class Effect:
    """What an objective does to pools: for each negative its weight, probability and share of the gradient.

    weight, probability: those of `core.objectives.objective.PairTerms`. share: of the query's pull on its negatives;
    sums to 1 over them. loss, effective_negatives: one a query. right: the probability that the objective gives the
    positive, in [0, 1], one a query. pulls: whether any negative has a gradient at all, one a query.
    """

    weight: Float[np.ndarray, "m n"]
    probability: Float[np.ndarray, "m n"]
    share: Float[np.ndarray, "m n"]
    loss: Float[np.ndarray, " m"]
    effective_negatives: Float[np.ndarray, " m"]
    right: Float[np.ndarray, " m"]
    pulls: Bool[np.ndarray, " m"]

    def pick(self, rows: Sequence[int] | np.ndarray) -> "Effect":
        """Say what it does to some of the pools."""
        return Effect(*(values[rows] for values in vars(self).values()))


def pools_of(bundle: Bundle, rankings: Sequence[int] | np.ndarray) -> Pools:
    """Return the pools of some rows of the bundle's rankings."""
    rows = np.asarray(rankings, dtype=np.int64)
    table = bundle.rankings.iloc[rows]
    listed = [bundle.candidates.of(int(each)) for each in rows]
    sizes = np.array([len(each) for each in listed], dtype=np.int64)
    shape = (len(rows), int(sizes.max(initial=0)))
    held = np.arange(shape[1]) < sizes[:, None]
    candidates = np.full(shape, -1, dtype=np.int32)
    candidates[held] = np.concatenate([np.empty(0, np.int32), *listed])
    right = np.zeros(shape, dtype=bool)
    for row, number in enumerate(rows):
        right[row] = np.isin(candidates[row], bundle.candidates.right[int(number)])
    similarity = pool_products(
        candidates,
        table["dataset"].cat.codes.to_numpy(),
        bundle.vectors[table["query"].to_numpy()],
        lambda items: bundle.vectors[items],
    )
    positive = candidates == table["positive"].to_numpy()[:, None]
    wrong = held & ~right
    hardness = pool_hardness(bundle, table, candidates)
    return Pools(rows, candidates, positive, wrong, similarity, np.where(wrong, hardness, np.nan))


def sample_rows(count: int, most: int = 5000) -> Int[np.ndarray, " m"]:
    """Evenly spaced row numbers of a table of `count`, at most so many: all where they fit."""
    return np.unique(np.linspace(0, max(0, count - 1), min(count, most)).astype(int))


def even_sample(bundle: Bundle, numbers: Int[np.ndarray, " queries"]) -> Int[np.ndarray, " m"]:
    """Return an even sample of some rows of the rankings: at most 5000 and 4 million candidates."""
    mean = float(bundle.candidates.sizes[numbers].mean()) if len(numbers) else 1.0
    return numbers[sample_rows(len(numbers), min(MOST_QUERIES, max(1, int(MOST_PAIRS / mean))))]


def pool_hardness(bundle: Bundle, table: pd.DataFrame, candidates: Int[np.ndarray, "m n"]) -> Float[np.ndarray, "m n"]:
    """Return the true hardness of each candidate of each query, NaN where unknown and for padding.

    It is `core.data.records.true_hardness` of many at once: how many of the asked attributes differ.
    """
    found = np.full(candidates.shape, np.nan)
    asks = [tuple(each) for each in table["asks"]]
    for asked in set(asks) - {()}:
        rows = np.flatnonzero([each == asked for each in asks])
        positive = table["positive"].to_numpy()[rows]
        total = np.zeros((len(rows), candidates.shape[1]))
        known = np.ones(len(rows), dtype=bool)
        for name in asked:
            codes = bundle.attribute_codes(name)
            known &= codes[positive] >= 0
            total += codes[candidates[rows]] != codes[positive][:, None]
        found[rows] = np.where(known[:, None] & (candidates[rows] >= 0), total, np.nan)
    return found


def effect(objective: Objective, pools: Pools) -> Effect:
    """Say what the objective does to every negative of the pools, in float64."""
    positive = torch.from_numpy(pools.positive)
    excluded = torch.from_numpy(~(pools.wrong | pools.positive))
    terms = row_terms(objective, torch.from_numpy(pools.similarity), positive, excluded)
    return Effect(
        terms.weight.numpy(),
        terms.probability.numpy(),
        terms.share.numpy(),
        terms.loss.numpy(),
        np.where(pools.wrong.any(axis=1), terms.effective_negatives.numpy(), 0.0),
        right_probability(objective, terms, positive).numpy(),
        ((terms.gradient != 0) & torch.from_numpy(pools.wrong)).any(dim=1).numpy(),
    )


def right_probability(objective: Objective, terms: PairTerms, positive: Bool[Tensor, "m n"]) -> Float[Tensor, " m"]:
    """Say what the objective itself takes for the probability of the positive: e^-loss, but sigma(u) for SigLIP.

    `terms.probability` of the positive is that too where its logit is s / tau, and no probability elsewhere.
    """
    return terms.probability[positive] if isinstance(objective, SigLIP) else torch.exp(-terms.loss)


def weights_at(objective: Objective, similarity: Float[np.ndarray, " n"], positive: float) -> Float[np.ndarray, " n"]:
    """Get the weight of a negative at each similarity, for an anchor whose positive has the similarity `positive`."""
    seen = torch.from_numpy(similarity)
    own = objective.anchor_weight(torch.tensor([positive], dtype=seen.dtype))
    return torch.exp(objective.pair_weight(PairSimilarities(seen, seen)) + own).numpy()


def differing(asks: Sequence[str], positive: Mapping[str, str], other: Mapping[str, str]) -> list[str]:
    """Return the asked attributes in which an item differs from the positive, by name."""
    return [name for name in asks if name in positive and positive[name] != other.get(name)]


@dataclass(frozen=True)
class Mean:
    """A mean over queries with its 95 % bootstrap interval; n: queries that have a value."""

    value: float
    low: float
    high: float
    n: int


def mean_of(values: Float[np.ndarray, " m"]) -> Mean:
    """Return the mean of the values that are known, with its interval; NaN where none is."""
    known = values[~np.isnan(values)]
    if not len(known):
        return Mean(float("nan"), float("nan"), float("nan"), 0)
    return Mean(*mean_interval([known]), len(known))


def rank_correlations(pools: Pools, values: Float[np.ndarray, "m n"]) -> Float[np.ndarray, " m"]:
    """For each query Spearman's correlation, over its negatives, of a value with true closeness to the positive.

    Closeness is minus the true hardness: 1 means that the negatives which differ least weigh most. NaN where the
    truth is unknown, or the values or the hardness are all alike.
    """
    return np.array(
        [
            spearman(row_values[known], -hardness[known])
            for row_values, hardness, known in zip(values, pools.hardness, ~np.isnan(pools.hardness), strict=True)
        ]
    )


def spearman(first: Float[np.ndarray, " n"], second: Float[np.ndarray, " n"]) -> float:
    """Return the correlation of mid-ranks; NaN where one side is constant."""
    if len(first) < 2 or np.ptp(first) == 0 or np.ptp(second) == 0:
        return float("nan")
    return float(np.corrcoef(mid_ranks(first), mid_ranks(second))[0, 1])


def mid_ranks(values: Float[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
    """Return the ranks of values from 1; equal ones share their mean."""
    return pd.Series(values).rank().to_numpy()


def shares_by_hardness(pools: Pools, share: Float[np.ndarray, "m n"]) -> dict[int, tuple[Mean, float]]:
    """By true hardness (1, 2, ...): the mean share of the gradient that its negatives get, and their share of the pool.

    The second is what they would get if all pulled alike. Queries without known truth are left out.
    """
    levels = [int(each) for each in np.unique(pools.hardness[~np.isnan(pools.hardness)])]
    return level_means(pools, pulled_by_hardness(pools, share, levels), levels)


def level_means(
    pools: Pools, pulled: Float[np.ndarray, "m levels"], levels: Sequence[int]
) -> dict[int, tuple[Mean, float]]:
    """Return `shares_by_hardness` from what `pulled_by_hardness` says of all pools."""
    known = ~np.isnan(pools.hardness).all(axis=1)
    hardness = pools.hardness[known]
    counts = (~np.isnan(hardness)).sum(axis=1)
    return {
        level: (mean_of(pulled[known, place]), float(((hardness == level).sum(axis=1) / counts).mean()))
        for place, level in enumerate(levels)
    }


def pulled_by_hardness(
    pools: Pools, share: Float[np.ndarray, "m n"], levels: Sequence[int]
) -> Float[np.ndarray, "m levels"]:
    """Sum for each query the shares of its negatives of each true hardness."""
    sums = [np.where(pools.hardness == level, share, 0).sum(axis=1) for level in levels]
    return np.stack(sums, axis=1) if sums else np.empty((len(pools), 0))


def true_false_negatives(pools: Pools) -> Int[np.ndarray, " m"]:
    """Say how many candidates of each pool count as wrong but agree with the positive in all that was asked."""
    return (pools.hardness == 0).sum(axis=1)


def reach_right(pools: Pools, ratio: float = SUSPECT) -> Bool[np.ndarray, "m n"]:
    """Tell which negatives reach `ratio` of the positive's similarity (NV-Retriever's rule, arXiv 2407.15831).

    A suspicion by the model itself; where the truth is known, a negative of hardness 1 or more is none.
    """
    own = pools.similarity[pools.positive][:, None]
    return pools.wrong & (pools.similarity >= ratio * own) & (own > 0) & ~(pools.hardness >= 1)
