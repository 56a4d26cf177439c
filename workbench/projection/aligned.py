"""Two maps laid over one another: the same items, as near as turning, mirroring, scaling and shifting bring them.

The best such move of points x to points y of the same items (orthogonal Procrustes, Schoenemann 1966) is

    s (x - mean x) R + mean y        with U S V' = (x - mean x)' (y - mean y),  R = U V',  s = sum(S) / |x - mean x|^2

It moves nothing among the points of one map: what is near on it stays near. Where the maps differ in shape no move
makes them alike, and `left` says how much of the spread is not explained.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from jaxtyping import Float, Int
from scipy.linalg import orthogonal_procrustes

Points = Float[np.ndarray, "_ 2"]
FEWEST = 3
"""Fewer shared items fix no turn."""


@dataclass(frozen=True)
class Move:
    """How one map is laid over another. shared: items that both place; left: in [0, 1], 0 where they then coincide."""

    centre: Float[np.ndarray, " 2"]
    turn: Float[np.ndarray, "2 2"]
    scale: float
    onto: Float[np.ndarray, " 2"]
    shared: int
    left: float

    def forth(self, points: Points) -> Points:
        """Return where points of the map come to lie."""
        return (points - self.centre) @ (self.scale * self.turn) + self.onto

    def back(self, points: Points) -> Points:
        """Return where points over the other map come from."""
        return (points - self.onto) @ self.turn.T / self.scale + self.centre


def shared_rows(own: pd.Series, other: pd.Series) -> tuple[Int[np.ndarray, " m"], Int[np.ndarray, " m"]]:
    """Return the rows of items of the same id in two tables."""
    place = pd.Index(other).get_indexer(pd.Index(own))
    rows = np.flatnonzero(place >= 0)
    return rows, place[rows]


def move_onto(own: Points, other: Points) -> Move | None:
    """Return the best move of points onto others, row by row; those not finite are left out.

    None where fewer than 3 are left, or one of the maps has no extent.
    """
    held = np.isfinite(own).all(axis=1) & np.isfinite(other).all(axis=1)
    x, y = own[held].astype(np.float64), other[held].astype(np.float64)
    if len(x) < FEWEST:
        return None
    centre, onto = x.mean(axis=0), y.mean(axis=0)
    x, y = x - centre, y - onto
    spread, others = float(np.square(x).sum()), float(np.square(y).sum())
    if not spread > 0 or not others > 0:
        return None
    turn, total = orthogonal_procrustes(x, y)
    scale = float(total) / spread
    return Move(centre, turn, scale, onto, len(x), 1 - float(total) ** 2 / (spread * others)) if scale > 0 else None
