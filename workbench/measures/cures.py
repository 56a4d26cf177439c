"""What could be changed in stored vectors without training, and what it does to the first answer of each query.

centred(q, c)    cos(q - mean of its side, c - mean of its side)       closes the gap between queries and candidates
csls(q, c)       cos(q, c) - r(c) / 2                                  takes from hubs what they have of every query
prefix, int8     cosines of the first d numbers; of numbers rounded to 8 bits

Each returns the similarities of the pools (m queries, n candidates, 0 for padding); `hits` says what they answer. A
side is the queries, or the candidates, of one modality. r(c) is the mean cosine of a candidate to its k nearest
queries (CSLS, Conneau et al. 2018, arXiv 1710.04087; r of the query moves all of its candidates alike and is left out).
"""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from jaxtyping import Bool, Float, Int

from core.evaluation.ranking import placements
from workbench.bundles.bundle import Bundle
from workbench.measures.hardness import Pools, sample_rows
from workbench.measures.modality_gap import unit
from workbench.measures.pool_products import pool_products

NEIGHBOURS = 10
MOST_PAIRS = 2**26
"""Of queries and candidates of a data set that r(c) is taken from; an even sample of the queries where there are more.
"""
ROWS_AT_ONCE = 2**14
NOISE = 1e-6
"""What is left of a unit vector and is shorter than this is rounding, and no direction."""
Similarity = Float[np.ndarray, "m n"]
Rows = Int[np.ndarray, " _"]
Vectors = Float[np.ndarray, "_ d"]


def hits(similarity: Similarity, pools: Pools) -> Float[np.ndarray, " m"]:
    """Return of each query the chance, in [0, 1], that its first answer is right; ties count by their expectation.

    Raises:
        ValueError: a similarity is not finite.
    """
    held = pools.candidates >= 0
    sizes = held.sum(axis=1)
    ranked = placements(similarity[held], ~pools.wrong[held], sizes.tolist()) if len(pools) else []
    return np.array([each.hit(1) for each in ranked])


def without(pools: Pools, left_out: Bool[np.ndarray, "m n"]) -> Pools:
    """Return the pools without some of their wrong candidates; a right one stays.

    What is left out becomes padding in its place.
    """
    gone = left_out & pools.wrong
    return replace(
        pools,
        candidates=np.where(gone, -1, pools.candidates),
        wrong=pools.wrong & ~gone,
        hardness=np.where(gone, np.nan, pools.hardness),
    )


def centred(bundle: Bundle, pools: Pools, share: float = 1.0) -> Similarity:
    """Return cosines once every side is moved by a share, 0 to 1, of its mean to the origin, and made unit vectors.

    The means are those of the pools' distinct queries and distinct candidates, by modality. Zero vectors stay zero.
    """
    codes = bundle.items["modality"].cat.codes.to_numpy()
    queries = queries_of(bundle, pools)
    sides = [(share * means(bundle, each)).astype(np.float32) for each in (np.unique(queries), candidates_of(pools))]

    def moved(rows: Rows, centres: Float[np.ndarray, "modalities d"]) -> Vectors:
        vectors = bundle.vectors[rows]
        return directions(vectors, vectors - centres[codes[rows]])

    return products(bundle, pools, moved(queries, sides[0]), lambda rows: moved(rows, sides[1]))


def gap_closed(bundle: Bundle, pools: Pools, share: float = 1.0) -> Similarity:
    """Return cosines once queries and candidates are moved towards each other by half of a share of their gap each.

    Unlike centring it leaves what both sides have in common, and takes all modalities of a side for one.
    """
    queries = queries_of(bundle, pools)
    gap = mean(bundle, np.unique(queries)) - mean(bundle, candidates_of(pools))
    half = (share / 2 * gap).astype(np.float32)
    asked = bundle.vectors[queries]
    return products(
        bundle,
        pools,
        directions(asked, asked - half),
        lambda rows: directions(bundle.vectors[rows], bundle.vectors[rows] + half),
    )


