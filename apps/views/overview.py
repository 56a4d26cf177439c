"""Overview: how good is the model, what is wrong with it, what would help, and how do all runs compare?"""

import pandas as pd
import streamlit as st

from apps.views import cached
from apps.views.address import prepare_option, remember
from apps.views.captions import escaped
from apps.views.export import download_table
from apps.views.looking import Looking
from apps.views.overview_cards import chosen_scores, show_against, show_cards
from apps.views.overview_findings import show_cures, show_findings
from apps.views.overview_runs import show_runs
from workbench.bundles.bundle import Bundle
from workbench.figures.scores import scores_figure
from workbench.figures.training import training_figure
from workbench.measures.findings_of_answers import distribution_known
from workbench.measures.hardness import SUSPECT
from workbench.measures.prescriptions import Examined
from workbench.runs.runs import Run
from workbench.what_if.objective_words import in_words

CHART = {
    "displaylogo": False,
    "modeBarButtons": [["toImage"]],
    "toImageButtonOptions": {"format": "svg", "filename": "scores"},
}
"""A figure can be saved as SVG from its corner."""


def show(looking: Looking) -> None:
    """Return the whole view."""
    show_cards(looking)
    show_against(looking)
    if not len(looking.queries):
        st.info("No query passes the filters and the selection.")
    else:
        show_state(looking)
    if looking.run.metrics and looking.bundle.imported is None:
        st.plotly_chart(training_figure(looking.run.metrics), key="training", config={"displayModeBar": False})
    show_runs(looking)
    show_scores(looking.bundle)


def show_state(looking: Looking) -> None:
    """Return the scores by data set, what the model is, what is wrong with it, and what would help."""
    found = cached.examined(looking.key, looking.bundle, looking.queries)
    left, right = st.columns([5, 3], gap="medium")
    with left:
        scores = chosen_scores(looking, "dataset")
        trained = looking.bundle.rankings.drop_duplicates("dataset").set_index("dataset")["in_distribution"]
        halves = [bool(trained[each.name]) for each in scores] if distribution_known(looking.bundle) else None
        st.plotly_chart(scores_figure(scores, halves), key="scores", config=CHART)
        st.caption(f"P@1 over {looking.sentence}.")
    with right:
        show_facts(looking.run, looking.bundle, found)
    show_findings(looking, found)
    show_cures(looking, found)


def show_facts(run: Run, bundle: Bundle, found: Examined) -> None:
    """Say what was trained, how, and how far."""
    st.markdown("##### What it is")
    st.markdown(
        f"{origin(run, bundle)}  \n"
        f"Vectors of **{bundle.vectors.shape[1]}** numbers, {len(bundle.items):,} items  \n"
        f"{len(bundle.rankings):,} queries in {len(bundle.datasets)} data sets"
    )
    if found.suspects:
        st.markdown(
            f"Suspected false negatives: {escaped(found.suspects)}",
            help=f"Negatives that reach {SUSPECT:.0%} of the right answer's similarity (NV-Retriever's rule) where a "
            "plain failure does not explain it. A suspicion by the model itself, for you to look at; those that are "
            "known to differ from the right answer are not counted.",
        )
    else:
        st.markdown("Suspected false negatives: not told of a space that has collapsed.")


def origin(run: Run, bundle: Bundle) -> str:
    """Say where the vectors come from: a step of a training, an evaluation alone, or another tool. As Markdown."""
    settings = bundle.objective_settings
    if bundle.imported is not None:
        return f"Imported vectors of **{escaped(bundle.imported)}**  \n" + (
            "How it was trained is not known here" if settings is None else f"Trained with **{in_words(settings)}**"
        )
    if settings is None:
        return "Evaluated here, **trained elsewhere**: how is not known"
    planned = f" of {run.planned}" if run.planned is not None else ""
    return f"Objective **{in_words(settings)}**  \nStep **{bundle.step}**{planned}, run {run.state}"


def show_scores(bundle: Bundle) -> None:
    """Return all scores as evaluated, in percent, if they are asked for."""
    prepare_option("every_score", [False, True], False)
    asked = st.toggle("Every score, as evaluated (over all queries)", key="every_score")
    remember("every_score", asked)
    if not asked:
        return
    known = distribution_known(bundle)
    scores: pd.DataFrame = bundle.scores if known else bundle.scores.loc[bundle.scores["scope"] != "distribution"]
    table = scores.copy()
    for name in ("value", "low", "high", "chance"):
        table[name] = 100 * table[name]
    percent = st.column_config.NumberColumn(format="%.1f %%")
    columns = {name: percent for name in ("value", "low", "high", "chance")}
    st.dataframe(table, hide_index=True, column_config=columns | {"pool": st.column_config.NumberColumn(format="%.0f")})
    download_table(scores, "scores", "every-score")
