"""The selected items below the map: how alike they are, a page of cards, and a table to take away."""

import numpy as np
import streamlit as st
from jaxtyping import Int

from apps.views import cached_map
from apps.views.address import put
from apps.views.cards import show_item
from apps.views.export import download_table
from apps.views.looking import Looking
from apps.views.map_cloud import POINT
from apps.views.map_point import CARD
from apps.views.paging import paged
from workbench.measures.space import sums_of, within_and_across
from workbench.projection import map_items
from workbench.projection.map_items import ROLE

A_PAGE = 24
MOST_SORTED = 20_000
"""Items of a selection that are sorted by how typical they are; more stay in their order."""


def show_selection(looking: Looking) -> None:
    """Return the selected items that the map shows."""
    bundle, dataset = looking.bundle, looking.dataset
    if not looking.selection:
        st.caption(
            "Draw a lasso on the map to select items for every view. Click a point to see its neighbours and answers."
        )
        return
    shown = cached_map.rows(bundle.digest, dataset, bundle)
    rows = looking.selection.items[np.isin(looking.selection.items, shown)]
    others = len(looking.selection.items) - len(rows)
    st.markdown(f"##### {len(rows):,} selected")
    if others:
        st.caption(f"{others:,} further selected items are not of this data set.")
    if not len(rows):
        return
    chosen = sums_of(bundle.vectors, rows)
    within, across = within_and_across(chosen, cached_map.sums(bundle.digest, dataset, bundle))
    st.caption(
        f"In the space itself, not on the map: mean cosine {written(within)} within the selection, {written(across)} "
        f"to the other {len(shown) - len(rows):,} items of the map. A true group is clearly more alike within."
    )
    show_cards(looking, *by_typical(looking, rows))


def written(value: float) -> str:
    """Return a cosine, or that there is none."""
    return "none" if np.isnan(value) else f"{value:.3f}"


def by_typical(
    looking: Looking, rows: Int[np.ndarray, " n"]
) -> tuple[Int[np.ndarray, " n"], "np.ndarray[tuple[int], np.dtype[np.floating]] | None"]:
    """Return rows by falling cosine to their mean direction, with it; many in their order, without."""
    if len(rows) > MOST_SORTED:
        return rows, None
    typical = map_items.cosine_to(looking.bundle.vectors, rows)
    order = np.argsort(-typical, kind="stable")
    return rows[order], typical[order]


def show_cards(looking: Looking, rows: Int[np.ndarray, " n"], typical: np.ndarray | None) -> None:
    """Return a page of cards, and the whole table to take away."""
    bundle, dataset = looking.bundle, looking.dataset
    st.caption(
        "The most typical first (cosine to the selection's mean direction):" if typical is not None else "By row:"
    )
    page = paged(len(rows), A_PAGE, "map_page")
    with st.container(horizontal=True, gap="small"):
        for row in rows[page * A_PAGE : (page + 1) * A_PAGE].tolist():
            with st.container(border=True, width=CARD):
                show_item(bundle, row, height=72)
                st.button(f"row {row}", key=f"select-{row}", type="tertiary", on_click=put, args=({POINT: str(row)},))
    role = cached_map.groups(bundle.digest, dataset, ROLE, bundle)
    places = np.searchsorted(cached_map.rows(bundle.digest, dataset, bundle), rows)
    table = bundle.items.iloc[rows].astype({"modality": str}).assign(row=rows)
    table["role"] = np.array(role.names, dtype=object)[role.codes[places]]
    if typical is not None:
        table["typical"] = typical
    download_table(table, "selected", "map-export")
