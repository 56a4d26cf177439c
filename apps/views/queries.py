"""One query of a list, with buttons to go back and on; the URL says which."""

from collections.abc import Sequence

import numpy as np
import streamlit as st

from apps.views.address import put, said
from apps.views.captions import escaped, shortened
from workbench.bundles.bundle import Bundle


def asked_query(bundle: Bundle) -> int | None:
    """Return the row of the rankings that the URL asks for; one that there is not is told, and is none."""
    asked = said("query")
    if asked is None:
        return None
    if asked.isascii() and asked.isdecimal() and len(asked) < 10 and int(asked) < len(bundle.rankings):
        return int(asked)
    st.warning(f"The link asks for query = {escaped(asked[:80])}, which is not here. Shown instead: the default.")
    put({"query": ""})
    return None


def step_through(
    rows: Sequence[int] | np.ndarray, number: int, order: str, keys: tuple[str, str] = ("Left", "Right")
) -> None:
    """Return buttons that lead to the query before and after one in a list; keys: what they listen to."""
    at = np.flatnonzero(np.asarray(rows) == number)
    place = int(at[0]) if len(at) else None
    before = None if place in (None, 0) else int(rows[place - 1])
    after = None if place is None or place + 1 >= len(rows) else int(rows[place + 1])
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        for name, icon, to, key in (("previous", "left", before, keys[0]), ("next", "right", after, keys[1])):
            st.button(
                name.capitalize(), icon=f":material/chevron_{icon}:", key=name, disabled=to is None, shortcut=key,
                on_click=put, args=({"query": str(number if to is None else to)},),
            )  # fmt: skip
        where = f"query **{place + 1:,}** of {len(rows):,}, {order}" if place is not None else "not in this list"
        st.markdown(where)


def query_label(bundle: Bundle, row: int) -> str:
    """Return a query in one line."""
    query = bundle.query(row)
    margin = "no negatives" if np.isnan(query.margin) else f"margin {query.margin:+.3f}"
    return f"{query.dataset}: {shortened(bundle.words(query.query))}  ({margin})"
