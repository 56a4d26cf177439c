"""The candidates of rankings as rows of the embedded items.

A full MMEB evaluation names 36 million candidates, but only some hundred thousand different items. Objects are told
apart by identity first, and a content id is asked once an object; a list of candidates that many rankings share, or
that is spelled out again for each of them, becomes one `Pool`.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Int

from core.data.records import Item, Ranking


@dataclass(frozen=True)
class Pool:
    """Candidates as rows. listed: as the ranking lists them. distinct: each row once, in order of first use."""

    listed: Int[np.ndarray, " listed"]
    distinct: Int[np.ndarray, " pool"]

    def right(self, indices: Sequence[int]) -> Bool[np.ndarray, " pool"]:
        """Tell which of the distinct candidates are right, from indices into the listed ones."""
        rows = self.listed[list(indices)]
        return self.distinct == rows[0] if len(rows) == 1 else np.isin(self.distinct, rows)


class Pools:
    """Rows and pools of rankings; equal pools are one object. The rankings must outlive it."""

    def __init__(self, row: Mapping[str, int]) -> None:
        """`row` gives the row of each content id."""
        self._row = row
        self._by_identity: dict[int, int] = {}
        self._of_candidates: dict[int, Pool] = {}
        self._by_content: dict[bytes, Pool] = {}

    def row(self, item: Item) -> int:
        """Return the row of an item."""
        return int(self._rows((item,))[0])

    def of(self, ranking: Ranking) -> Pool:
        """Return the pool of a ranking."""
        found = self._of_candidates.get(id(ranking.candidates))
        if found is None:
            found = self._of_candidates[id(ranking.candidates)] = self._pool(self._rows(ranking.candidates))
        return found

    def _rows(self, items: tuple[Item, ...]) -> Int[np.ndarray, " items"]:
        try:
            return np.fromiter(map(self._by_identity.__getitem__, map(id, items)), np.int32, len(items))
        except KeyError:
            for item in items:
                if id(item) not in self._by_identity:
                    self._by_identity[id(item)] = self._row[item.content_id]
            return self._rows(items)

    def _pool(self, rows: Int[np.ndarray, " items"]) -> Pool:
        key = hashlib.sha256(rows.tobytes()).digest()
        if key not in self._by_content:
            first = np.sort(np.unique(rows, return_index=True)[1])
            self._by_content[key] = Pool(rows, rows if len(first) == len(rows) else rows[first])
        return self._by_content[key]
