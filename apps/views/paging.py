"""Pages of a long list: only the rows of one page are made, and the URL says which."""

import streamlit as st

from apps.views.address import prepare, remember


def choose_page(name: str, count: int, size: int) -> slice:
    """Return which of `count` rows stand on the chosen page; the choice is shown where there are several pages."""
    pages = max(1, -(-count // size))

    def read(text: str) -> int | None:
        return int(text) if text.isascii() and text.isdecimal() and len(text) < 10 else None

    prepare(name, read, lambda value: isinstance(value, int) and 1 <= value <= pages, 1)
    page = int(st.session_state[name])
    if pages > 1:
        page = st.pagination(pages, key=name)
    if page > 1 or pages > 1:
        remember(name, page)
    return slice((page - 1) * size, page * size)
