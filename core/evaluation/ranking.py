"""Where the right answer ranks, when ties are broken at random.

Published MMEB harnesses put the right answer first and take the first of equal scores, so a model whose vectors are
all alike scores 100 % (papers.md 3.3). Here a tie counts by its expectation, which gives such a model chance.
"""

from dataclasses import dataclass
from math import comb

import numpy as np
from jaxtyping import Bool, Float

TIE = 1e-6
"""Cosines closer than this are tied: float32 products of equal vectors differ by about 1e-7."""


@dataclass(frozen=True)
class Placement:
    """The rank of the best right answer, as a distribution over its possible values.

    first: the best possible rank, from 1. chances: chances[u] is the probability of rank first + u; they sum to 1.
    """

    first: int
    chances: Float[np.ndarray, " ties"]

    def hit(self, k: int) -> float:
        """The probability that a right answer is among the first k."""
        return float(self.chances[: max(0, k - self.first + 1)].sum())

    @property
    def rank(self) -> float:
        """The expected rank."""
        return float(self.chances @ np.arange(self.first, self.first + len(self.chances)))

    @property
    def reciprocal(self) -> float:
        """The expected reciprocal rank."""
        return float(self.chances @ (1 / np.arange(self.first, self.first + len(self.chances))))


def placement(similarities: Float[np.ndarray, " pool"], right: Bool[np.ndarray, " pool"]) -> Placement:
    """Where the best of the right candidates ranks among all.

    With r right and w wrong candidates tied at the best right similarity, P(first right at place u of the tie) =
    C(r + w - 1 - u, r - 1) / C(r + w, r).

    Raises:
        ValueError: a similarity is not finite, or nothing is right.
    """
    if not np.isfinite(similarities).all():
        raise ValueError("similarities are not finite; a model that gives them cannot be ranked.")
    if not right.any():
        raise ValueError("right marks no candidate.")
    best = similarities[right].max()
    above = int((similarities[~right] > best + TIE).sum())
    wrong = int((np.abs(similarities[~right] - best) <= TIE).sum())
    tied_right = int((similarities[right] >= best - TIE).sum())
    tied = wrong + tied_right
    chances = [comb(tied - 1 - u, tied_right - 1) / comb(tied, tied_right) for u in range(wrong + 1)]
    return Placement(above + 1, np.array(chances))
