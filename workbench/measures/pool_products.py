"""Products of queries with their candidates, as few and large as can be: pools of a data set have items in common."""

from collections.abc import Callable, Iterator

import numpy as np
from jaxtyping import Float, Int

from core.evaluation.scoring import DENSE

Rows = Int[np.ndarray, " _"]
Vectors = Float[np.ndarray, "_ d"]


def pool_products(
    listed: Int[np.ndarray, "m n"],
    groups: Int[np.ndarray, " m"],
    queries: Vectors,
    candidates: Callable[[Rows], Vectors],
) -> Float[np.ndarray, "m n"]:
    """Return the product of a vector of each query with those of its candidates; 0 for padding.

    listed: rows of items, -1 for padding. groups: of each query a number; those of a group are multiplied with all of
    the group's candidates at once, unless most of the products would be thrown away. queries: a row a query.
    candidates: the vectors of some rows of the items, in ascending order.
    """
    out = np.zeros(listed.shape)
    for here, items in at_once(listed, groups):
        found = queries[here] @ candidates(items).T
        places = np.searchsorted(items, np.maximum(listed[here], items[0]))
        out[here] = np.where(listed[here] >= 0, np.take_along_axis(found, places, axis=1), 0.0)
    return out


def at_once(listed: Int[np.ndarray, "m n"], groups: Int[np.ndarray, " m"]) -> Iterator[tuple[Rows, Rows]]:
    """Return queries to be multiplied at once, with the union of their candidates: a group, or else each query."""
    for group in np.unique(groups):
        members = np.flatnonzero(groups == group)
        own = listed[members]
        items = np.unique(own[own >= 0])
        if len(items) * len(members) <= DENSE * int((own >= 0).sum()):
            if len(items):
                yield members, items
        else:
            for member in members:
                row = listed[member]
                yield np.array([member]), np.unique(row[row >= 0])