def csls(bundle: Bundle, pools: Pools, neighbours: int = NEIGHBOURS, share: float = 1.0) -> Similarity:
    """Return cos(q, c) - share r(c) / 2, with r(c) over the queries of the same data set among the pools.

    neighbours: k of r(c), at most as many as there are queries. share: 0 leaves the cosines, 1 is CSLS. The queries
    that are ranked are those that r(c) is taken from, as in the paper; a search would take earlier queries.

    Raises:
        ValueError: neighbours is below 1.
    """
    if neighbours < 1:
        raise ValueError(f"neighbours = {neighbours} is below 1.")
    out = pools.similarity.copy()
    queries = queries_of(bundle, pools)
    datasets = bundle.rankings["dataset"].cat.codes.to_numpy()[pools.rankings]
    for code in np.unique(datasets):
        here = np.flatnonzero(datasets == code)
        items = candidates_of(pools.pick(here))
        asked = np.unique(queries[here])
        asked = asked[sample_rows(len(asked), max(neighbours, MOST_PAIRS // max(1, len(items))))]
        crowded = np.append(crowding(bundle, asked, items, neighbours), 0.0)
        listed = pools.candidates[here]
        out[here] -= share / 2 * crowded[np.where(listed >= 0, np.searchsorted(items, listed), len(items))]
    return out


def crowding(bundle: Bundle, queries: Rows, items: Rows, neighbours: int = NEIGHBOURS) -> Float[np.ndarray, " _"]:
    """Return r of some items: the mean cosine to the nearest of some queries, so many of them (all if there are less).

    It is high for hubs, which are near to every query, and low for what few queries are near to.
    """
    asked = bundle.vectors[queries]
    k = min(neighbours, len(queries))
    out = np.zeros(len(items))
    at_once = max(1, min(ROWS_AT_ONCE, MOST_PAIRS // 2**4 // max(1, len(queries))))
    for start in range(0, len(items), at_once):
        cosines = bundle.vectors[items[start : start + at_once]] @ asked.T
        out[start : start + at_once] = np.partition(cosines, -k, axis=1)[:, -k:].mean(axis=1, dtype=np.float64)
    return out


def prefix(bundle: Bundle, pools: Pools, numbers: int) -> Similarity:
    """Return cosines of the first so many numbers of each vector, as a Matryoshka model is cut.

    Raises:
        ValueError: numbers is outside 1 to the vectors' own.
    """
    whole = bundle.vectors.shape[1]
    if not 1 <= numbers <= whole:
        raise ValueError(f"numbers = {numbers} is outside 1 to {whole}, the numbers of a vector.")

    def cut(rows: Rows) -> Vectors:
        return unit(bundle.vectors[rows, :numbers])

    return products(bundle, pools, cut(queries_of(bundle, pools)), cut)


def int8(bundle: Bundle, pools: Pools) -> Similarity:
    """Return cosines of vectors kept in 8 bits a number: 127 x / max|x|, rounded, each vector by its own largest."""

    def rounded(rows: Rows) -> Vectors:
        vectors = bundle.vectors[rows]
        largest = np.abs(vectors).max(axis=1, keepdims=True)
        return unit(np.rint(vectors * (127 / np.where(largest > 0, largest, 1))))

    return products(bundle, pools, rounded(queries_of(bundle, pools)), rounded)


def products(bundle: Bundle, pools: Pools, queries: Vectors, candidates: Callable[[Rows], Vectors]) -> Similarity:
    """Multiply a vector of each query with those of its candidates; 0 for padding. See `pool_products`."""
    datasets = bundle.rankings["dataset"].cat.codes.to_numpy()[pools.rankings]
    return pool_products(pools.candidates, datasets, queries, candidates)


def directions(vectors: Vectors, shifted: Vectors) -> Vectors:
    """Return shifted vectors as unit vectors; zero where the vector was zero, or only rounding is left of it."""
    left = np.linalg.norm(shifted, axis=1, keepdims=True) > NOISE
    return unit(np.where(left & vectors.any(axis=1, keepdims=True), shifted, 0.0))


def queries_of(bundle: Bundle, pools: Pools) -> Rows:
    """Return the items that the pools' queries are."""
    return bundle.rankings["query"].to_numpy()[pools.rankings]


def candidates_of(pools: Pools) -> Rows:
    """Return everybody who is offered in some pools, each once, in ascending order."""
    return np.unique(pools.candidates[pools.candidates >= 0])


def mean(bundle: Bundle, rows: Rows) -> Float[np.ndarray, " d"]:
    """Return the mean vector of some items."""
    return sum_of(bundle, rows) / max(1, len(rows))


def means(bundle: Bundle, rows: Rows) -> Float[np.ndarray, "modalities d"]:
    """Return the mean vector of some items by modality, in the order of the categories; zero for one without items."""
    codes = bundle.items["modality"].cat.codes.to_numpy()[rows]
    return np.stack([mean(bundle, rows[codes == code]) for code in range(len(bundle.items["modality"].cat.categories))])


def sum_of(bundle: Bundle, rows: Rows) -> Float[np.ndarray, " d"]:
    """Return the sum of some items' vectors, read from disk by blocks."""
    total = np.zeros(bundle.vectors.shape[1])
    for start in range(0, len(rows), ROWS_AT_ONCE):
        total += bundle.vectors[rows[start : start + ROWS_AT_ONCE]].sum(axis=0, dtype=np.float64)
    return total
