"""Pages of a list that is too long to show at once."""

import streamlit as st

from apps.views.address import prepare_number, remember


def paged(count: int, a_page: int, name: str) -> int:
    """Return the page of a list that is shown, from 0; no buttons are shown where there is one page only.

    name: of the choice in the URL, where pages are counted from 1.
    """
    pages = max(1, -(-count // a_page))
    chosen = name in st.session_state
    prepare_number(name, 1, pages, 1)
    value = int(st.session_state[name])
    if pages > 1:
        if not chosen:
            del st.session_state[name]  # the buttons take it as their default, which must not stand there twice
        value = int(st.pagination(pages, default=value, key=name))
    remember(name, value)
    return value - 1


def choose_page(name: str, count: int, size: int) -> slice:
    """Return which of `count` rows stand on the page of a list that is shown."""
    page = paged(count, size, name)
    return slice(page * size, (page + 1) * size)
