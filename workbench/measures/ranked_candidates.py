"""One query's candidates in the order that the model ranks them, the many in between folded together."""

from dataclasses import dataclass

import numpy as np

from workbench.bundles.bundle import Bundle, Negative
from workbench.measures.hardness import pools_of


@dataclass(frozen=True)
class RankedCandidate:
    """A candidate at its place, 1 for the most similar; negative: what is known of it as a wrong one, None if right."""

    place: int
    item: int
    similarity: float
    negative: Negative | None


@dataclass(frozen=True)
class Folded:
    """Candidates of neighbouring places that are not shown one by one; right: how many of them are right."""

    first: int
    last: int
    highest: float
    lowest: float
    right: int


def ranked_candidates(bundle: Bundle, number: int, shown: int = 12) -> list[RankedCandidate | Folded]:
    """Return the first candidates of a row of the rankings, its best right answer at its place, and folds between.

    Of equally similar candidates the wrong ones come first, then those that come first in the pool.
    """
    pool = pools_of(bundle, [number])
    order = np.lexsort((pool.positive[0], ~pool.wrong[0], -pool.similarity[0]))
    listed = {*range(min(shown, len(order))), int(np.flatnonzero(pool.positive[0][order])[0])}
    stored = {negative.item: negative for negative in bundle.hardest(number)}
    found: list[RankedCandidate | Folded] = []
    start = 0
    for stop in sorted({*listed, len(order)}):
        if stop > start:
            values = pool.similarity[0][order[start:stop]]
            right = int((~pool.wrong[0][order[start:stop]]).sum())
            found.append(Folded(start + 1, stop, float(values[0]), float(values[-1]), right))
        if stop < len(order):
            column = int(order[stop])
            item, similarity = int(pool.candidates[0, column]), float(pool.similarity[0, column])
            truth = pool.hardness[0, column]
            own = float(pool.similarity[0][pool.positive[0]][0])
            unknown = Negative(
                stop + 1, item, similarity, None, None, None, None if np.isnan(truth) else int(truth), similarity > own
            )
            negative = stored.get(item, unknown) if pool.wrong[0, column] else None
            found.append(RankedCandidate(stop + 1, item, similarity, negative))
        start = stop + 1
    return found
