"""Items: find one by words, by its id, by what lies near it, or because it is there twice. Needs no pairs."""

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd
import streamlit as st
from jaxtyping import Int

from apps.views import cached
from apps.views.address import go_to, prepare_number, prepare_words, put, remember
from apps.views.captions import escaped, shortened
from apps.views.cards import show_item
from apps.views.choose import choose
from apps.views.export import download_table
from apps.views.filter_bar import SELECTED
from apps.views.looking import Looking
from apps.views.paging import paged
from workbench.bundles.bundle import Bundle
from workbench.bundles.candidates import Lists
from workbench.explore.selection import MOST_LISTED

WAYS = {
    "words": "by words or id",
    "near": "near one item",
    "texts": "same text twice",
    "vectors": "same vector twice",
    "selected": "those selected",
}
A_PAGE = 24
COLUMNS = 4
GROUPS_A_PAGE = 10
MEMBERS = 8
NEAREST = 100


def show(looking: Looking) -> None:
    """Return the whole view."""
    way = choose("find", "Find items", list(WAYS), "words", WAYS.__getitem__)
    SHOW[way](looking)


def show_named(looking: Looking) -> None:
    """Return the items that hold some words, a page at a time."""
    prepare_words("find_words")
    words = st.text_input("Words that an item's text holds, or its id", key="find_words").strip()
    remember("find_words", words)
    rows = cached.named_items(looking.bundle.digest, words, looking.bundle)
    st.markdown(f"**{len(rows):,}** of {len(looking.bundle.items):,} items")
    show_rows(looking.bundle, rows)


def show_selected(looking: Looking) -> None:
    """Return the selected items."""
    if not looking.selection:
        st.info("Nothing is selected. Draw on the Map, or select queries or items in another view.")
        return
    st.markdown(f"**{len(looking.selection.items):,}** items are selected")
    show_rows(looking.bundle, looking.selection.items)


def show_near(looking: Looking) -> None:
    """Return the nearest neighbours of one item among all, by exact cosine."""
    bundle = looking.bundle
    prepare_number("item", 0, len(bundle.items) - 1, 0)
    st.session_state["item"] = int(st.session_state["item"])
    row = int(st.number_input("Row of the item", 0, len(bundle.items) - 1, key="item", step=1))
    remember("item", row)
    with st.container(border=True):
        st.markdown(f"**Item {row}**, id {escaped(str(bundle.items['item'].iat[row]))}")
        show_item(bundle, row)
    found = cached.neighbours(bundle.digest, row, NEAREST, bundle)
    st.markdown(
        f"##### Its {len(found.rows)} nearest of {len(bundle.items):,}",
        help="By cosine with every item, exactly. What lies near is near to this model; whether it is alike is for "
        "you to say.",
    )
    if found.tied:
        st.caption(f"{found.tied:,} further items are as near as the last.")
    select_all(found.rows.tolist())
    show_rows(bundle, found.rows, found.similarities)


def show_equal_texts(looking: Looking) -> None:
    """Return the groups of items with the same words."""
    show_groups(looking.bundle, cached.equal_texts(looking.bundle.digest, looking.bundle), "their text")


def show_equal_vectors(looking: Looking) -> None:
    """Return the groups of items with the same vector."""
    show_groups(looking.bundle, cached.equal_vectors(looking.bundle.digest, looking.bundle), "their vector")


SHOW: dict[str, Callable[[Looking], None]] = {
    "words": show_named,
    "near": show_near,
    "texts": show_equal_texts,
    "vectors": show_equal_vectors,
    "selected": show_selected,
}


def show_rows(
    bundle: Bundle, rows: Int[np.ndarray, " items"], similarities: Sequence[float] | np.ndarray | None = None
) -> None:
    """Return a page of items as cards, and a button that saves all of them as a table."""
    if not len(rows):
        st.info("No item is found. Try fewer or other words.")
        return
    page = paged(len(rows), A_PAGE, "items_page")
    for start in range(page * A_PAGE, min(len(rows), (page + 1) * A_PAGE), COLUMNS):
        for column, place in zip(st.columns(COLUMNS), range(start, min(start + COLUMNS, len(rows))), strict=False):
            near = None if similarities is None else float(similarities[place])
            with column, st.container(border=True, height="stretch"):
                show_card(bundle, int(rows[place]), near)
    table = bundle.items.iloc[rows].astype({"modality": str})
    if similarities is not None:
        table = table.assign(similarity=np.asarray(similarities))
    download_table(table.assign(row=rows), "items", "items-export")


def show_card(bundle: Bundle, row: int, similarity: float | None) -> None:
    """Return one item and the ways on from it."""
    near = "" if similarity is None else f", cosine **{similarity:.3f}**"
    st.markdown(f"row {row}{near}")
    show_item(bundle, row)
    with st.container(horizontal=True, gap="small"):
        st.button(
            "nearest", key=f"near-{row}", type="tertiary", help="What lies nearest to this item",
            on_click=put, args=({"find": "near", "item": str(row), "items_page": ""},),
        )  # fmt: skip
        st.button(
            "map", key=f"map-{row}", type="tertiary", help="Where it and its 50 nearest lie on the map",
            on_click=go_to, args=("map", {SELECTED: f"near:{row}:50"}),
        )  # fmt: skip


def show_groups(bundle: Bundle, groups: Lists, what: str) -> None:
    """Return a page of groups of items that are there more than once."""
    members = int(groups.lengths.sum())
    st.markdown(
        f"**{members:,}** of {len(bundle.items):,} items share {what} with others, in **{len(groups):,}** groups"
    )
    if not len(groups):
        return
    page = paged(len(groups), GROUPS_A_PAGE, "groups_page")
    for number in range(page * GROUPS_A_PAGE, min(len(groups), (page + 1) * GROUPS_A_PAGE)):
        rows = groups[number]
        with st.container(border=True):
            st.markdown(f"**{len(rows):,}** items: {escaped(shortened(bundle.words(int(rows[0])), 100))}")
            for column, row in zip(st.columns(MEMBERS), rows[:MEMBERS].tolist(), strict=False):
                with column:
                    show_item(bundle, row, height=64)
                    st.caption(f"row {row}")
            select_all(rows.tolist(), f"select-{number}")
    table = pd.DataFrame({"group": groups.owners, "row": groups.values, "item": item_ids(bundle, groups.values)})
    download_table(table, "groups", "groups-export")


def item_ids(bundle: Bundle, rows: Int[np.ndarray, " items"]) -> list[str]:
    """Return the ids of some items."""
    return bundle.items["item"].iloc[rows].tolist()


def select_all(rows: Sequence[int], key: str = "select-all") -> None:
    """Return a button that selects items for every view, where an address can name them all."""
    listed = list(rows)[:MOST_LISTED]
    label = f"Select these {len(rows):,}" if len(listed) == len(rows) else f"Select the first {len(listed):,}"
    rule = f"items:{','.join(map(str, listed))}"
    st.button(label, key=key, type="tertiary", on_click=put, args=({SELECTED: rule},))
