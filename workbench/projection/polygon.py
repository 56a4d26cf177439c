"""Which points of a map a drawn polygon holds."""

import numpy as np
from jaxtyping import Float, Int


def inside(points: Float[np.ndarray, "n 2"], polygon: Float[np.ndarray, "m 2"]) -> Int[np.ndarray, " k"]:
    """Return the rows of the points inside a polygon by the even-odd rule, in ascending order.

    A point is inside if a ray from it to the right crosses an odd number of edges (Shimrat 1962, CACM Algorithm 112);
    a polygon that crosses itself has holes where it covers twice. An edge from (x1, y1) to (x2, y2) is crossed if

        min(y1, y2) <= y < max(y1, y2)   and   x < x1 + (y - y1) (x2 - x1) / (y2 - y1)

    so that of two polygons with a common edge exactly one holds each point of it. Points that are not finite are never
    inside. The last vertex is joined to the first. The points are sorted by y, and each edge meets only those beside
    it: n log n + (points beside each edge, about 2n for a simple outline), whatever the number of vertices.

    Raises:
        ValueError: fewer than 3 vertices, or a vertex that is not finite.
    """
    outline = np.asarray(polygon, dtype=np.float64)
    if outline.ndim != 2 or outline.shape[1] != 2 or len(outline) < 3:
        raise ValueError(f"polygon: shape {outline.shape}; give at least 3 vertices of two coordinates.")
    if not np.isfinite(outline).all():
        raise ValueError("polygon: a vertex is not finite; give finite coordinates.")
    low, high = outline.min(axis=0), outline.max(axis=0)
    rows = np.flatnonzero(((points >= low) & (points <= high)).all(axis=1))
    rows = rows[np.argsort(points[rows, 1], kind="stable")]
    x, y = points[rows].astype(np.float64).T
    odd = np.zeros(len(rows), dtype=bool)
    for (x1, y1), (x2, y2) in zip(outline, np.roll(outline, -1, axis=0), strict=True):
        first, end = np.searchsorted(y, (min(y1, y2), max(y1, y2)))
        if first < end:  # never of a level edge
            beside = slice(first, end)
            odd[beside] ^= x[beside] < x1 + (y[beside] - y1) * ((x2 - x1) / (y2 - y1))
    return np.sort(rows[odd])
