"""Where the right answers rank, when ties are broken at random.

Published MMEB harnesses put the right answer first and take the first of equal scores, so a model whose vectors are
all alike scores 100 % (papers.md 3.3). Here a tie counts by its expectation, which gives such a model chance.

    placement    one query: the plain statement of the rule
    placements   many queries at once, with the same result
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import log2

import numpy as np
from jaxtyping import Bool, Float

TIE = 1e-6
"""Cosines closer than this are tied: float32 products of equal vectors differ by about 1e-7."""


@dataclass(frozen=True)
class Place:
    """Where one right answer may stand: alike at each of the places above + 1 .. above + 1 + tied.

    above: candidates that are more similar. tied: other candidates as similar. right_above, right_tied: how many of
    these are right themselves.
    """

    above: int
    tied: int
    right_above: int = 0
    right_tied: int = 0

    def within(self, k: int) -> range:
        """Return those of its possible places that are among the first k, from 1."""
        return range(self.above + 1, min(k, self.above + 1 + self.tied) + 1)


@dataclass(frozen=True)
class Placement:
    """The rank of the best right answer, as a distribution over its possible values, and the place of every one.

    first: the best possible rank, from 1. chances: chances[u] is the probability of rank first + u; they sum to 1.
    """

    first: int
    chances: Float[np.ndarray, " ties"]
    places: tuple[Place, ...]

    def hit(self, k: int) -> float:
        """Return the probability that a right answer is among the first k."""
        return float(self.chances[: max(0, k - self.first + 1)].sum())

    @property
    def rank(self) -> float:
        """The expected rank."""
        return float(self.chances @ np.arange(self.first, self.first + len(self.chances)))

    @property
    def reciprocal(self) -> float:
        """The expected reciprocal rank."""
        return float(self.chances @ (1 / np.arange(self.first, self.first + len(self.chances))))

    def ndcg(self, k: int) -> float:
        """Compute the expected NDCG@k, a right answer gaining 1: sum of 1 / log2(place + 1) over the best sum."""
        gained = sum(sum(1 / log2(at + 1) for at in each.within(k)) / (each.tied + 1) for each in self.places)
        return gained / sum(1 / log2(at + 1) for at in range(1, min(k, len(self.places)) + 1))

    @property
    def average_precision(self) -> float:
        """The expected average precision: the mean over right answers of the share of right ones down to each."""
        return sum(expected_precision(each) for each in self.places) / len(self.places)


@lru_cache(maxsize=2**14)
def expected_precision(place: Place) -> float:
    """Return the expected share of right candidates among the first, down to and with a right one.

    u places into its tie, u / tied of the other right ones of the tie are expected before it.
    """
    into = np.arange(place.tied + 1)
    right = place.right_above + 1 + place.right_tied * into / max(place.tied, 1)
    return float(np.mean(right / (place.above + 1 + into)))


def placement(similarities: Float[np.ndarray, " pool"], right: Bool[np.ndarray, " pool"]) -> Placement:
    """Say where the right ones of a query's candidates rank among all.

    Raises:
        ValueError: a similarity is not finite, or nothing is right.
    """
    check(similarities, right.any())
    best = similarities[right].max()
    above = int((similarities[~right] > best + TIE).sum())
    wrong = int((np.abs(similarities[~right] - best) <= TIE).sum())
    tied_right = int((similarities[right] >= best - TIE).sum())
    return Placement(above + 1, tie_chances(wrong, tied_right), places(similarities, right))


def places(similarities: Float[np.ndarray, " pool"], right: Bool[np.ndarray, " pool"]) -> tuple[Place, ...]:
    """Return the place of every right candidate, in the order of the candidates."""
    found = []
    for own in similarities[right]:
        above, tied = similarities > own + TIE, np.abs(similarities - own) <= TIE
        found.append(
            Place(int(above.sum()), int(tied.sum()) - 1, int((above & right).sum()), int((tied & right).sum()) - 1)
        )
    return tuple(found)


@lru_cache(maxsize=2**14)
def tie_chances(wrong: int, right: int) -> Float[np.ndarray, " ties"]:
    """Say where the first of the right candidates of a tie stands among it.

    With r right and w wrong ones, P(first right at place u of the tie) = C(r + w - 1 - u, r - 1) / C(r + w, r), which
    is r / (r + w) at u = 0 and grows by (w - u) / (r + w - 1 - u) from u to u + 1.
    """
    before = np.arange(wrong)
    growth = (wrong - before) / (right + wrong - 1 - before)
    return right / (right + wrong) * np.cumprod(np.concatenate([[1.0], growth]))


@lru_cache(maxsize=2**14)
def alone(above: int, wrong: int) -> Placement:
    """Return the placement of a single right answer: wrong candidates above it, and tied with it."""
    return Placement(above + 1, tie_chances(wrong, 1), (Place(above, wrong),))


def placements(
    similarities: Float[np.ndarray, " pairs"], right: Bool[np.ndarray, " pairs"], pools: Sequence[int]
) -> list[Placement]:
    """Return the placement of many queries, whose candidates lie behind one another: pools[0] of the first, and so on.

    Raises:
        ValueError: a similarity is not finite, or nothing is right for some query.
    """
    sizes = np.asarray(pools)
    starts = np.cumsum(sizes) - sizes
    rights = np.add.reduceat(right, starts, dtype=np.int64)
    check(similarities, bool(rights.all()))
    best = np.maximum.reduceat(np.where(right, similarities, np.float32(-np.inf)), starts)
    gap = np.repeat(best, sizes)
    above = np.add.reduceat(~right & (similarities > gap + TIE), starts, dtype=np.int64)
    near = np.abs(similarities - gap) <= TIE
    wrong = np.add.reduceat(near & ~right, starts, dtype=np.int64)
    found = []
    for start, size, *counts in zip(*(each.tolist() for each in (starts, sizes, rights, above, wrong)), strict=True):
        if counts[0] == 1:
            found.append(alone(counts[1], counts[2]))
        else:
            found.append(placement(similarities[start : start + size], right[start : start + size]))
    return found


@lru_cache(maxsize=2**10)
def all_tied(right: int, wrong: int) -> Placement:
    """Return the placement when all candidates are alike: that of a model which tells nothing apart."""
    return Placement(1, tie_chances(wrong, right), (Place(0, right + wrong - 1, 0, right - 1),) * right)


def check(similarities: Float[np.ndarray, " pairs"], some_right: bool | np.bool_) -> None:
    """Raise ValueError unless all similarities are finite and every query has a right candidate."""
    if not np.isfinite(similarities).all():
        raise ValueError("similarities are not finite; a model that gives them cannot be ranked.")
    if not some_right:
        raise ValueError("right marks no candidate.")
