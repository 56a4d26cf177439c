"""Layouts: vectors of many dimensions as points of a plane.

pca_layout    the two directions of largest variance: at once, and the same for everybody
umap_layout   neighbours are kept together, distances and sizes are not: slow, and it depends on the seed

UMAP: McInnes et al. 2018 (arXiv 1802.03426), by the package umap-learn of the extra `ui`.
"""

import importlib.util
import warnings
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Float32, Int

from core.evaluation.projection import principal_directions

Points = Float[np.ndarray, "n 2"]
MOST = 20_000
"""UMAP places at most so many items; of more, an even sample."""
FEWEST = 15
"""UMAP needs more neighbours than fewer vectors have."""


@dataclass(frozen=True)
class Layout:
    """A map. rows: the vectors that it shows; points: where. made: how, in words. left_out: vectors without a place.

    share: of the variance that the plane holds, in [0, 1]; None where the map is no projection.
    """

    rows: Int[np.ndarray, " n"]
    points: Points
    made: str
    left_out: int = 0
    share: float | None = None


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
    return Layout(rows, points, f"PCA: the plane holds {share:.0%} of the variance", left_out, share)


def umap_layout(
    vectors: Float[np.ndarray, "n d"], neighbours: int = 15, min_dist: float = 0.1, seed: int = 0
) -> Layout:
    """UMAP by Euclidean distance, which orders unit vectors as the cosine does. The same seed gives the same map.

    Equal vectors get one place. With fewer than 15 different ones it is PCA, and says so. The first call takes
    some 20 seconds: its loops are compiled.

    Raises:
        ValueError: neighbours < 2, or umap-learn is not installed.
    """
    check_umap()
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


def check_umap() -> None:
    """Raise ValueError unless a UMAP can be made here."""
    if importlib.util.find_spec("umap") is None:
        raise ValueError(
            "umap: umap-learn is not installed; install the extra ui (pip install -e '.[ui]'), or leave umap false."
        )


def over_all(layout: Layout, count: int) -> Float32[np.ndarray, "count 2"]:
    """Return the points of a layout for all of `count` vectors; NaN for those that it does not place."""
    points = np.full((count, 2), np.nan, dtype=np.float32)
    points[layout.rows] = layout.points
    return points
