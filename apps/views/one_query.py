"""One query of the view Hard negatives: its ranked candidates, the right answer at its place among them."""

import numpy as np
import streamlit as st

from apps.views import cached_groups
from apps.views.cards import show_candidate, show_item
from apps.views.ways_on import item_menu, query_menu
from workbench.bundles.bundle import Bundle, Query
from workbench.measures.ranked_candidates import Folded
from workbench.what_if.objective_words import WEIGHTS, in_words, left_aside

SHOWN = 12
MARGIN = "Similarity of the right answer minus that of the hardest negative; below 0 it fails."


def show_query(bundle: Bundle, number: int) -> None:
    """Return the query, its right answer and its ranked candidates."""
    query = bundle.query(number)
    show_question(bundle, query)
    show_ranked(bundle, query)


def show_question(bundle: Bundle, query: Query) -> None:
    """Return the query and its right answer side by side, with the numbers that matter."""
    left, middle, right = st.columns([3, 3, 2])
    with left, st.container(border=True, height="stretch"):
        st.markdown("**Query**")
        show_item(bundle, query.query, key="question")
        query_menu(query.number, query.query, "menu-question")
    with middle, st.container(border=True, height="stretch"):
        st.markdown(f":green-badge[right answer] similarity **{query.similarity:.3f}**")
        show_item(bundle, query.positive, key="answer")
        item_menu(query.positive, "menu-answer")
    with right, st.container(border=True, height="stretch"):
        tied = query.rank != int(query.rank)
        st.metric(
            "Rank of the right answer",
            f"{query.rank:g} of {query.size:,}",
            help="The mean of its possible ranks: it is as similar as others." if tied else None,
        )
        st.metric("Margin", "none" if np.isnan(query.margin) else f"{query.margin:+.3f}", help=MARGIN)


def show_ranked(bundle: Bundle, query: Query) -> None:
    """Return the candidates as cards, the most similar first; those in between as a line."""
    if np.isnan(query.margin):
        st.info("This query has no wrong candidates.")
        return
    trained = bundle.objective_settings
    weighing = (
        ["The objective of this model is not known, so nothing is weighed here; see Pair weights."]
        if trained is None
        else [f"{in_words(trained)}: {WEIGHTS[trained.name]}", *left_aside(trained)]
    )
    st.markdown(
        f"##### Its {query.size:,} ranked candidates",
        help="Weight and share of the gradient are those of the objective that the model was trained by, over the "
        f"query's whole pool of this evaluation; direction query to candidates. {' '.join(weighing)}",
    )
    found = cached_groups.ranked(bundle.digest, query.number, SHOWN, bundle)
    row = st.container(horizontal=True, gap="small")
    for each in found:
        if isinstance(each, Folded):
            st.caption(folded_words(each))
            row = st.container(horizontal=True, gap="small")
            continue
        with row:
            show_candidate(bundle, query, each, key=f"candidate-{each.place}")


def folded_words(fold: Folded) -> str:
    """Say which candidates are folded together."""
    similarity = f"similarity {fold.highest:.3f} to {fold.lowest:.3f}"
    right = f", {fold.right:,} of them right" if fold.right else ""
    if fold.first == fold.last:
        return f"rank {fold.first:,}: one more, similarity {fold.highest:.3f}{', right' if fold.right else ''}"
    return f"ranks {fold.first:,} to {fold.last:,}: {fold.last - fold.first + 1:,} more, {similarity}{right}"
