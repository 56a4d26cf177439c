"""One number a query, and its mean by data set with its interval.

P@1                  share of queries whose first answer is right; ties by expectation
margin               s+ - max s-: similarity of the best right answer minus that of the most similar negative
AUROC (all, hard)    within a query: share of its negatives, or of its 5 hardest, that its best right answer beats;
                     ties count half. The mean over queries is not the AUROC of all pairs pooled: that one also compares
                     a right answer with the negatives of other queries, which no ranking ever does.

All but AUROC over all negatives in bundles that did not store it comes from stored numbers, exactly, for every query.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from statistics import NormalDist
from typing import Literal

import numpy as np
from jaxtyping import Float, Int

from core.evaluation.bundle_rankings import EXTREME
from workbench.bundles.bundle import Bundle
from workbench.measures.hardness import Mean, Pools, mean_of
from workbench.measures.overlap import auroc, auroc_interval

BOOTSTRAPPED = 5000
Quantity = Literal["P@1", "auroc_hard", "auroc_all", "margin"]
Rows = Int[np.ndarray, " queries"]
Values = Float[np.ndarray, " queries"]


@dataclass(frozen=True)
class HardPairs:
    """The best right answer and the 5 hardest negatives of some queries, as similarities.

    positive: one a query. negative: of all queries behind one another; owner: the place of the query of each.
    """

    positive: Values
    negative: Float[np.ndarray, " negatives"]
    owner: Int[np.ndarray, " negatives"]


def hard_pairs(bundle: Bundle, numbers: Rows) -> HardPairs:
    """Return the similarities of some rows of the rankings; those without a negative have none."""
    place = np.full(len(bundle.rankings), -1)
    place[numbers] = np.arange(len(numbers))
    table = bundle.negatives
    owner = place[table["ranking"].to_numpy()]
    kept = (owner >= 0) & (table["place"].to_numpy() <= EXTREME)
    owner, negative = owner[kept], table["similarity"].to_numpy(dtype=np.float64)[kept]
    order = np.argsort(owner, kind="stable")
    return HardPairs(bundle.rankings["similarity"].to_numpy()[numbers], negative[order], owner[order])


def within_auroc(pairs: HardPairs) -> Values:
    """Return of each query the share of its hardest negatives below its right answer, ties half; NaN without any."""
    own = pairs.positive[pairs.owner]
    won = (own > pairs.negative) + (own == pairs.negative) / 2
    counts = np.bincount(pairs.owner, minlength=len(pairs.positive))
    total = np.bincount(pairs.owner, won, len(pairs.positive))
    return np.where(counts > 0, total / np.maximum(counts, 1), np.nan)


def pooled_auroc(pairs: HardPairs) -> Mean:
    """Return the AUROC of all pairs pooled, over the queries that have a negative, with the interval over queries."""
    counts = np.bincount(pairs.owner, minlength=len(pairs.positive))
    asked = counts > 0
    if not asked.any():
        return mean_of(np.empty(0))
    positives = list(pairs.positive[asked][:, None])
    negatives = np.split(pairs.negative, np.cumsum(counts[asked])[:-1])
    low, high = auroc_interval(positives, negatives)
    return Mean(auroc(pairs.positive[asked], pairs.negative), low, high, len(positives))


def auroc_in_pools(pools: Pools) -> Float[np.ndarray, " m"]:
    """Return of each pool the share of its negatives below its right answer, ties half; NaN where nothing is wrong."""
    own = pools.similarity[pools.positive][:, None]
    won = np.where(pools.wrong, (own > pools.similarity) + (own == pools.similarity) / 2, 0.0).sum(axis=1)
    counts = pools.wrong.sum(axis=1)
    return np.where(counts > 0, won / np.maximum(counts, 1), np.nan)


def stores_auroc(bundle: Bundle) -> bool:
    """Tell whether a bundle stores the AUROC within each query; older ones do not."""
    return bool(bundle.rankings["auroc"].notna().any())


def values_of(bundle: Bundle, numbers: Rows, quantity: Quantity) -> Values:
    """Return one number a query; NaN where a query has none, such as a margin without a negative."""
    if quantity == "auroc_hard":
        return within_auroc(hard_pairs(bundle, numbers))
    column = {"P@1": "hit", "auroc_all": "auroc", "margin": "margin"}[quantity]
    return bundle.rankings[column].to_numpy(dtype=np.float64)[numbers]


def mean_over(values: Values) -> Mean:
    """Return the mean of the values that are known with its 95 % interval: the bootstrap's, of many the normal one.

    Beyond 5000 values both agree, and the bootstrap would draw millions (36,000 values: 0.9 s).
    """
    known = values[~np.isnan(values)]
    if len(known) <= BOOTSTRAPPED:
        return mean_of(known)
    middle, half = float(known.mean()), NormalDist().inv_cdf(0.975) * float(known.std(ddof=1)) / len(known) ** 0.5
    return Mean(middle, middle - half, middle + half, len(known))


def by_dataset(bundle: Bundle, numbers: Rows, values: Values) -> Mapping[str, Mean]:
    """Return the mean over the queries of each data set that has a value, with its 95 % bootstrap interval."""
    codes = bundle.rankings["dataset"].cat.codes.to_numpy()[numbers]
    means = {name: mean_over(values[codes == code]) for code, name in enumerate(bundle.datasets)}
    return {name: mean for name, mean in means.items() if mean.n}


def pooled_by_dataset(bundle: Bundle, numbers: Rows) -> Mapping[str, Mean]:
    """Return the pooled AUROC against the 5 hardest negatives of each data set that has any."""
    codes = bundle.rankings["dataset"].cat.codes.to_numpy()[numbers]
    found = {
        name: pooled_auroc(hard_pairs(bundle, numbers[codes == code])) for code, name in enumerate(bundle.datasets)
    }
    return {name: mean for name, mean in found.items() if mean.n}
