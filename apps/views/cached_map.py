"""Maps and what they are of, kept between clicks; keyed by the bundle's digest like all of `apps.views.cached`."""

import numpy as np
import streamlit as st
from jaxtyping import Float, Int

from apps.point_map.encoding import Placed, place
from core.evaluation.layouts import over_all
from workbench.bundles.bundle import Bundle
from workbench.measures import space
from workbench.measures.hubness import Hubness
from workbench.measures.space import Collapse, Measure, Parts, Sums
from workbench.projection import map_items, projection
from workbench.projection.aligned import Move, move_onto, shared_rows
from workbench.projection.map_items import FirstUses, Groups
from workbench.projection.process import UmapJob
from workbench.projection.projection import Layout, Quality

KEPT = 16
"""UMAPs that are remembered."""
Points = Float[np.ndarray, "items 2"]
Rows = Int[np.ndarray, " n"]
Key = tuple[str, str]
"""Of a UMAP: the bundle's digest, and the map's name."""


@st.cache_resource(max_entries=16, show_spinner=False)
def rows(digest: str, dataset: str | None, _bundle: Bundle) -> Rows:
    """Return the items of a data set, or all."""
    return map_items.shown_items(_bundle, dataset)


@st.cache_resource(max_entries=8, show_spinner="Looking who uses each item ...")
def uses(digest: str, dataset: str | None, _bundle: Bundle) -> FirstUses:
    """Return who uses each item first."""
    return map_items.first_uses(_bundle, dataset)


@st.cache_resource(max_entries=16, show_spinner=False)
def groups(digest: str, dataset: str | None, column: str, _bundle: Bundle) -> Groups:
    """Return the groups of the shown items by a column of the items."""
    shown = rows(digest, dataset, _bundle)
    return map_items.groups_by(_bundle, column, shown, lambda: uses(digest, dataset, _bundle))


@st.cache_resource(max_entries=4, show_spinner=False)
def collapse(digest: str, _bundle: Bundle) -> Collapse:
    """Say whether the vectors are nearly all the same."""
    return space.collapse(_bundle.vectors)


@st.cache_resource(max_entries=4, show_spinner="Measuring the variance ...")
def pca_share(digest: str, _bundle: Bundle) -> float:
    """Return the share of the variance that PCA holds; measured where the bundle does not say it."""
    stored = _bundle.layouts["pca"]
    return space.plane_share(_bundle.vectors, stored.points) if stored.share is None else stored.share


@st.cache_resource(max_entries=8, show_spinner="Measuring the space ...")
def measures(digest: str, dataset: str | None, _bundle: Bundle) -> list[Measure]:
    """Return the state of the space, each number with its baseline."""
    counted = hubs(digest, dataset, _bundle) if _bundle.paired else None
    return space.space(_bundle, parts(digest, dataset, _bundle), counted)


@st.cache_resource(max_entries=8, show_spinner=False)
def parts(digest: str, dataset: str | None, _bundle: Bundle) -> Parts:
    """Return what is measured of a data set, or of all."""
    return space.parts_of(_bundle, dataset)


@st.cache_resource(max_entries=8, show_spinner="Counting neighbours ...")
def hubs(digest: str, dataset: str | None, _bundle: Bundle) -> tuple[Hubness, Hubness]:
    """Say how unequally the candidates are found, and the same of random vectors."""
    return space.hubness_of(_bundle, parts(digest, dataset, _bundle))


@st.cache_resource(max_entries=16, show_spinner="Judging the map ...")
def quality(digest: str, dataset: str | None, name: str, _bundle: Bundle, _points: Points) -> Quality:
    """Say how far a map of the shown items is to be trusted; `name` says which."""
    return projection.quality(_bundle.vectors, placed_items(rows(digest, dataset, _bundle), _points))


def placed_items(shown: Rows, points: Points) -> Layout:
    """Return the shown items that have a place, as a layout."""
    kept = shown[np.isfinite(points[shown]).all(axis=1)]
    return Layout(kept, points[kept], "")


@st.cache_resource(max_entries=8, show_spinner="Drawing the map ...")
def placed(digest: str, dataset: str | None, name: str, onto: str, _bundle: Bundle, _points: Points) -> Placed:
    """Return the shown items' places as they are drawn. name, onto: which map, and over which other one it lies."""
    return place(_points[rows(digest, dataset, _bundle)])


@st.cache_resource(max_entries=8, show_spinner="Laying the maps over one another ...")
def move(
    digest: str, name: str, other: str, other_name: str, _own: Points, _other: Points, _bundle: Bundle, _against: Bundle
) -> tuple[Move | None, Points]:
    """Return how a map is laid over another evaluation's, and the other's places of this bundle's items."""
    mine, theirs = shared_rows(_bundle.ids, _against.ids)
    points = np.full(_own.shape, np.nan, dtype=np.float32)
    points[mine] = _other[theirs]
    return move_onto(_own[mine], _other[theirs]), points


@st.cache_resource(max_entries=4, show_spinner=False)
def sums(digest: str, dataset: str | None, _bundle: Bundle) -> Sums:
    """Return the sums of the shown items' vectors."""
    return space.sums_of(_bundle.vectors, rows(digest, dataset, _bundle))


@st.cache_resource
def started() -> dict[Key, UmapJob]:
    """UMAPs that somebody asked for, by what they are of; shared by all pages, the oldest first."""
    return {}


def made_points(digest: str, name: str, bundle: Bundle) -> Points | None:
    """Return the places of all items on a UMAP that was made here; None for one that is not there."""
    job = started().get((digest, name))
    if job is None or not job.done() or job.failure() is not None:
        return None
    return over_all(job.result(), len(bundle.items))


def give_up(key: Key) -> None:
    """Cancel a UMAP, or let one that failed be asked for again."""
    job = started().pop(key, None)
    if job is not None:
        job.cancel()


def start(key: Key, bundle: Bundle, shown: Rows, settings: tuple[int, float, int]) -> None:
    """Begin a UMAP of the shown items, once: neighbours, min_dist, seed."""
    known = started()
    if key in known:
        return
    known[key] = UmapJob(bundle.vectors, shown, settings)
    for old in [each for each, job in known.items() if job.done()][: max(0, len(known) - KEPT)]:
        known.pop(old, None)
