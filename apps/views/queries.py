"""Choosing one query: a list in a given order, with buttons to go back and on."""

from collections.abc import Sequence

import numpy as np
import streamlit as st

from apps.views.address import prepare_option, remember
from apps.views.captions import shortened
from workbench.bundles.bundle import Bundle

LISTED = 1000


def choose_query(bundle: Bundle, rows: Sequence[int]) -> int:
    """Return one of some rows of the rankings, at first the first; of more than 1000 the first 1000 are listed."""
    listed = list(rows[:LISTED])
    prepare_option("query", listed, listed[0])
    place = {row: number for number, row in enumerate(listed)}
    box, back, forward = st.columns([12, 1, 1], vertical_alignment="bottom")
    with box:
        chosen = st.selectbox(
            f"Query ({len(rows):,} to look at)",
            listed,
            key="query",
            format_func=lambda row: f"{place[row] + 1}.  {query_label(bundle, row)}",
        )
    at = place[chosen]
    back.button(
        "", icon=":material/chevron_left:", key="previous", help="Previous query", disabled=at == 0,
        on_click=select, args=(listed[max(0, at - 1)],), width="stretch",
    )  # fmt: skip
    forward.button(
        "", icon=":material/chevron_right:", key="next", help="Next query", disabled=at == len(listed) - 1,
        on_click=select, args=(listed[min(len(listed) - 1, at + 1)],), width="stretch",
    )  # fmt: skip
    remember("query", chosen)
    return chosen


def select(row: int) -> None:
    """Return a button's callback: choose another query."""
    st.session_state["query"] = row


def query_label(bundle: Bundle, row: int) -> str:
    """Return a query in one line."""
    query = bundle.query(row)
    margin = "no negatives" if np.isnan(query.margin) else f"margin {query.margin:+.3f}"
    return f"{query.dataset}: {shortened(bundle.words(query.query))}  ({margin})"
