"""The same ways on from every query and every item: a small menu that leads to another view of it."""

from collections.abc import Mapping

import streamlit as st

from apps.views.address import go_to

Ways = Mapping[str, tuple[str, Mapping[str, str]]]
"""By the words of a menu: the view that it leads to, and the choices made there."""
NEAREST = 50
FRESH = {"group": "", "query": "", "queries_page": "", "page": ""}


def query_menu(number: int, item: int, key: str) -> None:
    """Return the ways on from a query; item: its row of the items."""
    ways = {
        "Its ranked negatives": ("hard_negatives", {"query": str(number)}),
        "Its pair weights": ("pair_weights", {"query": str(number)}),
        "On the map": ("map", {"select": f"queries:{number}"}),
        "Nearest to this": ("map", {"select": f"near:{item}:{NEAREST}"}),
    }
    show_menu(ways, key)


def item_menu(item: int, key: str) -> None:
    """Return the ways on from an item."""
    ways = {
        "Queries it wrongly wins": ("hard_negatives", FRESH | {"select": f"winner:{item}"}),
        "Weights of its queries": ("pair_weights", {"query": "", "select": f"items:{item}"}),
        "On the map": ("map", {"select": f"items:{item}"}),
        "Nearest to this": ("map", {"select": f"near:{item}:{NEAREST}"}),
    }
    show_menu(ways, key)


def show_menu(ways: Ways, key: str) -> None:
    """Return a menu of ways on."""
    st.menu_button(
        "Go to", list(ways), key=key, type="tertiary", icon=":material/arrow_outward:", on_click=follow,
        args=(ways, key),
    )  # fmt: skip


def follow(ways: Ways, key: str) -> None:
    """Return a menu's callback: take the way that was chosen."""
    view, state = ways[st.session_state[key]]
    go_to(view, state)
