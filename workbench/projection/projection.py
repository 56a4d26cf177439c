"""How far a map can be trusted; the maps themselves are made by `core.evaluation.layouts`.

trustworthiness  1: who is near on the map is near in truth                        a random map has about 0.5
continuity       1: who is near in truth is near on the map
kept             per point, the share of its true nearest that are its nearest on the map

    T(k) = 1 - 2 / (n k (2n - 3k - 1)) sum_i sum_{j in U_k(i)} (rank(i, j) - k)

U_k(i) are those among the k nearest of i on the map that are not so in truth, and rank is the true one (Venna and Kaski
2001). Continuity is the same with map and truth exchanged.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from core.evaluation.layouts import Layout, Points, even_sample, pca_layout, shown_rows, umap_layout

__all__ = ["Layout", "Quality", "even_sample", "neighbours_kept", "pca_layout", "quality", "shown_rows", "umap_layout"]

MEASURED = 3000
"""Trustworthiness compares all pairs; beyond so many points it is that of an even sample of them."""
NEIGHBOURS = 10
ROWS_AT_ONCE = 1024


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
