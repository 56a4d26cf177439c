"""Hubness: a few items that are among the nearest of far too many queries, and others that nobody ever finds.

N_k(x)          how many queries have x among their k most similar         its mean is k x queries / items
skewness        E(N_k - mean)^3 / sd^3                                     0: symmetric; large: a few hubs
anti-hub rate   share of items with N_k = 0

Radovanovic et al. 2010 (JMLR 11). It grows with the intrinsic dimension, so compare with `of_random`.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from core.evaluation.ranking import TIE
from workbench.measures.geometry import isotropic

Counts = Float[np.ndarray, " n"]
NEIGHBOURS = 10
BYTES_AT_ONCE = 2**27
"""Of similarities that are held together, some copies of them included."""
COPIES = 4


@dataclass(frozen=True)
class Hubness:
    """N_k of every item, and what follows from it. largest: the largest N_k; queries: how many there were."""

    counts: Counts
    k: int
    queries: int
    skewness: float
    anti_hub_rate: float
    largest: float

    def hubs(self, most: int = 5) -> Int[np.ndarray, " _"]:
        """Return the items with the largest N_k, the largest first."""
        return np.argsort(-self.counts, kind="stable")[:most]


def hubness(queries: Float[np.ndarray, "m d"], items: Float[np.ndarray, "n d"], k: int = NEIGHBOURS) -> Hubness:
    """Return of the items, with the queries searching among them by cosine (unit vectors). k is at most n - 1."""
    k = max(1, min(k, len(items) - 1))
    counts = np.zeros(len(items))
    at_once = max(1, BYTES_AT_ONCE // max(1, COPIES * 8 * len(items)))
    for start in range(0, len(queries), at_once):
        counts += k_occurrence(queries[start : start + at_once] @ items.T, k)
    return Hubness(
        counts, k, len(queries), skewness(counts), float((counts == 0).mean()), float(counts.max(initial=0.0))
    )


def of_random(queries: int, items: int, dimensions: int, k: int = NEIGHBOURS, seed: int = 0) -> Hubness:
    """Say what random directions without any structure give: the baseline."""
    drawn = isotropic(queries + items, dimensions, seed)
    return hubness(drawn[:queries], drawn[queries:], k)


def k_occurrence(similarity: Float[np.ndarray, "m n"], k: int) -> Counts:
    """For each column how many rows have it among their k largest.

    Columns that tie for a row's last places share them, so that vectors which are all alike make no hubs.
    """
    last = np.partition(similarity, -k, axis=1)[:, -k, None]
    surely = similarity > last + TIE
    tied = np.abs(similarity - last) <= TIE
    left = k - surely.sum(axis=1, keepdims=True)
    chance = np.where(tied, left / np.maximum(tied.sum(axis=1, keepdims=True), 1), 0.0)
    return (surely + chance).sum(axis=0)


def skewness(counts: Counts) -> float:
    """Return the third standardised moment; 0 where all counts are equal, NaN where there are none."""
    if not len(counts):
        return float("nan")
    centred = counts - counts.mean()
    spread = np.sqrt(np.square(centred).mean())
    return float((centred**3).mean() / spread**3) if spread > 1e-9 else 0.0
