"""What the browser tells of a point map. It is a stranger's word: anything may come, and only what fits is taken."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float, Int

from apps.point_map.encoding import DIMMED, MOST_GROUPS, Packed
from workbench.projection.polygon import inside

MOST_VERTICES = 2000
"""The script sends at most half as many."""
FARTHEST = 1e6
"""A vertex is no farther from the centre than so many half widths of the map."""


@dataclass(frozen=True)
class MapEvent:
    """What was just done on a map; at most one of click, polygon and cleared.

    click: the row of a point. polygon: the lasso's vertices, in the caller's coordinates. rows: the caller's rows
    inside it that are neither dimmed nor of a hidden group, ascending. cleared: nobody wants a selection any more.
    refused: why what the browser sent was not taken.
    """

    click: int | None = None
    polygon: Float[np.ndarray, "m 2"] | None = None
    rows: Int[np.ndarray, " k"] = field(default_factory=lambda: np.zeros(0, dtype=int))
    cleared: bool = False
    refused: str | None = None


def read_event(sent: object, packed: Packed) -> MapEvent:
    """Return what the browser told; where it cannot be read, or is of points that are no longer drawn, why not."""
    if sent is None:
        return MapEvent()
    if not isinstance(sent, Mapping):
        return MapEvent(refused=f"{type(sent).__name__} for an event")
    if sent.get("of") != packed.points.digest:
        return MapEvent(refused="an event of points that are no longer drawn")
    kind = sent.get("kind")
    if kind == "click":
        row = read_row(sent, packed)
        return MapEvent(refused=f"no row among {len(packed.points.rows):,}") if row is None else MapEvent(click=row)
    if kind == "lasso":
        return read_lasso(sent, packed)
    return MapEvent(cleared=True) if kind == "clear" else MapEvent(refused="an unknown kind of event")


def read_row(sent: object, packed: Packed) -> int | None:
    """Return the caller's row of a point that the browser names, or None where it names none that is drawn."""
    if not isinstance(sent, Mapping) or sent.get("of") != packed.points.digest:
        return None
    row = sent.get("row")
    if not isinstance(row, int) or isinstance(row, bool) or not 0 <= row < len(packed.points.rows):
        return None
    return int(packed.points.rows[row])


def read_lasso(sent: Mapping[str, object], packed: Packed) -> MapEvent:
    """Return the polygon and the rows in it."""
    outline, hidden = vertices(sent.get("polygon")), sent.get("hidden", [])
    if outline is None:
        return MapEvent(refused=f"no polygon of 3 to {MOST_VERTICES:,} finite vertices")
    if not isinstance(hidden, list) or not all(type(each) is int and 0 <= each <= MOST_GROUPS for each in hidden):
        return MapEvent(refused="hidden groups that are none")
    taken = inside(packed.points.placed, outline)
    taken = taken[((packed.flags[taken] & DIMMED) == 0) & ~np.isin(packed.groups[taken], hidden)]
    return MapEvent(polygon=outline * packed.points.half + packed.points.centre, rows=packed.points.rows[taken])


def vertices(sent: object) -> Float[np.ndarray, "m 2"] | None:
    """Return a polygon in the drawn coordinates, or None where it is none."""
    if not isinstance(sent, list) or not 3 <= len(sent) <= MOST_VERTICES:
        return None
    if not all(isinstance(each, list) and len(each) == 2 and all(map(is_coordinate, each)) for each in sent):
        return None
    return np.array(sent, dtype=np.float64)


def is_coordinate(value: object) -> bool:
    """Tell whether a value is a finite number near the map; true and false are none."""
    return isinstance(value, int | float) and not isinstance(value, bool) and -FARTHEST <= value <= FARTHEST
