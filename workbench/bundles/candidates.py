"""The candidates of each query of a bundle; a pool that many queries share is stored once."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

Rows = Int[np.ndarray, " rows"]
Worth = Float[np.ndarray, " queries"]


@dataclass(frozen=True)
class Lists:
    """Lists of whole numbers behind one another: list i is values[starts[i] : starts[i + 1]]."""

    starts: Int[np.ndarray, " starts"]
    values: Int[np.ndarray, " values"]

    def __len__(self) -> int:
        return len(self.starts) - 1

    def __getitem__(self, number: int) -> Rows:
        if not 0 <= number < len(self):
            raise IndexError(f"list {number} of {len(self)}")
        return self.values[self.starts[number] : self.starts[number + 1]]

    @property
    def lengths(self) -> Int[np.ndarray, " lists"]:
        """How long each list is."""
        return np.diff(self.starts)

    @property
    def owners(self) -> Int[np.ndarray, " values"]:
        """Which list each of the values stands in."""
        return np.repeat(np.arange(len(self)), self.lengths)


def lists_of(rows: Iterable[Sequence[int] | np.ndarray]) -> Lists:
    """Put lists behind one another."""
    arrays = [np.asarray(each, dtype=np.int32) for each in rows]
    starts = np.cumsum([0, *(len(each) for each in arrays)])
    return Lists(starts, np.concatenate([np.empty(0, np.int32), *arrays]))


@dataclass(frozen=True)
class Candidates:
    """Who is offered to each query. Numbers are rows of a bundle's items.

    pool: of each query, the number of its pool. pools: the pools. left_out: of each query, who is in its pool and not
    offered to it, such as the query itself. right: of each query, its right answers.
    """

    pool: Int[np.ndarray, " queries"]
    pools: Lists
    left_out: Lists
    right: Lists

    def of(self, number: int) -> Rows:
        """Return the candidates of a query, in the order of its pool."""
        pool, absent = self.pools[int(self.pool[number])], self.left_out[number]
        return pool[~np.isin(pool, absent)] if len(absent) else pool

    @property
    def sizes(self) -> Int[np.ndarray, " queries"]:
        """How many candidates each query has."""
        return self.pools.lengths[self.pool] - self.left_out.lengths

    def union(self, numbers: Sequence[int] | np.ndarray, items: int) -> Rows:
        """Return everybody who is offered to one of some queries, in ascending order; `items`: how many there are."""
        return np.flatnonzero(self.offered(numbers, items) > 0.5)

    def offered(
        self, numbers: Sequence[int] | np.ndarray, items: int, worth: Worth | None = None
    ) -> Float[np.ndarray, " items"]:
        """Sum what some queries are worth, by default 1 each, over every item that they are offered.

        A pool is gone through once, and what single queries leave out is taken off again.
        """
        rows = np.asarray(numbers, dtype=np.int64)
        by_pool = np.bincount(self.pool[rows], worth, len(self.pools)).astype(float)
        total = np.bincount(self.pools.values, np.repeat(by_pool, self.pools.lengths), items)
        return total - self._listed(self.left_out, rows, items, worth)

    def offered_as_wrong(
        self, numbers: Sequence[int] | np.ndarray, items: int, worth: Worth | None = None
    ) -> Float[np.ndarray, " items"]:
        """`offered`, for the wrong candidates of each query alone."""
        rows = np.asarray(numbers, dtype=np.int64)
        return self.offered(rows, items, worth) - self._listed(self.right, rows, items, worth)

    def _listed(self, lists: Lists, rows: Rows, items: int, worth: Worth | None) -> Float[np.ndarray, " items"]:
        by_query = np.bincount(rows, worth, len(self.pool)).astype(float)
        return np.bincount(lists.values, by_query[lists.owners], items)
