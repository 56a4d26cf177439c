"""A map cut into cells by k-means of its places: each a convex piece, so that its outline holds its points alone.

Cells are pieces of a map, not clusters of the space: k-means cuts where the map is full, whether or not there is a gap.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from core.evaluation.layouts import even_sample

MOST = 20_000
"""Places that the means are found by, an even sample; all places are then given to the nearest mean."""
WIDER = 1e-4
"""By what share an outline is drawn wider, so that the points that it is made of lie within."""


@dataclass(frozen=True)
class Cells:
    """codes: of each place its cell, -1 for one that is not finite. centres: the means. The largest cell is first."""

    codes: Int[np.ndarray, " n"]
    centres: Float[np.ndarray, "k 2"]


def cells_of(points: Float[np.ndarray, "n 2"], count: int) -> Cells:
    """Return at most `count` cells; fewer where there are fewer different places."""
    placed = np.flatnonzero(np.isfinite(points).all(axis=1))
    sample = points[placed[even_sample(len(placed), MOST)]].astype(np.float64)
    count = min(count, len(np.unique(sample, axis=0)))
    codes = np.full(len(points), -1)
    if count < 1:
        return Cells(codes, np.zeros((0, 2)))
    from sklearn.cluster import KMeans  # takes seconds, and most pages never need it

    means = KMeans(count, n_init="auto", random_state=0).fit(sample).cluster_centers_
    found = nearest_mean(points[placed], means)
    order = np.argsort(-np.bincount(found, minlength=count), kind="stable")
    codes[placed] = np.argsort(order)[found]
    return Cells(codes, means[order])


def nearest_mean(points: Float[np.ndarray, "n 2"], means: Float[np.ndarray, "k 2"]) -> Int[np.ndarray, " n"]:
    """Return the nearest mean of each point."""
    best, least = np.zeros(len(points), dtype=int), np.full(len(points), np.inf)
    for place, mean in enumerate(means):
        far = np.square(points - mean).sum(axis=1)
        nearer = far < least
        best[nearer], least[nearer] = place, far[nearer]
    return best


def outline(points: Float[np.ndarray, "n 2"]) -> Float[np.ndarray, "m 2"] | None:
    """Return the convex outline of points, a little wider than they are; None where they lie on a line."""
    from scipy.spatial import ConvexHull, QhullError

    try:
        corners = points[ConvexHull(points.astype(np.float64)).vertices].astype(np.float64)
    except (QhullError, ValueError):
        return None
    middle = corners.mean(axis=0)
    return middle + (corners - middle) * (1 + WIDER)
