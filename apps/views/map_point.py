"""A clicked item of the map: what it asks, answers or fools, and its exact nearest neighbours."""

import streamlit as st

from apps.views import cached
from apps.views.address import put, said
from apps.views.captions import escaped
from apps.views.cards import show_item
from apps.views.filter_bar import SELECTED
from apps.views.looking import Looking
from apps.views.map_cloud import POINT
from workbench.bundles.bundle import Bundle
from workbench.explore.find_items import Neighbours
from workbench.explore.ties import MOST, Ties

NEAREST = 12
CARD = 160
"""Pixels of a card's width: two stand side by side on a phone."""


def read_point(bundle: Bundle) -> int | None:
    """Return the item that the URL names; one that cannot be is told, and is none."""
    asked = said(POINT)
    if not asked:
        return None
    row = int(asked) if asked.isascii() and asked.isdecimal() and len(asked) < 10 else -1
    if 0 <= row < len(bundle.items):
        return row
    st.warning(f"The link asks for {POINT} = {escaped(asked[:80])}, which is not here.")
    put({POINT: ""})
    return None


def show_point(looking: Looking, row: int, ties: Ties, near: Neighbours) -> None:
    """Return the clicked item, what joins it to queries, and its neighbours in the space."""
    bundle = looking.bundle
    with st.container(border=True):
        own, told = st.columns([1, 2])
        with own:
            st.markdown(f"**row {row}**, id {escaped(str(bundle.items['item'].iat[row]))}")
            show_item(bundle, row)
        with told:
            st.markdown(joined(ties))
            with st.container(horizontal=True, gap="small"):
                st.button(
                    "Select it and its 50 nearest", key="point-near", type="tertiary",
                    on_click=put, args=({SELECTED: f"near:{row}:50"},),
                )  # fmt: skip
                st.button("Let it go", key="point-forget", type="tertiary", on_click=put, args=({POINT: ""},))
    tied = f" {near.tied:,} further items are as near as the last." if near.tied else ""
    st.markdown(
        f"##### Its {len(near.rows)} nearest of {len(bundle.items):,} items",
        help="By cosine with every item, in the space itself, exactly; the map's distances play no part.",
    )
    if tied:
        st.caption(tied)
    with st.container(horizontal=True, gap="small"):
        for item, similarity in zip(near.rows.tolist(), near.similarities.tolist(), strict=True):
            with st.container(border=True, width=CARD):
                show_neighbour(bundle, item, similarity)


def show_neighbour(bundle: Bundle, row: int, similarity: float) -> None:
    """Return a neighbour with its cosine, and a way to it."""
    st.markdown(f"cosine **{similarity:.3f}**")
    show_item(bundle, row, height=72)
    st.button(f"row {row}", key=f"point-{row}", type="tertiary", on_click=put, args=({POINT: str(row)},))


def joined(ties: Ties) -> str:
    """Say how many queries an item asks, answers and fools, and how many of them are drawn."""
    counts = {
        "asks {} (lines to the right answer and the hardest negative)": ties.asks,
        "is the right answer of {}": ties.answers,
        "comes first, wrongly, for {}": ties.fools,
    }
    told = [
        words.format(f"**{count:,}** quer{'y' if count == 1 else 'ies'}") for words, count in counts.items() if count
    ]
    if not told:
        return "No query asks with it, is answered by it or is fooled by it."
    some = f" Of each kind the first {MOST} are drawn." if max(counts.values()) > MOST else ""
    return f"It {'; it '.join(told)}.{some}"


def neighbours(bundle: Bundle, row: int) -> Neighbours:
    """Return the exact neighbours of a clicked item."""
    return cached.neighbours(bundle.digest, row, NEAREST, bundle)
