"""The headline scores, and their paired difference to another evaluation."""

import numpy as np
import streamlit as st

from apps.views import cached
from apps.views.address import put
from apps.views.captions import escaped
from apps.views.filter_bar import SELECTED
from apps.views.looking import Against, Looking
from core.evaluation.metrics import PairedDifference, Score
from workbench.measures.findings_of_answers import distribution_known
from workbench.measures.matched import Matched, lost, won
from workbench.measures.retrieval import as_scores, score_of

METRICS = {
    "P@1": "Share of queries whose first answer is right, as the mean over data sets.",
    "R@5": "Share of queries with a right answer among the first five, as the mean over data sets.",
}
CARDS = (
    ("distribution", "in distribution", "P@1", "Trained data sets"),
    ("distribution", "out of distribution", "P@1", "New data sets"),
    ("overall", "all", "P@1", "All data sets"),
    ("overall", "all", "R@5", "All, first five"),
)

ALL_SETS = "All data sets"
CARD = 250
"""Pixels that a card is wide; as many as fit stand side by side."""


def all_pass(looking: Looking) -> bool:
    """Tell whether every query is looked at."""
    return len(looking.queries) == len(looking.bundle.rankings)


def chosen_scores(looking: Looking, scope: str) -> list[Score]:
    """Return P@1 of each data set, or overall, over the queries that are looked at."""
    if not all_pass(looking):
        found = cached.scores_over(looking.key, looking.bundle, looking.queries)
        return [each for each in found if each.scope == scope]
    scores = looking.bundle.scores
    return as_scores(scores.loc[(scores["scope"] == scope) & (scores["metric"] == "P@1")])


def show_cards(looking: Looking) -> None:
    """Return the headline scores; of queries that are filtered or selected, P@1 over those."""
    if not all_pass(looking):
        present = [("Queries that pass", "P@1", each) for each in chosen_scores(looking, "overall")]
    else:
        known = distribution_known(looking.bundle)
        cards = [card for card in CARDS if card[0] != "distribution" or known]
        found = [(label, metric, score_of(looking.bundle, scope, name, metric)) for scope, name, metric, label in cards]
        present = [(label, metric, score) for label, metric, score in found if score is not None]
    with st.container(horizontal=True, gap="small"):
        for label, metric, score in present:
            with st.container(border=True, width=CARD):
                show_card(label, metric, score)


def show_card(label: str, metric: str, score: Score) -> None:
    """Return one score with its interval, chance, queries and pool."""
    st.metric(
        f"{label}: {metric}",
        f"{100 * score.value:.1f} %",
        delta=f"95 %: {100 * score.low:.1f} to {100 * score.high:.1f} %",
        delta_color="off",
        delta_arrow="off",
        help=f"{METRICS[metric]} The range below is its 95 % bootstrap interval.",
    )
    st.caption(f"chance {100 * score.chance:.1f} %  \n{score.n:,} queries, {score.pool:.0f} candidates each")


def show_against(looking: Looking) -> None:
    """Return the difference to the other evaluation on the queries that both have, if another one is chosen."""
    against, bundle = looking.against, looking.bundle
    if against is None:
        return
    every = cached.matches(bundle.digest, against.bundle.digest, bundle, against.bundle)
    found = every.among(looking.queries)
    st.markdown(f"##### Against {escaped(against.name)}")
    if not len(found.own):
        st.info(
            "The two evaluations have no query in common that is looked at: nothing can be compared in pairs."
            f"{left_out_words(found)}"
        )
        return
    parts = parts_of(looking, found)
    with st.container(horizontal=True, gap="small"):
        for label, part in parts.items():
            key = f"{looking.key} {label}"
            change = cached.difference(key, against.bundle.digest, bundle, against.bundle, part)
            with st.container(border=True, width=CARD):
                show_difference(label, change)
    with st.container(horizontal=True, gap="small"):
        show_outcomes(looking, against, found)
    st.caption(
        f"{len(found.own):,} of {looking.sentence} have a partner there: the same query of the same data set, with as "
        f"many candidates.{left_out_words(found)}"
    )


def left_out_words(found: Matched) -> str:
    """Say how many queries have pools of another size there."""
    many = found.other_pool
    return f" {many:,} queries that both have are left out, for their pools differ in size." if many else ""


def parts_of(looking: Looking, found: Matched) -> dict[str, Matched]:
    """Return the matched queries of all, trained and new data sets, the latter two only where that is known."""
    parts = {ALL_SETS: found}
    if distribution_known(looking.bundle):
        inside = looking.bundle.rankings["in_distribution"].to_numpy(dtype=bool)[found.own]
        if inside.any() and not inside.all():
            parts |= {
                label: Matched(found.own[members], found.other[members], 0)
                for label, members in (("Trained data sets", inside), ("New data sets", ~inside))
            }
    return parts


def show_difference(label: str, change: PairedDifference) -> None:
    """Return a difference with its interval; its direction is coloured only where the interval leaves out 0."""
    told = not change.low <= 0 <= change.high
    st.metric(
        f"{label}: P@1 less theirs",
        f"{100 * change.value:+.1f} points",
        delta=f"{100 * change.value:+.1f}: 95 % {100 * change.low:+.1f} to {100 * change.high:+.1f}",
        delta_color="normal" if told else "off",
        delta_arrow="auto" if told else "off",
        help="P@1 here minus P@1 there on the same queries, as the mean over data sets. The range is the 95 % interval "
        "of a paired bootstrap: queries are resampled with both of their outcomes.",
    )
    st.caption(
        f"{100 * change.before:.1f} % there, {100 * change.after:.1f} % here  \n{change.n:,} queries that both have"
    )


def show_outcomes(looking: Looking, against: Against, found: Matched) -> None:
    """Return how many queries are answered better here, and worse, as buttons that select them for all views."""
    for rule, rows, words in (
        ("won", won(looking.bundle, against.bundle, found), "answered better here"),
        ("lost", lost(looking.bundle, against.bundle, found), "answered worse here"),
    ):
        st.button(
            f"{len(np.unique(rows)):,} {words}",
            key=f"select-{rule}",
            help="Select these queries for all views",
            icon=":material/filter_alt:",
            on_click=put,
            args=({SELECTED: f"{rule}:{against.name}"},),
            disabled=not len(rows),
        )
