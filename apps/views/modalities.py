"""Modalities: which kinds of items are found, how far do they lie apart, and what would moving them change?"""

from collections.abc import Mapping

import numpy as np
import pandas as pd
import streamlit as st

from apps.views import cached_modalities as cached
from apps.views.cached_similarity import matches_of
from apps.views.captions import escaped
from apps.views.choose import choose
from apps.views.export import download_table
from apps.views.looking import Against, Looking
from apps.views.modality_changes import show_changes
from apps.views.switch import switched_on
from workbench.figures.modality_gap import modality_gap_figure
from workbench.figures.modality_matrix import modality_matrix_figure, written
from workbench.measures.hardness import Mean, sample_rows
from workbench.measures.modality_scores import Gap, Quantity, Sides, table_of

CHART = {"displaylogo": False}
QUANTITIES: Mapping[Quantity, str] = {
    "P@1": "P@1: the first answer is right",
    "MRR": "MRR: 1 / rank of the right answer",
    "similarity": "Similarity of the right answer",
    "margin": "Margin to the hardest negative",
}
DEFINITIONS: Mapping[Quantity, str] = {
    "P@1": "Share of queries whose first answer is right, ties by expectation.",
    "MRR": "Mean of 1 / rank of the best right answer; where there are ties, of its expected rank.",
    "similarity": "Cosine of the query and its best right answer. It may differ by modality although nothing is ranked "
    "worse: what ranks is the margin.",
    "margin": "Similarity of the best right answer minus that of the most similar wrong candidate.",
}
SHARES = ("P@1", "MRR")
DRAWN = 1000


def show(looking: Looking) -> None:
    """Return the whole view."""
    if not len(looking.queries):
        st.info("No query passes the filters and the selection.")
        return
    show_matrix(looking)
    st.markdown("##### How far the kinds lie apart")
    show_gaps(looking)
    st.markdown("##### What if the stored vectors were changed?")
    show_changes(looking)


def show_matrix(looking: Looking) -> None:
    """Return a quantity by the modalities of query and right answer, of one model or two."""
    quantity = choose("modal_quantity", "Show", list(QUANTITIES), "P@1", QUANTITIES.__getitem__)
    means = cached.means(looking.key, quantity, looking.bundle, looking.queries)
    figure = modality_matrix_figure(means, quantity, quantity in SHARES, finding(means, quantity))
    st.plotly_chart(figure, key="modality-matrix", config=CHART)
    table = table_of(means)
    beside = ""
    if looking.against is not None:
        change, beside = differences(looking, looking.against, quantity)
        table = table.merge(change, on=["query", "right answer"], how="left")
    st.caption(f"{DEFINITIONS[quantity]} Intervals: 95 %, queries drawn. {looking.sentence}.{beside}")
    st.dataframe(shown(table, quantity), hide_index=True)
    download_table(table, f"modalities-{quantity}", "modalities")


def differences(looking: Looking, other: Against, quantity: Quantity) -> tuple[pd.DataFrame, str]:
    """Return the paired differences to the other evaluation by modalities, and what they are, in words."""
    both = matches_of(looking, other)
    change = cached.differences(looking.key, other.bundle.digest, quantity, looking.bundle, other.bundle, both)
    names = {"queries": "matched queries", "mean": "difference", "from": "difference from", "to": "difference to"}
    words = f" Difference: minus {escaped(other.run)}, on the {len(both.own):,} queries that both were asked."
    return table_of(change).rename(columns=names), words


def finding(means: Mapping[Sides, Mean], quantity: Quantity) -> str:
    """Name the best and the worst pair of modalities."""
    known = {sides: mean for sides, mean in means.items() if mean.n}
    if not known:
        return f"No query has a {quantity}"
    best, worst = max(known, key=lambda each: known[each].value), min(known, key=lambda each: known[each].value)
    said = f"{quantity} {best[0]} to {best[1]}: {written(known[best].value, quantity in SHARES)}"
    if best == worst:
        return said
    return f"{said}; {worst[0]} to {worst[1]}: {written(known[worst].value, quantity in SHARES)}"


def shown(table: pd.DataFrame, quantity: Quantity) -> pd.DataFrame:
    """Return a table with its numbers written out."""
    plain = ("query", "right answer", "queries")
    return table.assign(
        **{
            name: [written(float(value), quantity in SHARES) for value in table[name]]
            for name in table.columns
            if name not in plain and not str(name).startswith("matched")
        }
    )


def show_gaps(looking: Looking) -> None:
    """Return the gaps as a table; classifier and figure behind switches."""
    found = cached.gaps(looking.key, looking.bundle, looking.queries)
    if not found:
        st.info("There are too few items to compare kinds of vectors.")
        return
    st.dataframe(gap_table(found), hide_index=True)
    st.caption(
        "Gap: length of the difference of the two mean vectors, 0 (same place) to 2. Shuffled: what 95 % of 50 "
        "shuffles of the labels stay below; a gap below it is none. A gap costs nothing where it moves all candidates "
        "of a query alike; it costs answers where candidates of several kinds compete."
    )
    if switched_on("modal_probe", "Can a linear classifier tell queries from right answers?"):
        value = cached.probe(looking.key, looking.bundle, looking.queries)
        st.markdown(
            "Too few vectors to fit one."
            if np.isnan(value)
            else f"AUROC of a logistic regression on vectors it has not seen: **{value:.3f}** (0.5: it cannot, 1: a "
            f"plane parts them). 5 folds, at most {cached.PROBED} queries and their right answers."
        )
    if switched_on("modal_sides", "Draw both sides along the gap"):
        rows = looking.bundle.rankings.iloc[looking.queries[sample_rows(len(looking.queries), DRAWN)]]
        first, second = (looking.bundle.vectors[rows[name].to_numpy()] for name in ("query", "positive"))
        st.plotly_chart(modality_gap_figure(first, second), key="modality-gap", config=CHART)
        st.caption(f"{len(rows):,} queries and their right answers, an even sample where there are more.")


def gap_table(found: list[Gap]) -> pd.DataFrame:
    """Return the gaps as a table."""
    return pd.DataFrame(
        {
            "one side": [each.first for each in found],
            "other side": [each.second for each in found],
            "vectors": [f"{each.counts[0]:,} and {each.counts[1]:,}" for each in found],
            "gap": [f"{each.value:.3f}" for each in found],
            "shuffled": [f"{each.shuffled:.3f}" for each in found],
        }
    )
