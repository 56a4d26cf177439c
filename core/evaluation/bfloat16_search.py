"""A first pass of exact search in bfloat16: which vectors may be among the k most similar in float32.

    a block of vectors, rounded x all queries, rounded --> their products --> the largest of every 64 vectors
    the k largest of these, less the error bound --> what no result can fall below --> the vectors that may reach it

The bound. Let q', v' be q, v rounded to bfloat16, s = <q, v>, and o the computed bfloat16 product of q' and v'. Then

    |s - <q', v'>| = |<q - q', v> + <q', v - v'>| <= |q - q'| |v| + |q'| |v - v'|       (Cauchy-Schwarz)
    |v - v'| <= 2^-8 |v|                                   (8 significant bits, rounded to nearest; componentwise)
    |accumulated - <q', v'>| <= d 2^-22 |q'| |v'|, |v'| <= (1 + 2^-8) |v|
    |o - accumulated| <= 2^-8 |o|                                                      (rounding of the output)

Products of bfloat16 are exact in float32, and d sums of it, in any order, err by at most d 2^-24 / (1 - d 2^-24) of
the sum of the absolute products; 2^-22 instead of 2^-24 allows for hardware that does not round to nearest. A float32
product f of q and v, in any order, errs likewise by d 2^-22 |q| |v| at most. With M the largest |v|, therefore

    |f - o| <= error + 2^-8 |o|,  error = M (|q - q'| + 2^-8 |q'| + d 2^-22 (1 + 2^-8) |q'| + d 2^-22 |q|),

times 1.01 for the rounding of the bound's own computation. Where T > 0 is the k-th largest o, k vectors have
f >= low = (1 - 2^-8) T - error, and so does the k-th largest f; whatever is within a tie of it has
(1 + 2^-8) o >= low - tie - error. Queries with a bound of zero or less, with vectors whose norms leave the range in
which nothing over- or underflows, or with many candidates, are left to others.
"""

from dataclasses import dataclass
from functools import cache

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

GROUP = 64
ROUNDING = 2.0**-8
ACCUMULATION = 2.0**-22
SLACK = 1.01
SMALLEST_NORM, LARGEST_NORM = 2.0**-30, 2.0**30
"""Between them neither products nor flushed subnormal numbers matter to the bound."""
QUERIES_AT_ONCE = 1024
VECTORS_AT_ONCE = 2**17
"""With QUERIES_AT_ONCE, 256 MB of products."""
BLOCK, CONVERTED_AT_ONCE = 2048, 512
"""Vectors of one product, and of one conversion: what caches hold."""
LEAST_QUERIES, LEAST_DIMENSIONS, LEAST_VECTORS = 32, 128, 8192
"""Below, rounding the vectors costs more than their products in float32."""
MOST_CANDIDATES = 1 / 128
"""Of the vectors: with more for a query, computing its every product in float32 is as fast."""


@dataclass(frozen=True)
class Candidates:
    """The rows that may be among the k most similar or tie with them, query after query, ascending.

    counts: how many of the rows belong to each query; 0 for a query that this pass could not decide.
    """

    rows: Int[Tensor, " candidates"]
    counts: Int[Tensor, " queries"]


@cache
def has_fast_bfloat16() -> bool:
    """Whether this machine's CPU multiplies bfloat16 in hardware and torch makes use of it."""
    able = torch.cpu.get_capabilities()
    return torch.backends.mkldnn.is_available() and bool(able.get("avx512_bf16") or able.get("amx_bf16"))


def first_pass_pays(queries: Float[Tensor, "queries d"], vectors: Float[Tensor, "n d"], k: int) -> bool:
    """Whether `candidates` applies (float32, on a CPU, few asked for of many) and saves time."""
    return (
        queries.device.type == vectors.device.type == "cpu"
        and queries.dtype == vectors.dtype == torch.float32
        and len(queries) >= LEAST_QUERIES
        and vectors.shape[1] >= LEAST_DIMENSIONS
        and len(vectors) >= LEAST_VECTORS
        and 4 * k <= min(len(vectors), VECTORS_AT_ONCE) * MOST_CANDIDATES
        and has_fast_bfloat16()
    )


