"""The k most similar vectors of many: exact, in tiles, with ties told.

    a tile of queries x all n vectors --> (tile, n) cosines --> the largest of every 64 columns
                                      --> the k best groups --> the k best of their members

Groups spare most of the work of choosing: the k largest of a row lie in the k groups with the largest maxima, and
maxima are as cheap as reading.

Many queries on a CPU that multiplies bfloat16 in hardware: a first pass in bfloat16 (core.evaluation.bfloat16_search)
finds the few vectors that may be among the k, and only their products are computed in float32.
"""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from core.evaluation.bfloat16_search import QUERIES_AT_ONCE, candidates, first_pass_pays
from core.evaluation.ranking import TIE

GROUP = 64
COSINES_AT_ONCE = 2**26
"""Of a tile: 256 MB, unless SMALLEST_TILE takes more."""
SMALLEST_TILE, LARGEST_TILE = 32, 512
VECTORS_AT_ONCE = 2048
"""Of one matrix product on a CPU, so that the cosines are still in its cache when they are read."""


@dataclass(frozen=True)
class TopK:
    """The most similar rows of each query, most similar first; equal cosines in the order of their rows.

    tied: how many further rows are as similar as the last, within 1e-6: they might as well have been in its place.
    """

    rows: Int[Tensor, "queries k"]
    similarities: Float[Tensor, "queries k"]
    tied: Int[Tensor, " queries"]


def top_k(queries: Float[Tensor, "queries d"], vectors: Float[Tensor, "n d"], k: int) -> TopK:
    """The k vectors with the largest products with each query; all of them where there are fewer.

    Raises:
        ValueError: k is below 1, or there are no vectors.
    """
    if k < 1 or len(vectors) == 0:
        raise ValueError(f"top_k needs k >= 1 and at least one vector; k = {k}, {len(vectors)} vectors.")
    k = min(k, len(vectors))
    if first_pass_pays(queries, vectors, k):
        parts = queries.split(QUERIES_AT_ONCE)
        return joined([in_two_passes(part, vectors, k) for part in parts], queries, k)
    return in_one_pass(queries, vectors, k)


def in_one_pass(queries: Float[Tensor, "queries d"], vectors: Float[Tensor, "n d"], k: int) -> TopK:
    """`top_k` from every product."""
    tile = min(max(SMALLEST_TILE, COSINES_AT_ONCE // len(vectors)), LARGEST_TILE, max(1, len(queries)))
    space = queries.new_empty((tile, len(vectors)))
    parts = [part for part in queries.split(tile) if len(part)]
    return joined([top_of(products(part, vectors, space[: len(part)]), k) for part in parts], queries, k)


def in_two_passes(queries: Float[Tensor, "queries d"], vectors: Float[Tensor, "n d"], k: int) -> TopK:
    """`top_k` from the products of the vectors that a first pass in bfloat16 does not exclude.

    Queries that it leaves with too many are searched in one pass.
    """
    found = candidates(queries, vectors, k, TIE)
    settled = found.counts > 0
    # Lines of the candidates of each query, filled up with -inf.
    most = max(k, int(found.counts.max()))
    held = queries.new_full((len(queries), most), float("-inf"))
    members = torch.zeros_like(held, dtype=torch.long)
    of_each = found.rows.split(found.counts.tolist())
    for place, rows in enumerate(of_each):
        if len(rows):
            # Not by torch.mv, of which equal vectors may differ in the last bit.
            held[place, : len(rows)] = vectors.index_select(0, rows).mul_(queries[place]).sum(dim=1)
            members[place, : len(rows)] = rows
    values, places = held.topk(k, dim=1)
    result = TopK(*in_order(members.gather(1, places), values), beyond(held, values))
    if not settled.all():
        rest = in_one_pass(queries[~settled], vectors, k)
        result.rows[~settled], result.similarities[~settled] = rest.rows, rest.similarities
        result.tied[~settled] = rest.tied
    return result


def joined(parts: list[TopK], queries: Float[Tensor, "queries d"], k: int) -> TopK:
    """The answers of parts of the queries, one after another."""
    if not parts:
        empty = queries.new_empty((0, k))
        return TopK(empty.long(), empty, empty.new_empty(0).long())
    return TopK(
        torch.cat([part.rows for part in parts]),
        torch.cat([part.similarities for part in parts]),
        torch.cat([part.tied for part in parts]),
    )


def products(
    queries: Float[Tensor, "queries d"], vectors: Float[Tensor, "n d"], space: Float[Tensor, "queries n"]
) -> Float[Tensor, "queries n"]:
    """The products of every query with every vector, written into `space`.

    On CPUs by numpy: its OpenBLAS is up to 1.6 times as fast as torch's MKL on AMD's.
    """
    if queries.device.type != "cpu":
        return torch.matmul(queries, vectors.T, out=space)
    rows, columns, out = queries.numpy(), vectors.numpy(), space.numpy()
    if len(rows) == 1:
        np.matmul(columns, rows[0], out=out[0])
        return space
    for start in range(0, len(columns), VECTORS_AT_ONCE):
        part = slice(start, start + VECTORS_AT_ONCE)
        np.matmul(rows, columns[part].T, out=out[:, part])
    return space


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
    """How many of a line's cosines tie with the smallest chosen one without being chosen."""
    return (cosines >= values[:, -1:] - TIE).sum(dim=1) - values.shape[1]


def in_order(
    rows: Int[Tensor, "queries k"], values: Float[Tensor, "queries k"]
) -> tuple[Int[Tensor, "queries k"], Float[Tensor, "queries k"]]:
    """Largest first, equal ones by row."""
    by_row = rows.argsort(dim=1)
    rows, values = rows.gather(1, by_row), values.gather(1, by_row)
    order = values.argsort(dim=1, descending=True, stable=True)
    return rows.gather(1, order), values.gather(1, order)
