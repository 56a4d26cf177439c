"""Maps: vectors of many dimensions as points of a plane, and how far such a map can be trusted.

pca_layout    the two directions of largest variance: at once, and the same for everybody
umap_layout   neighbours are kept together, distances and sizes are not: slow, and it depends on the seed

trustworthiness  1: who is near on the map is near in truth                        a random map has about 0.5
continuity       1: who is near in truth is near on the map
kept             per point, the share of its true nearest that are its nearest on the map

    T(k) = 1 - 2 / (n k (2n - 3k - 1)) sum_i sum_{j in U_k(i)} (rank(i, j) - k)

U_k(i) are those among the k nearest of i on the map that are not so in truth, and rank is the true one (Venna and Kaski
2001). Continuity is the same with map and truth exchanged.
"""

import warnings
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from core.evaluation.projection import principal_directions

Points = Float[np.ndarray, "n 2"]
MOST = 20_000
"""A map shows at most so many items; of more, an even sample."""
MEASURED = 3000
"""Trustworthiness compares all pairs; beyond so many points it is that of an even sample of them."""
FEWEST = 15
"""UMAP needs more neighbours than fewer vectors have."""
NEIGHBOURS = 10
ROWS_AT_ONCE = 1024


@dataclass(frozen=True)
class Layout:
    """A map. rows: the vectors that it shows; points: where. made: how, in words. left_out: vectors without a place."""

    rows: Int[np.ndarray, " n"]
    points: Points
    made: str
    left_out: int = 0


@dataclass(frozen=True)
class Quality:
    """How far a map is to be trusted, at k neighbours over so many points; NaN where fewer than 4 are there.

    kept: one value a measured point, in [0, 1]. rows: the places of the measured points on the map.
    """

    trustworthiness: float
    continuity: float
    kept: Float[np.ndarray, " m"]
    rows: Int[np.ndarray, " m"]
    k: int


def even_sample(count: int, most: int) -> Int[np.ndarray, " m"]:
    """Evenly spaced row numbers of `count` rows: all where they fit, else exactly `most`."""
    return np.linspace(0, max(0, count - 1), min(count, most)).astype(int)


def shown_rows(vectors: Float[np.ndarray, "n d"], most: int = MOST) -> tuple[Int[np.ndarray, " m"], int]:
    """Return the rows that a map shows, and how many have no place because they are not finite."""
    finite = np.flatnonzero(np.isfinite(vectors).all(axis=1))
    return finite[even_sample(len(finite), most)], len(vectors) - len(finite)


def pca_layout(vectors: Float[np.ndarray, "n d"]) -> Layout:
    """Return the plane of the two principal components; `made` says how much of the variance it shows."""
    rows, left_out = shown_rows(vectors)
    shown = vectors[rows].astype(np.float32)
    points, share = np.zeros((len(shown), 2), dtype=np.float32), 0.0
    if len(shown):
        centred = shown - shown.mean(axis=0, dtype=np.float64).astype(np.float32)
        directions = principal_directions(shown, shown.mean(axis=0, dtype=np.float64).astype(np.float32))
        points[:, : directions.shape[1]] = centred @ directions
        total = float(np.square(centred, dtype=np.float64).sum())
        share = float(np.square(points, dtype=np.float64).sum()) / total if total > 0 else 0.0
    return Layout(rows, points, f"PCA: the plane holds {share:.0%} of the variance", left_out)


def umap_layout(
    vectors: Float[np.ndarray, "n d"], neighbours: int = 15, min_dist: float = 0.1, seed: int = 0
) -> Layout:
    """UMAP by Euclidean distance, which orders unit vectors as the cosine does. The same seed gives the same map.

    Equal vectors get one place. With fewer than 15 different ones it is PCA, and says so. The first call takes
    some 20 seconds: its loops are compiled.

    Raises:
        ValueError: neighbours < 2.
    """
    if neighbours < 2:
        raise ValueError(f"neighbours = {neighbours}; UMAP needs at least 2.")
    rows, left_out = shown_rows(vectors)
    different, place = np.unique(vectors[rows].astype(np.float32), axis=0, return_inverse=True)
    if len(different) < FEWEST:
        flat = pca_layout(vectors)
        return Layout(flat.rows, flat.points, f"{flat.made} (UMAP needs {FEWEST} different vectors)", left_out)
    import umap  # takes seconds, and most pages never need it

    k = min(neighbours, len(different) - 1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # such as "graph is not fully connected", which the map shows
        reducer = umap.UMAP(n_neighbors=k, min_dist=min_dist, random_state=seed, n_jobs=1)
        points = np.asarray(reducer.fit_transform(different), dtype=np.float32)
    made = f"UMAP: {k} neighbours, min_dist {min_dist:g}, seed {seed}"
    return Layout(rows, points[place.reshape(-1)], made, left_out)


def quality(vectors: Float[np.ndarray, "n d"], layout: Layout, k: int = NEIGHBOURS) -> Quality:
    """Say how far a map of these vectors is to be trusted."""
    rows = even_sample(len(layout.rows), MEASURED)
    truth, points = vectors[layout.rows[rows]].astype(np.float64), layout.points[rows].astype(np.float64)
    n = len(rows)
    if n < 4:
        return Quality(float("nan"), float("nan"), np.full(n, np.nan), rows, 0)
    from sklearn.manifold import trustworthiness  # takes seconds, and most pages never need it

    k = min(k, (n - 1) // 2)
    return Quality(
        float(trustworthiness(truth, points, n_neighbors=k)),
        float(trustworthiness(points, truth, n_neighbors=k)),
        neighbours_kept(truth, points, k),
        rows,
        k,
    )


def neighbours_kept(vectors: Float[np.ndarray, "n d"], points: Points, k: int = NEIGHBOURS) -> Float[np.ndarray, " n"]:
    """For each point the share of its k nearest vectors that are among its k nearest on the map; itself left out."""
    kept = np.empty(len(vectors))
    for start in range(0, len(vectors), ROWS_AT_ONCE):
        rows = np.arange(start, min(start + ROWS_AT_ONCE, len(vectors)))
        near, shown = nearest(vectors, rows, k), nearest(points, rows, k)
        kept[rows] = (near[:, :, None] == shown[:, None, :]).any(axis=2).mean(axis=1)
    return kept


def nearest(points: Float[np.ndarray, "n d"], rows: Int[np.ndarray, " m"], k: int) -> Int[np.ndarray, "m k"]:
    """Return the k nearest others of some rows, by Euclidean distance; of equal distances the earlier row."""
    squares = np.square(points).sum(axis=1)
    distance = squares[rows, None] + squares - 2 * points[rows] @ points.T
    distance[np.arange(len(rows)), rows] = np.inf
    return np.argsort(distance, axis=1, kind="stable")[:, :k]
