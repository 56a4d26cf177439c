"""What is known to be right for each query of a rank: whatever is known to be right is no negative.

Right for a query are the targets of every row that asks the same, on any rank; what the data says besides; and the
query's own item. A pair of query and candidate is left out of both directions: the candidate is no negative of the
query, and the query is none of the candidate.
"""

import torch
from jaxtyping import Bool, Int
from torch import Tensor


class KnownPositives:
    """The pairs that are no negatives, among this rank's rows and all columns; nothing is kept where no id repeats.

    The batch's ids become numbers 0 .. G-1, and what is known a sorted list of pairs (query, item) of them, which is as
    long as the batch. A mask is made for some rows at a time.
    """

    def __init__(
        self,
        columns: Int[Tensor, " columns"],
        held: Bool[Tensor, " columns"],
        targets: Int[Tensor, " total"] | slice,
        queries: Int[Tensor, " total"],
        own: slice,
        besides: Int[Tensor, "k 2"] | None = None,
    ) -> None:
        """Find this rank's rows that have something to leave out.

        Args:
            columns: the ids of all columns.
            held: which columns hold an item.
            targets: the columns that are the targets of all rows, in order.
            queries: the query ids of all rows.
            own: which of all rows are this rank's.
            besides: further pairs (query id, item id) that are known to be right.
        """
        self._left_out: Bool[Tensor, " n"] | None = None
        filled = columns[held]
        ids, numbers = torch.unique(torch.cat([filled, queries]), return_inverse=True)
        more = None if besides is None else numbers_of(besides.to(columns.device), ids)
        if len(ids) == len(numbers) and (more is None or not len(more)):
            return
        self._columns, query = torch.zeros_like(columns), numbers[len(filled) :]
        self._columns[held] = numbers[: len(filled)]
        self._own, self._size = query[own], len(ids)
        keys = [query * len(ids) + self._columns[targets], query * (len(ids) + 1)]
        keys += [] if more is None else [more[:, 0] * len(ids) + more[:, 1]]
        pairs = torch.unique(torch.cat(keys))
        self._query, self._item = pairs // len(ids), pairs % len(ids)
        columns_of_item = torch.bincount(numbers[: len(filled)], minlength=len(ids))
        known = torch.zeros_like(columns_of_item).index_add_(0, self._query, columns_of_item[self._item])
        self._left_out = known[self._own] > 1  # the row's own target is always one

    def rows(self, rows: slice) -> Int[Tensor, " some"] | None:
        """Return those of some of this rank's rows that have candidates to leave out; None where no row has."""
        found = None if self._left_out is None else self._left_out[rows].nonzero().flatten() + rows.start
        return found if found is not None and len(found) else None

    def mask(self, rows: Int[Tensor, " some"]) -> Bool[Tensor, "some columns"]:
        """Mark the candidates of some rows that are known to be right, their own targets among them."""
        first = torch.searchsorted(self._query, self._own[rows])
        counts = torch.searchsorted(self._query, self._own[rows], right=True) - first
        row = torch.repeat_interleave(torch.arange(len(rows), device=rows.device), counts)
        within = torch.arange(len(row), device=rows.device) - (counts.cumsum(0) - counts)[row]
        right = torch.zeros(len(rows), self._size, dtype=torch.bool, device=rows.device)
        right[row, self._item[first[row] + within]] = True
        return right[:, self._columns]


def numbers_of(pairs: Int[Tensor, "k 2"], ids: Int[Tensor, " ids"]) -> Int[Tensor, "found 2"]:
    """Return the places of both ids of each pair among sorted ids; pairs of which one is not there are left out."""
    places = torch.searchsorted(ids, pairs.contiguous()).clamp_max(len(ids) - 1)
    return places[(ids[places] == pairs).all(dim=1)]
