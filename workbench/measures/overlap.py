"""How far the similarities of positives and negatives overlap.

AUROC = P(s+ > s-) + P(s+ = s-) / 2            1: all positives above all negatives; 0.5: no difference
OVL   = sum over bins of min(h+, h-)           h are shares of the pairs; 0: apart, 1: alike
d'    = (mean+ - mean-) / sqrt((var+ + var-) / 2)   distance of the means in standard deviations
"""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float

from core.evaluation.bundle_rankings import EXTREME

Samples = Float[np.ndarray, " n"]
BINS = 200


@dataclass(frozen=True)
class Overlap:
    """The measures of one pair of distributions, and how many similarities stand on each side.

    d_prime is NaN where both sides are constant. Any measure is NaN where a side is empty.
    """

    auroc: float
    overlap: float
    d_prime: float
    positives: int
    negatives: int


def of_samples(positive: Samples, negative: Samples, bins: int = BINS) -> Overlap:
    """Return the measures from similarities in [-1, 1]; AUROC and d' are exact, OVL is in bins of 2 / bins."""
    edges = np.linspace(-1, 1, bins + 1)
    counts = [np.histogram(np.clip(side, -1, 1), edges)[0] for side in (positive, negative)]
    return Overlap(
        auroc(positive, negative),
        overlapping_coefficient(*counts),
        d_prime(*(moments(side, np.ones(len(side))) for side in (positive, negative))),
        len(positive),
        len(negative),
    )


def of_counts(
    positive: Float[np.ndarray, " bins"], negative: Float[np.ndarray, " bins"], centres: Float[np.ndarray, " bins"]
) -> Overlap:
    """Return the measures from histograms over the same bins, as if every similarity lay at the centre of its bin."""
    return Overlap(
        auroc_of_counts(positive, negative),
        overlapping_coefficient(positive, negative),
        d_prime(moments(centres, positive), moments(centres, negative)),
        int(positive.sum()),
        int(negative.sum()),
    )


def auroc(positive: Samples, negative: Samples) -> float:
    """P(s+ > s-) + P(s+ = s-) / 2, by mid-ranks; NaN where a side is empty."""
    if not len(positive) or not len(negative):
        return float("nan")
    ranks = pd.Series(np.concatenate([positive, negative])).rank().to_numpy()[: len(positive)]
    return float((ranks.sum() / len(positive) - (len(positive) + 1) / 2) / len(negative))


def auroc_of_counts(positive: Float[np.ndarray, " bins"], negative: Float[np.ndarray, " bins"]) -> float:
    """AUROC from histograms over the same bins; pairs in one bin count as ties."""
    pairs = float(positive.sum()) * float(negative.sum())
    if pairs == 0:
        return float("nan")
    below = np.cumsum(negative) - negative
    return float((positive * (below + negative / 2)).sum() / pairs)


def overlapping_coefficient(positive: Float[np.ndarray, " bins"], negative: Float[np.ndarray, " bins"]) -> float:
    """Return the area that two histograms over the same bins share; NaN where one is empty."""
    if not positive.sum() or not negative.sum():
        return float("nan")
    return float(np.minimum(positive / positive.sum(), negative / negative.sum()).sum())


def moments(values: Samples, counts: Samples) -> tuple[float, float]:
    """Return mean and variance of values that occur so many times; NaN where there are none."""
    if not counts.sum():
        return float("nan"), float("nan")
    mean = float(np.average(values, weights=counts))
    return mean, float(np.average((values - mean) ** 2, weights=counts))


def d_prime(positive: tuple[float, float], negative: tuple[float, float]) -> float:
    """Return the distance of two means in units of the root mean variance; NaN where both are constant."""
    spread = np.sqrt((positive[1] + negative[1]) / 2)
    return float((positive[0] - negative[0]) / spread) if spread > 0 else float("nan")


def auroc_interval(
    positives: Sequence[Samples], negatives: Sequence[Samples], confidence: float = 0.95
) -> tuple[float, float]:
    """Return the interval of the pooled AUROC when queries, not pairs, are drawn: one entry of each list a query.

    DeLong's variance with the components of a query summed (Obuchowski 1997), on the logit scale so that it stays in
    [0, 1]. NaN with fewer than two queries or an empty side; a point at 0 or 1.
    """
    positive, negative = np.concatenate(positives), np.concatenate(negatives)
    area, queries = auroc(positive, negative), len(positives)
    if queries < 2 or np.isnan(area):
        return float("nan"), float("nan")
    if area in (0.0, 1.0):
        return area, area
    below, above = shares_below(positive, negative), 1 - shares_below(negative, positive)
    owners = [np.repeat(np.arange(queries), [len(each) for each in side]) for side in (positives, negatives)]
    pulls = np.bincount(owners[0], (below - area) / len(positive), queries)
    pulls += np.bincount(owners[1], (above - area) / len(negative), queries)
    deviation = np.sqrt((pulls**2).sum() * queries / (queries - 1))
    half = NormalDist().inv_cdf((1 + confidence) / 2) * deviation / (area * (1 - area))
    middle = np.log(area / (1 - area))
    return float(1 / (1 + np.exp(half - middle))), float(1 / (1 + np.exp(-half - middle)))


def shares_below(values: Samples, others: Samples) -> Samples:
    """For each value the share of the others that lie below it, ties counting half."""
    ordered = np.sort(others)
    below, through = np.searchsorted(ordered, values, "left"), np.searchsorted(ordered, values, "right")
    return (below + through) / 2 / len(others)


def by_kind(
    similarity: Float[np.ndarray, "m n"], positive: Bool[np.ndarray, "m n"], wrong: Bool[np.ndarray, "m n"]
) -> dict[str, list[Samples]]:
    """Return the similarities of pools by kind, one array a query: positive, hard, easy, all.

    hard and easy are the 5 most and least similar negatives, as in the bundle's histograms; all is every negative.
    """
    negatives = [np.sort(row[known]) for row, known in zip(similarity, wrong, strict=True)]
    return {
        "positive": [row[own] for row, own in zip(similarity, positive, strict=True)],
        "hard": [values[-EXTREME:] for values in negatives],
        "easy": [values[:EXTREME] for values in negatives],
        "all": negatives,
    }


def against_positives(
    similarity: Float[np.ndarray, "m n"], positive: Bool[np.ndarray, "m n"], wrong: Bool[np.ndarray, "m n"]
) -> dict[str, tuple[Overlap, tuple[float, float]]]:
    """For hard, easy and all negatives of some pools: their overlap with the positives, and AUROC's 95 % interval."""
    kinds = by_kind(similarity, positive, wrong)
    own = kinds.pop("positive")
    return {
        kind: (of_samples(np.concatenate(own), np.concatenate(values)), auroc_interval(own, values))
        for kind, values in kinds.items()
    }
