"""Maps and their measures, kept between clicks; keyed by the bundle's digest like all of `apps.views.cached`."""

from collections.abc import Hashable
from concurrent.futures import Future

import pandas as pd
import streamlit as st

from workbench.bundles.bundle import Bundle
from workbench.measures import space
from workbench.measures.hubness import Hubness
from workbench.measures.space import Measure, Parts
from workbench.projection import map_items, projection
from workbench.projection.process import start_umap
from workbench.projection.projection import Layout, Quality

KEPT = 16
"""UMAPs that are remembered."""


@st.cache_resource(max_entries=16, show_spinner="Listing the items ...")
def items(digest: str, dataset: str | None, _bundle: Bundle) -> pd.DataFrame:
    """Return the items of a data set, or of all."""
    return map_items.item_table(_bundle, dataset)


@st.cache_resource(max_entries=16, show_spinner="Measuring the space ...")
def measures(digest: str, dataset: str | None, _bundle: Bundle) -> list[Measure]:
    """Return the state of the space, each number with its baseline."""
    return space.space(_bundle, dataset)


@st.cache_resource(max_entries=16, show_spinner="Counting neighbours ...")
def hubs(digest: str, dataset: str | None, _bundle: Bundle) -> tuple[Parts, Hubness, Hubness]:
    """Say how unequally the candidates are found, and the same of random vectors."""
    parts = space.parts_of(_bundle, dataset)
    return parts, *space.hubness_of(_bundle, parts)


@st.cache_resource(max_entries=16, show_spinner="Drawing the map ...")
def pca(digest: str, dataset: str | None, _bundle: Bundle) -> Layout:
    """Return the PCA of the items."""
    return projection.pca_layout(_bundle.vectors[items(digest, dataset, _bundle).index])


@st.cache_resource(max_entries=32, show_spinner="Judging the map ...")
def quality(digest: str, dataset: str | None, made: str, _bundle: Bundle, _layout: Layout) -> Quality:
    """Say how far a map is to be trusted; `made` says which."""
    return projection.quality(_bundle.vectors[items(digest, dataset, _bundle).index], _layout)


@st.cache_resource
def started() -> dict[Hashable, Future[Layout]]:
    """UMAPs that somebody asked for, by what they are of; shared by all pages, the oldest first."""
    return {}


def forget(key: Hashable) -> None:
    """Let a UMAP that failed be asked for again."""
    started().pop(key, None)


def start(key: tuple[str, str | None, int, float, int], bundle: Bundle) -> None:
    """Begin a UMAP, once: of (digest, data set, neighbours, min_dist, seed)."""
    known = started()
    if key in known:
        return
    digest, dataset, neighbours, min_dist, seed = key
    known[key] = start_umap(bundle.vectors[items(digest, dataset, bundle).index], neighbours, min_dist, seed)
    for old in [each for each, job in known.items() if job.done()][: max(0, len(known) - KEPT)]:
        known.pop(old, None)
