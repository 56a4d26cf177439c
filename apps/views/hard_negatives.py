"""Hard negatives: which wrong candidates fool the model?"""

import numpy as np
import pandas as pd
import streamlit as st

from apps.views.address import prepare_option, remember
from apps.views.cards import show_item, show_negative
from apps.views.looking import Looking
from apps.views.queries import choose_query
from workbench.bundles.bundle import Bundle, Query
from workbench.what_if.objective_words import WEIGHTS, in_words, left_aside

SHOWN = 12
COLUMNS = 4
SORTS = {
    "margin": ("smallest margin first", "margin", True),
    "rank": ("worst rank first", "rank", False),
    "order": ("order of the data", None, True),
}


def show(looking: Looking) -> None:
    """Return the whole view."""
    bundle = looking.bundle
    rows = chosen_rows(looking)
    if rows.empty:
        st.success("No failure here: every first answer is right. Switch off 'Only failures' to see the queries.")
        return
    query = bundle.query(choose_query(bundle, rows.index.tolist()))
    show_question(bundle, query)
    show_negatives(bundle, query)


def chosen_rows(looking: Looking) -> pd.DataFrame:
    """Return the rankings that pass the filters, in the chosen order."""
    left, right = st.columns([4, 1], vertical_alignment="bottom")
    with left:
        prepare_option("sort", list(SORTS), "margin")
        sort = st.selectbox("Order", list(SORTS), key="sort", format_func=lambda name: SORTS[name][0])
        remember("sort", sort)
    with right:
        failures = only_failures()
    rows = looking.bundle.rankings.iloc[looking.queries]
    if failures:
        rows = rows.loc[rows["hit"] < 1]
    _, column, ascending = SORTS[sort]
    return rows if column is None else rows.sort_values(by=column, ascending=ascending, kind="stable")


def only_failures() -> bool:
    """Tell whether to leave out queries whose first answer is right."""
    prepare_option("failures", [True, False], True)
    chosen = st.toggle("Only failures", key="failures")
    remember("failures", chosen)
    return chosen


def show_question(bundle: Bundle, query: Query) -> None:
    """Return the query and its right answer side by side, with the numbers that matter."""
    left, middle, right = st.columns([3, 3, 2])
    with left, st.container(border=True, height="stretch"):
        st.markdown("**Query**")
        show_item(bundle, query.query)
    with middle, st.container(border=True, height="stretch"):
        st.markdown(f":green-badge[right answer] similarity **{query.similarity:.3f}**")
        show_item(bundle, query.positive)
    with right, st.container(border=True, height="stretch"):
        st.metric("Rank of the right answer", f"{query.rank:g} of {query.size}")
        st.metric(
            "Margin",
            "none" if np.isnan(query.margin) else f"{query.margin:+.3f}",
            help="Similarity of the right answer minus that of the hardest negative; below 0 it fails.",
        )


def show_negatives(bundle: Bundle, query: Query) -> None:
    """Return the most similar wrong candidates as cards."""
    negatives = bundle.hardest(query.number)[:SHOWN]
    if not negatives:
        st.info("This query has no wrong candidates.")
        return
    trained = bundle.objective_settings
    weighing = (
        ["The objective of this model is not known, so nothing is weighed here; see Pair weights."]
        if trained is None
        else [f"{in_words(trained)}: {WEIGHTS[trained.name]}", *left_aside(trained)]
    )
    st.markdown(
        f"##### Its {len(negatives)} hardest negatives",
        help="Weight and share of the gradient are those of the objective that the model was trained by, over the "
        f"query's whole pool of this evaluation; direction query to candidates. {' '.join(weighing)}",
    )
    for start in range(0, len(negatives), COLUMNS):
        for column, negative in zip(st.columns(COLUMNS), negatives[start : start + COLUMNS], strict=False):
            with column:
                show_negative(bundle, query, negative)
