"""What the number of negatives does: how hard the hardest of them is, over every pool that could have been drawn.

Exact, not sampled: a pool of k negatives is a draw without replacement from the M negatives that are at hand, and the
chance that the i-th smallest of the M is the largest of the k is C(i-1, k-1) / C(M, k).
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.special import gammaln

from core.data.records import Ranking, true_hardness


def differing_attributes(rankings: Sequence[Ranking]) -> Int[np.ndarray, "n n"]:
    """In how many asked attributes the right answer of ranking j differs from that of ranking i; 0: right for i too.

    Raises:
        ValueError: the truth of a pair is not known, as outside the miniature.
    """
    answers = [each.candidates[each.right[0]] for each in rankings]
    found = [[true_hardness(each.asks, own, other) for other in answers] for each, own in zip(rankings, answers)]  # noqa: B905
    if any(each is None for row in found for each in row):
        raise ValueError("differing_attributes needs rankings whose items say what they show, as the miniature's do.")
    return np.array(found, dtype=np.int64)


def expected_hardest(
    similarity: Float[np.ndarray, "m n"], negative: Bool[np.ndarray, "m n"], pool: int
) -> Float[np.ndarray, " m"]:
    """Return the mean, over all pools of so many of a row's negatives, of the largest similarity in the pool.

    Raises:
        ValueError: pool is below 1, or a row has fewer negatives.
    """
    check(negative, pool)
    out = np.empty(len(similarity))
    for row, (values, wrong) in enumerate(zip(similarity, negative, strict=True)):
        ascending = np.sort(values[wrong])
        rank = np.arange(pool, len(ascending) + 1)
        chance = np.exp(log_choose(rank - 1, pool - 1) - log_choose(len(ascending), pool))
        out[row] = chance @ ascending[pool - 1 :]
    return out


def chance_of_any(
    marked: Bool[np.ndarray, "m n"], negative: Bool[np.ndarray, "m n"], pool: int
) -> Float[np.ndarray, " m"]:
    """Return the chance that a pool of so many of a row's negatives holds a marked one: 1 - C(M - h, k) / C(M, k).

    Raises:
        ValueError: pool is below 1, or a row has fewer negatives.
    """
    check(negative, pool)
    count = negative.sum(axis=1)
    unmarked = count - (marked & negative).sum(axis=1)
    missing = np.exp(log_choose(np.maximum(unmarked, pool), pool) - log_choose(count, pool))
    return np.where(unmarked < pool, 1.0, 1.0 - missing)


def check(negative: Bool[np.ndarray, "m n"], pool: int) -> None:
    """Raise ValueError unless every row has at least `pool` >= 1 negatives."""
    fewest = int(negative.sum(axis=1).min())
    if not 1 <= pool <= fewest:
        raise ValueError(f"pool = {pool} is outside 1..{fewest}: a row has {fewest} negatives.")


def log_choose(n: int | np.ndarray, k: int | np.ndarray) -> np.ndarray:
    """log C(n, k)."""
    return gammaln(np.asarray(n) + 1.0) - gammaln(np.asarray(k) + 1.0) - gammaln(np.asarray(n) - k + 1.0)
