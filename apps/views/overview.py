"""Overview: how good is the model, and what is wrong with it?"""

import pandas as pd
import streamlit as st

from apps.views import cached
from apps.views.address import go_to
from apps.views.captions import escaped
from apps.views.choose import VIEWS
from apps.views.looking import Looking
from workbench.bundles.bundle import Bundle
from workbench.figures.scores import scores_figure
from workbench.figures.training import training_figure
from workbench.measures.hardness import SUSPECT, suspected_false_negatives
from workbench.measures.retrieval import Hint, as_scores, score_of
from workbench.runs.runs import Run
from workbench.what_if.objective_words import in_words

METRICS = {
    "P@1": "Share of queries whose first answer is right.",
    "R@5": "Share of queries with a right answer among the first five.",
    "R@10": "Share of queries with a right answer among the first ten.",
    "MRR": "Mean of 1 / rank of the right answer.",
    "V-measure": "How well clusters of the query vectors match the classes: 0 to 1.",
}
MOST_HINTS = 4
CARDS = (
    ("distribution", "in distribution", "P@1", "Trained data sets"),
    ("distribution", "out of distribution", "P@1", "New data sets"),
    ("overall", "all", "P@1", "All data sets"),
    ("overall", "all", "R@5", "All, first five"),
)


def show(looking: Looking) -> None:
    """Return the whole view."""
    run, bundle = looking.run, looking.bundle
    show_cards(bundle)
    left, right = st.columns([5, 3], gap="medium")
    with left:
        members = bundle.scores.loc[(bundle.scores["scope"] == "dataset") & (bundle.scores["metric"] == "P@1")]
        trained = bundle.rankings.drop_duplicates("dataset").set_index("dataset")["in_distribution"]
        halves = [bool(trained[name]) for name in members["name"]]
        figure = scores_figure(as_scores(members), halves if halves_known(bundle) else None)
        st.plotly_chart(figure, key="scores", config={"displayModeBar": False})
    with right:
        show_hints(cached.hints(bundle.digest, bundle))
        show_facts(run, bundle)
    if bundle.imported is None:
        st.plotly_chart(training_figure(run.metrics), key="training", config={"displayModeBar": False})
    with st.expander("Every score"):
        show_table(bundle.scores)


def halves_known(bundle: Bundle) -> bool:
    """Tell whether it is known which data sets the model was trained on; who imports vectors need not say."""
    return bundle.imported is None or bool(bundle.rankings["in_distribution"].nunique() > 1)


def show_cards(bundle: Bundle) -> None:
    """Return the headline scores, each with its interval, chance, queries and pool."""
    cards = [card for card in CARDS if card[0] != "distribution" or halves_known(bundle)]
    found = [(label, metric, score_of(bundle, scope, name, metric)) for scope, name, metric, label in cards]
    present = [(label, metric, score) for label, metric, score in found if score is not None]
    for column, (label, metric, score) in zip(st.columns(max(1, len(present))), present, strict=False):
        with column, st.container(border=True):
            st.metric(
                f"{label}: {metric}",
                f"{100 * score.value:.1f} %",
                delta=f"95 %: {100 * score.low:.1f} to {100 * score.high:.1f} %",
                delta_color="off",
                delta_arrow="off",
                help=f"{METRICS[metric]} The range below is its 95 % bootstrap interval.",
            )
            st.caption(f"chance {100 * score.chance:.1f} %  \n{score.n:,} queries, {score.pool:.0f} candidates each")


def show_hints(hints: list[Hint]) -> None:
    """Say what is wrong, each with a button that leads to it."""
    st.markdown("##### What is wrong")
    if not hints:
        st.success("Nothing stands out.")
    for number, hint in enumerate(hints[:MOST_HINTS]):
        with st.container(border=True, gap="xxsmall"):
            st.markdown(escaped(hint.text))
            st.button(
                f"Look: {VIEWS[hint.view][0]}",
                key=f"hint-{number}",
                on_click=go_to,
                args=(hint.view, hint.state),
                type="tertiary",
                icon=":material/arrow_forward:",
            )


def show_facts(run: Run, bundle: Bundle) -> None:
    """Say what was trained, how, and how far."""
    st.markdown("##### What it is")
    st.markdown(
        f"{origin(run, bundle)}  \n"
        f"Vectors of **{bundle.vectors.shape[1]}** numbers, {len(bundle.items):,} items  \n"
        f"{len(bundle.rankings):,} queries in {len(bundle.datasets)} data sets"
    )
    show_suspects(bundle)


def origin(run: Run, bundle: Bundle) -> str:
    """Say where the vectors come from: a step of a training, or another tool. As Markdown."""
    settings = bundle.objective_settings
    if bundle.imported is not None:
        return f"Imported vectors of **{escaped(bundle.imported)}**  \n" + (
            "How it was trained is not known here" if settings is None else f"Trained with **{in_words(settings)}**"
        )
    if settings is None:
        return "Evaluated only: how this model was trained is not known here"
    planned = f" of {run.planned}" if run.planned is not None else ""
    return f"Objective **{in_words(settings)}**  \nStep **{bundle.step}**{planned}, run {run.state}"


def show_suspects(bundle: Bundle) -> None:
    """Say how many negatives the model itself holds for nearly as right as the right answer."""
    counts = suspected_false_negatives(cached.pools(bundle.digest, None, bundle))
    st.markdown(
        f"Suspected false negatives: **{counts.sum():,}** in {(counts > 0).sum():,} of {len(counts):,} pools"
        if counts.any()
        else f"Suspected false negatives: **none** in {len(counts):,} pools",
        help=f"Negatives that reach {SUSPECT:.0%} of the right answer's similarity (NV-Retriever's rule). A suspicion "
        "by the model itself, for you to look at; those that are known to differ from the right answer are not "
        "counted.",
    )


def show_table(scores: pd.DataFrame) -> None:
    """Return all scores, in percent."""
    table = scores.copy()
    for name in ("value", "low", "high", "chance"):
        table[name] = 100 * table[name]
    percent = st.column_config.NumberColumn(format="%.1f %%")
    columns = {name: percent for name in ("value", "low", "high", "chance")}
    st.dataframe(table, hide_index=True, column_config=columns | {"pool": st.column_config.NumberColumn(format="%.0f")})
