"""Principal components of many vectors, from a covariance that is summed block by block."""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float

ROWS_AT_ONCE = 8192


@dataclass(frozen=True)
class PrincipalPlane:
    """The plane of largest variance: points, and the share of the variance that it holds, in [0, 1]; 0 without any."""

    points: Float[np.ndarray, "n 2"]
    share: float


def principal_plane(vectors: Float[np.ndarray, "n d"]) -> PrincipalPlane:
    """Return the first two principal components of each vector; all 0 where there is no variance."""
    centre = vectors.mean(axis=0, dtype=np.float64).astype(np.float32)
    directions = principal_directions(vectors, centre)
    points = np.zeros((len(vectors), 2), dtype=np.float32)
    total = 0.0
    for start in range(0, len(vectors), ROWS_AT_ONCE):
        block = vectors[start : start + ROWS_AT_ONCE] - centre
        points[start : start + len(block), : directions.shape[1]] = block @ directions
        total += float(np.square(block, dtype=np.float64).sum())
    held = float(np.square(points, dtype=np.float64).sum())
    return PrincipalPlane(points, held / total if total > 0 else 0.0)


def principal_directions(
    vectors: Float[np.ndarray, "n d"], centre: Float[np.ndarray, " d"]
) -> Float[np.ndarray, "d two"]:
    """Get the two directions of largest variance, one where there is no second; the largest entry of each is positive.

    From the d x d covariance, summed block by block, where there are more vectors than dimensions: the vectors of a
    full benchmark are gigabytes.
    """
    if len(vectors) <= vectors.shape[1]:
        directions = torch.linalg.svd(torch.from_numpy(vectors - centre), full_matrices=False)[2][:2].T.numpy()
    else:
        covariance = np.zeros((vectors.shape[1], vectors.shape[1]))
        for start in range(0, len(vectors), ROWS_AT_ONCE):
            block = vectors[start : start + ROWS_AT_ONCE] - centre
            covariance += block.T @ block
        directions = np.linalg.eigh(covariance)[1][:, ::-1][:, :2].astype(np.float32)
    largest = np.take_along_axis(directions, np.abs(directions).argmax(axis=0)[None], axis=0)
    return directions * np.where(largest < 0, -1, 1).astype(np.float32)
