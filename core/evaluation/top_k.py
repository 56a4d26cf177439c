"""The k most similar vectors of many: exact, in tiles, with ties told.

    a tile of queries x all n vectors --> (tile, n) cosines --> the largest of every 64 columns
                                      --> the k best groups --> the k best of their members

Groups spare most of the work of choosing: the k largest of a row lie in the k groups with the largest maxima, and
maxima are as cheap as reading.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from core.evaluation.ranking import TIE

GROUP = 64
COSINES_AT_ONCE = 2**26
"""Of a tile: 256 MB, unless SMALLEST_TILE takes more."""
SMALLEST_TILE, LARGEST_TILE = 32, 512


@dataclass(frozen=True)
class TopK:
    """The most similar rows of each query, most similar first; equal cosines in the order of their rows.

    tied: how many further rows are as similar as the last, within 1e-6: they might as well have been in its place.
    """

    rows: Int[Tensor, "queries k"]
    similarities: Float[Tensor, "queries k"]
    tied: Int[Tensor, " queries"]


def top_k(queries: Float[Tensor, "queries d"], vectors: Float[Tensor, "n d"], k: int) -> TopK:
    """Return the k vectors with the largest products with each query; all of them where there are fewer.

    Raises:
        ValueError: k is below 1, or there are no vectors.
    """
    if k < 1 or len(vectors) == 0:
        raise ValueError(f"top_k needs k >= 1 and at least one vector; k = {k}, {len(vectors)} vectors.")
    k = min(k, len(vectors))
    tile = min(max(SMALLEST_TILE, COSINES_AT_ONCE // len(vectors)), LARGEST_TILE, max(1, len(queries)))
    space = queries.new_empty((tile, len(vectors)))
    parts = [part for part in queries.split(tile) if len(part)]
    found = [top_of(torch.matmul(part, vectors.T, out=space[: len(part)]), k) for part in parts]
    return joined(found, queries, k)


def joined(parts: list[TopK], queries: Float[Tensor, "queries d"], k: int) -> TopK:
    """Return the answers of parts of the queries, one after another."""
    if not parts:
        empty = queries.new_empty((0, k))
        return TopK(empty.long(), empty, empty.new_empty(0).long())
    return TopK(
        torch.cat([part.rows for part in parts]),
        torch.cat([part.similarities for part in parts]),
        torch.cat([part.tied for part in parts]),
    )


def top_of(cosines: Float[Tensor, "queries n"], k: int) -> TopK:
    """Rows, cosines and ties of the k largest of each line."""
    n = cosines.shape[1]
    whole = n // GROUP * GROUP
    if k * GROUP * 4 > n:
        values, rows = cosines.topk(k, dim=1)
        return TopK(*in_order(rows, values), beyond(cosines, values))
    maxima = cosines[:, :whole].unflatten(1, (-1, GROUP)).amax(dim=2)
    groups = maxima.topk(k, dim=1).indices
    members = (groups[:, :, None] * GROUP + torch.arange(GROUP, device=cosines.device)).flatten(1)
    rest = torch.arange(whole, n, device=cosines.device).expand(len(cosines), -1)
    members = torch.cat([members, rest], dim=1)
    held = cosines.gather(1, members)
    values, places = held.topk(k, dim=1)
    tied = beyond(held, values)
    # A further group may hold ties of the last one: then, and only then, the whole line is looked through.
    full = (maxima >= values[:, -1:] - TIE).sum(dim=1) > k
    if full.any():
        tied[full] = beyond(cosines[full], values[full])
    return TopK(*in_order(members.gather(1, places), values), tied)


def beyond(cosines: Float[Tensor, "queries _"], values: Float[Tensor, "queries k"]) -> Int[Tensor, " queries"]:
    """Say how many of a line's cosines tie with the smallest chosen one without being chosen."""
    return (cosines >= values[:, -1:] - TIE).sum(dim=1) - values.shape[1]


def in_order(
    rows: Int[Tensor, "queries k"], values: Float[Tensor, "queries k"]
) -> tuple[Int[Tensor, "queries k"], Float[Tensor, "queries k"]]:
    """Largest first, equal ones by row."""
    by_row = rows.argsort(dim=1)
    rows, values = rows.gather(1, by_row), values.gather(1, by_row)
    order = values.argsort(dim=1, descending=True, stable=True)
    return rows.gather(1, order), values.gather(1, order)
