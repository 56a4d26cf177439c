"""What P@1 would be with fewer candidates: the same similarities, smaller pools.

With w wrong candidates, a of them above the right one and t tied with it, and k - 1 of them drawn at random:

    P@1(k) = sum over j of C(t, j) C(w - a - t, k - 1 - j) / C(w, k - 1) / (j + 1)

the chance that none of the a is drawn, and that the right one wins the tie with the j that are.
"""

from collections.abc import Sequence
from math import comb

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from core.evaluation.ranking import Placement, placement


def random_pool_precision(above: int, tied: int, wrong: int, size: int) -> float:
    """Return the expected P@1 of a query whose pool is its right answer and size - 1 of its wrong candidates at random.

    above, tied: of its `wrong` candidates, those more similar than the right answer and those as similar.

    Raises:
        ValueError: the pool is empty, or larger than there are candidates.
    """
    if not 1 <= size <= wrong + 1:
        raise ValueError(f"size = {size} is not in 1..{wrong + 1}, the right answer and its wrong candidates.")
    ways = sum(
        comb(tied, drawn) * comb(wrong - above - tied, size - 1 - drawn) / (drawn + 1)
        for drawn in range(min(tied, size - 1) + 1)
    )
    return ways / comb(wrong, size - 1)


def precision_by_pool(
    similarities: Float[Tensor, "queries pool"], right: Bool[Tensor, "queries pool"], sizes: Sequence[int]
) -> dict[str, list[float]]:
    """P@1 in [0, 1] at each pool size: with wrong candidates drawn at random, and with the first of the list.

    One candidate of each query is right. The miniature lists wrong candidates from those that truly differ least.

    Raises:
        ValueError: a query has several right answers or none, or a size does not fit.
    """
    if not bool((right.sum(dim=1) == 1).all()):
        raise ValueError("precision_by_pool takes queries with one right answer each.")
    own, wrong = similarities[right], similarities[~right].reshape(len(similarities), -1)
    places = [place_among(value, row).places[0] for value, row in zip(own, wrong, strict=True)]
    most = wrong.shape[1]
    drawn = [[random_pool_precision(each.above, each.tied, most, size) for each in places] for size in sizes]
    first = [
        [place_among(value, row[: size - 1]).hit(1) for value, row in zip(own, wrong, strict=True)] for size in sizes
    ]
    return {way: [float(np.mean(hits)) for hits in found] for way, found in (("random", drawn), ("hardest", first))}


def place_among(own: Float[Tensor, ""], wrong: Float[Tensor, " wrong"]) -> Placement:
    """Return the placement of a right answer among wrong candidates."""
    pool = torch.cat([own[None], wrong]).numpy()
    return placement(pool, np.arange(len(pool)) == 0)
