"""Paging through a list on the server: a part of it at a time, with buttons back and on; the URL remembers which."""

import streamlit as st

from apps.views.address import prepare_option, put, remember


def choose_page(name: str, count: int, size: int) -> range:
    """Return the places of a list that are shown: so many at a time, at first the first."""
    pages = max(1, -(-count // size))
    prepare_option(name, list(range(1, pages + 1)), 1)
    at = int(st.session_state[name])
    remember(name, at)
    places = range((at - 1) * size, min(count, at * size))
    if pages > 1:
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            st.button(
                "", icon=":material/chevron_left:", key=f"{name}-back", help="Those before", disabled=at == 1,
                on_click=put, args=({name: str(at - 1)},),
            )  # fmt: skip
            st.button(
                "", icon=":material/chevron_right:", key=f"{name}-on", help="Those after", disabled=at == pages,
                on_click=put, args=({name: str(at + 1)},),
            )  # fmt: skip
            st.caption(f"{places.start + 1:,} to {places.stop:,} of {count:,}")
    return places
