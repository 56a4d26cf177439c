"""The filters that all views share, in the sidebar, and the chips that say what is filtered and selected."""

from collections.abc import Sequence

import streamlit as st

from apps.views import cached
from apps.views.address import prepare_option, prepare_words, put, remember, said
from apps.views.captions import escaped, shortened
from apps.views.looking import Against
from workbench.bundles.bundle import Bundle
from workbench.explore.filters import OUTCOMES, Filters, filter_columns, in_words
from workbench.explore.selection import NOTHING, Selection, UnknownSelection

ALL = "all"
NAMES = ("dataset", "pair", "outcome", "words", "column", "value")
SELECTED = "select"
"""The name of the selection's rule in the URL."""


def choose_filters(bundle: Bundle) -> Filters:
    """Return the filters; those that a bundle offers no choice for are not shown."""
    with st.sidebar:
        dataset = choose("dataset", "Data set", bundle.datasets)
    with st.sidebar.expander("More filters"):
        pair = choose("pair", "Modalities: query > right answer", cached.pair_names(bundle.digest, bundle))
        outcome = choose("outcome", "Outcome", list(OUTCOMES))
        prepare_words("words")
        words = st.text_input("Words in the query or its right answer", key="words")
        remember("words", words)
        column = choose("column", "What is known of an item", filter_columns(bundle))
        value = choose("value", "is", cached.choices(bundle.digest, column, bundle)) if column else ""
    return Filters(dataset, pair, outcome, words.strip(), column if value else "", value)


def choose(name: str, label: str, options: Sequence[str]) -> str:
    """Return one of some options, "" for all; nothing is shown where there is one option at most."""
    if len(options) < 2:
        return ""
    prepare_option(name, [ALL, *options], ALL)
    chosen = st.selectbox(label, [ALL, *options], key=name, format_func=outcome_words)
    remember(name, chosen)
    return "" if chosen == ALL else chosen


def outcome_words(option: str) -> str:
    """Return an outcome in words; any other option is its own."""
    return OUTCOMES.get(option, option)


def read_selection(bundle: Bundle, against: Against | None) -> Selection:
    """Return the selection that the URL names; one that cannot be is told, and is none."""
    rule = said(SELECTED) or ""
    try:
        return cached.selection(bundle.digest, rule, bundle, against)
    except UnknownSelection as error:
        st.warning(f"The link's selection cannot be shown: {escaped(str(error))}.")
        put({SELECTED: ""})
        return NOTHING


def show_chips(filters: Filters, selection: Selection, sentence: str) -> None:
    """Say above the view what is filtered and selected, each with a button that takes it away."""
    if not filters.parts and not selection:
        return
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.markdown(f"**{sentence}**")
        for number, (names, words) in enumerate(chips(filters)):
            st.button(
                f"{escaped(shortened(words, 40))} \u2715", key=f"chip-{number}", help="Take this filter away",
                on_click=put, args=(dict.fromkeys(names, ""),),
            )  # fmt: skip
        if selection:
            label = f"selected: {len(selection.queries):,} queries, {len(selection.items):,} items"
            st.button(
                f"{label} \u2715", key="chip-selection", help="Take the selection away",
                on_click=put, args=({SELECTED: ""},),
            )  # fmt: skip
        st.button("Take all away", key="chip-all", type="tertiary", on_click=put,
                  args=(dict.fromkeys((*NAMES, SELECTED), ""),))  # fmt: skip


def chips(filters: Filters) -> list[tuple[tuple[str, ...], str]]:
    """Return of each filter that is set its names in the URL, and its words."""
    names: list[tuple[str, ...]] = [(name,) for name in filters.parts if name not in ("column", "value")]
    if filters.column and filters.value:
        names.append(("column", "value"))
    return list(zip(names, in_words(filters), strict=True))
