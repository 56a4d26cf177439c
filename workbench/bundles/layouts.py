"""The maps that a bundle stores: a place on each for every item, in the bundle's order."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from jaxtyping import Float

from workbench.bundles.files import COLUMNS, OLD_COLUMNS, BundleError, read_table


@dataclass(frozen=True)
class StoredLayout:
    """A map of all items. points: NaN where an item has no place. made: how, in words.

    share: of the variance that the plane holds, in [0, 1]; None where that was not written down.
    """

    points: Float[np.ndarray, "items 2"]
    made: str
    share: float | None = None


def read_layouts(path: Path, manifest: Mapping[str, Any]) -> dict[str, StoredLayout]:
    """Return the maps by name, `pca` always first. Raises BundleError.

    Bundles of schema 1, and those of schema 2 from before it could hold a second map, have x and y for PCA.
    """
    old = "projections" not in manifest
    table = read_table(path, (OLD_COLUMNS if old else COLUMNS)[path.name])
    if old:
        return {"pca": StoredLayout(columns(path, table, "x", "y"), "PCA: principal components")}
    described = manifest["projections"]
    if not isinstance(described, dict) or not all(isinstance(each, dict) for each in described.values()):
        raise BundleError(path, f"manifest.json says projections = {str(described)[:80]}, not what each map is.")
    found = {}
    for name in ("pca", *(each for each in described if each != "pca")):
        if not {f"{name}_x", f"{name}_y"} <= set(table.column_names):
            raise BundleError(path, f"has no columns {name}_x and {name}_y, which manifest.json says are there.")
        what = described.get(name, {})
        share = what.get("share")
        if not (share is None or (isinstance(share, int | float) and 0 <= share <= 1 + 1e-6)):
            raise BundleError(path, f"manifest.json says projections.{name}.share = {share!r}, not a share of 1.")
        points = columns(path, table, f"{name}_x", f"{name}_y")
        found[name] = StoredLayout(points, str(what.get("made", name)), None if share is None else float(share))
    return found


def columns(path: Path, table: pa.Table, x: str, y: str) -> Float[np.ndarray, "items 2"]:
    """Return two columns of numbers as points. Raises BundleError."""
    try:
        return np.stack([table.column(name).to_numpy().astype(np.float32) for name in (x, y)], axis=1)
    except (TypeError, ValueError) as error:
        raise BundleError(path, f"{x} and {y} are not numbers ({error}).") from error