def candidates(queries: Float[Tensor, "queries d"], vectors: Float[Tensor, "n d"], k: int, tie: float) -> Candidates:
    """The vectors whose float32 products may be among the k largest of a query, or within `tie` of the k-th."""
    rounded = queries.bfloat16()
    unit = error_of_unit_vectors(queries, rounded)
    norms = torch.linalg.vector_norm(queries, dim=1)
    settled = (norms >= SMALLEST_NORM) & (norms <= LARGEST_NORM)
    most = int(len(vectors) * MOST_CANDIDATES)
    least = queries.new_empty((0, len(queries)))
    space = rounded.new_empty((-(-min(VECTORS_AT_ONCE, len(vectors)) // GROUP) * GROUP, len(queries)))
    rows, of_query = [], []
    for start in range(0, len(vectors), VECTORS_AT_ONCE):
        part = vectors[start : start + VECTORS_AT_ONCE]
        products, largest_norm = rounded_products(rounded, part, space)
        settled &= largest_norm <= LARGEST_NORM
        maxima = products.view(torch.int16).unflatten(0, (-1, GROUP)).amax(dim=1)
        error = largest_norm.clamp(min=SMALLEST_NORM) * unit
        best = maxima.view(torch.bfloat16).float()
        best = best.topk(min(k, len(best)), dim=0).values
        least = torch.cat([least, (1 - ROUNDING) * best - error])
        least = least.topk(min(k, len(least)), dim=0).values
        cutoff = (least[-1] - tie - error) / (1 + ROUNDING)
        settled &= cutoff > 0
        found, queries_of = members_above(products, maxima, cutoff, settled, most)
        rows.append(found + start)
        of_query.append(queries_of)
    return by_query(torch.cat(rows), torch.cat(of_query), settled, most)


def error_of_unit_vectors(
    queries: Float[Tensor, "queries d"], rounded: Float[Tensor, "queries d"]
) -> Float[Tensor, " queries"]:
    """The error bound of the module's docstring for vectors of norm 1."""
    of_queries = torch.linalg.vector_norm(queries, dim=1)
    of_rounded = torch.linalg.vector_norm(rounded.float(), dim=1)
    residuals = torch.linalg.vector_norm(queries - rounded.float(), dim=1)
    accumulation = queries.shape[1] * ACCUMULATION * ((1 + ROUNDING) * of_rounded + of_queries)
    return SLACK * (residuals + ROUNDING * of_rounded + accumulation)


def rounded_products(
    rounded: Float[Tensor, "queries d"], vectors: Float[Tensor, "n d"], space: Float[Tensor, "_ queries"]
) -> tuple[Float[Tensor, "whole queries"], Float[Tensor, ""]]:
    """The bfloat16 products, written into `space`, filled up with -inf to whole groups; the vectors' largest norm."""
    whole = -(-len(vectors) // GROUP) * GROUP
    products = space[:whole]
    products[len(vectors) :] = float("-inf")
    converted = rounded.new_empty((min(BLOCK, len(vectors)), vectors.shape[1]))
    norms = []
    for start in range(0, len(vectors), BLOCK):
        block = vectors[start : start + BLOCK]
        for source, target in zip(block.split(CONVERTED_AT_ONCE), converted.split(CONVERTED_AT_ONCE), strict=False):
            target[: len(source)].copy_(source)
            norms.append(torch.linalg.vector_norm(source, dim=1).amax())
        torch.matmul(converted[: len(block)], rounded.T, out=products[start : start + len(block)])
    return products, torch.stack(norms).amax()


def members_above(
    products: Float[Tensor, "whole queries"],
    maxima: Int[Tensor, "groups queries"],
    cutoff: Float[Tensor, " queries"],
    settled: Bool[Tensor, " queries"],
    most: int,
) -> tuple[Int[Tensor, " found"], Int[Tensor, " found"]]:
    """Rows and queries of the products that reach their query's cutoff; a query with too many is unsettled in place.

    Positive bfloat16 numbers are ordered like their bits, and negative ones are negative integers: as integers they
    are compared faster. What reaches the cutoff also reaches it rounded to nearest, for it is a bfloat16 itself.
    """
    bits = cutoff.bfloat16().view(torch.int16)
    reached = (maxima >= bits) & settled
    settled &= reached.sum(dim=0) <= most
    group, query = (reached & settled).nonzero().unbind(1)
    held = products.view(torch.int16).unflatten(0, (-1, GROUP))[group, :, query]
    pair, member = (held >= bits[query][:, None]).nonzero().unbind(1)
    return group[pair] * GROUP + member, query[pair]


def by_query(
    rows: Int[Tensor, " found"], queries: Int[Tensor, " found"], settled: Bool[Tensor, " queries"], most: int
) -> Candidates:
    """The candidates of settled queries with no more than `most`, query after query."""
    settled = settled & (queries.bincount(minlength=len(settled)) <= most)
    kept = settled[queries]
    rows, queries = rows[kept], queries[kept]
    order = (queries * (rows.max() + 1 if len(rows) else 1) + rows).argsort()
    return Candidates(rows[order], queries.bincount(minlength=len(settled)))
