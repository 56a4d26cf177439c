"""Which map: one that the bundle stores, or a UMAP that is made in the background; and whether it lies over another."""

import hashlib
from dataclasses import dataclass

import numpy as np
import streamlit as st
from jaxtyping import Float, Int

from apps.views import cached, cached_map
from apps.views.captions import escaped
from apps.views.choose import choose
from apps.views.looking import Looking
from core.evaluation.layouts import MOST
from workbench.projection.aligned import Move
from workbench.projection.process import rough_seconds

MADE = "made"
LABELS = {"pca": "PCA", "umap": "UMAP", MADE: "another UMAP, made now"}
NEIGHBOURS = (5, 10, 15, 30, 50, 100)
MIN_DISTS = (0.0, 0.1, 0.3, 0.5)
SEEDS = (0, 1, 2, 3)
NO_SHARE = 0.005
"""A plane that holds less of the variance (rounded, 0 %) is no map."""
ALONE, OVER = "alone", "over"


@dataclass(frozen=True)
class ShownMap:
    """A map of a bundle's items. name: as in a lasso's rule. points: of all items, NaN for those without a place.

    made: how, in words.
    """

    name: str
    points: Float[np.ndarray, "items 2"]
    made: str


@dataclass(frozen=True)
class Over:
    """A map laid over that of another evaluation. points: where it then lies. others: the same items on the other."""

    move: Move
    points: Float[np.ndarray, "items 2"]
    others: Float[np.ndarray, "items 2"]
    label: str


def choose_map(looking: Looking) -> ShownMap | None:
    """Return the chosen map, or another one while it is being made; None where there is none to show yet."""
    bundle = looking.bundle
    offered = [name for name in bundle.layouts if name != "pca" or pca_is_map(looking)]
    options = [*offered, MADE]
    chosen = choose("layout", "Map", options, options[0], lambda name: LABELS.get(name, name))
    found = stored_map(looking, chosen if chosen in offered else offered[0]) if offered else None
    return made_map(looking, found) if chosen == MADE else found


def pca_is_map(looking: Looking) -> bool:
    """Tell whether the plane of the principal components holds any of the variance, rounded to whole percent."""
    return cached_map.pca_share(looking.bundle.digest, looking.bundle) >= NO_SHARE


def stored_map(looking: Looking, name: str) -> ShownMap:
    """Return a map of the bundle, with what is known of it."""
    stored = looking.bundle.layouts[name]
    share = cached_map.pca_share(looking.bundle.digest, looking.bundle) if name == "pca" else None
    held = "" if share is None else f", the plane holds {share:.0%} of the variance of all items"
    return ShownMap(name, stored.points, f"{stored.made}{held}")


def made_map(looking: Looking, meanwhile: ShownMap | None) -> ShownMap | None:
    """Return a UMAP with its own settings if it is there; else what is shown meanwhile, and how it goes."""
    bundle = looking.bundle
    with st.container(horizontal=True, vertical_alignment="bottom"):
        neighbours = choose("neighbours", "Neighbours", list(NEIGHBOURS), 15)
        min_dist = choose("min_dist", "Least distance", list(MIN_DISTS), 0.1)
        seed = choose("map_seed", "Seed", list(SEEDS), 0)
    key = (bundle.digest, map_name(looking.dataset, neighbours, min_dist, seed))
    rows = cached_map.rows(bundle.digest, looking.dataset, bundle)
    job = cached_map.started().get(key)
    until = f" Until then, {LABELS.get(meanwhile.name, meanwhile.name)}:" if meanwhile is not None else ""
    if job is None:
        st.button(
            "Make this map", key="make", type="primary", on_click=cached_map.start,
            args=(key, bundle, rows, (neighbours, min_dist, seed)),
        )  # fmt: skip
        st.caption(f"{announced(len(rows))}{until}")
        return meanwhile
    if not job.done():
        wait_for(key, f"{announced(len(rows))}{until}")
        return meanwhile
    if (failure := job.failure()) is not None:
        st.error(escaped(failure))
        st.button("Try again", key="again", on_click=cached_map.give_up, args=(key,))
        return meanwhile
    points = cached.points(bundle.digest, key[1], bundle)
    return meanwhile if points is None else ShownMap(key[1], points, job.result().made)


def map_name(dataset: str | None, neighbours: int, min_dist: float, seed: int) -> str:
    """Return the name of a UMAP in addresses; of the items of one data set it holds a digest of that one's name."""
    of = "" if dataset is None else f"-{hashlib.sha256(dataset.encode()).hexdigest()[:8]}"
    return f"umap-{neighbours}-{min_dist:g}-{seed}{of}"


def announced(count: int) -> str:
    """Say what making a map of so many items takes, before it begins."""
    placed = (
        f"{count:,} items are placed" if count <= MOST else f"{MOST:,} of {count:,} items, an even sample, are placed"
    )
    return f"{placed} in a process of their own, in about {rough_seconds(count):.0f} seconds on one core."


@st.fragment(run_every=1.0)
def wait_for(key: cached_map.Key, words: str) -> None:
    """Say that a map is being made, offer to give it up, and show it once it is there."""
    job = cached_map.started().get(key)
    if job is None or job.done():
        st.rerun()
    st.info(f"The UMAP is being made. {words}")
    if st.button("Cancel", key="cancel-map"):
        cached_map.give_up(key)
        st.rerun()


def choose_over(looking: Looking, shown: ShownMap) -> Over | None:
    """Return the map laid over that of the evaluation that is held against it, if wanted and possible."""
    against = looking.against
    if against is None:
        return None
    name = shown.name if shown.name in against.bundle.layouts else ("umap" if shown.name != "pca" else "pca")
    if name not in against.bundle.layouts:
        st.caption(f"The other evaluation stores no {LABELS.get(name, name)} to lay this map over.")
        return None
    label = f"{LABELS[name]} of {against.run}"
    words = {ALONE: "alone", OVER: f"aligned with {label}, beside it"}
    if choose("aligned", "Drawn", [ALONE, OVER], ALONE, words.__getitem__) == ALONE:
        return None
    bundle, other = looking.bundle, against.bundle
    move, others = cached_map.move(
        bundle.digest, shown.name, other.digest, name, shown.points, other.layouts[name].points, bundle, other
    )
    if move is None:
        st.caption("The two maps share too few items, or one has no extent: they cannot be laid over one another.")
        return None
    return Over(move, move.forth(shown.points).astype(np.float32), others, label)


def rows_on(shown: ShownMap, rows: Int[np.ndarray, " n"]) -> int:
    """Return how many of some items have a place."""
    return int(np.isfinite(shown.points[rows]).all(axis=1).sum())
