"""Similarity: do the similarities of right and wrong answers overlap?"""

import numpy as np
import pandas as pd
import streamlit as st
from streamlit.elements.lib.column_types import ColumnConfig

from apps.views import cached
from apps.views.captions import escaped
from apps.views.looking import Looking
from workbench.bundles.bundle import Bundle
from workbench.figures.similarity_overlap import Histograms, similarity_overlap_figure
from workbench.measures.overlap import Overlap
from workbench.what_if.objective_words import made_by

KINDS = ("positive", "hard", "easy")
DEFINITIONS = {
    "AUROC": "Probability that a right answer is more similar than a negative; ties count half. 50 % is chance.",
    "overlap": "Area that the two histograms share: 0 % apart, 100 % alike.",
    "d'": "Distance of the two means in standard deviations.",
}
Measures = dict[str, tuple[Overlap, tuple[float, float]]]


def show(looking: Looking) -> None:
    """Return the whole view."""
    run, bundle, dataset, other = looking.run, looking.bundle, looking.dataset, looking.against
    measures = cached.overlaps(bundle.digest, dataset, bundle)
    models = [histograms(bundle, f"{run.name}, {made_by(bundle)}", dataset, measures)]
    if other is not None and (dataset is None or dataset in other.bundle.datasets):
        beside = cached.overlaps(other.bundle.digest, dataset, other.bundle)
        models.append(histograms(other.bundle, f"{other.run}, {made_by(other.bundle)}", dataset, beside))
    elif other is not None:
        st.info(f"{escaped(other.run)} was not evaluated on {escaped(str(dataset))}.")
    show_measures(measures)
    figure = similarity_overlap_figure(models, finding(measures, dataset))
    st.plotly_chart(figure, key="overlap", config={"displayModeBar": False})
    st.caption(
        "Each kind is scaled to its own total. Hard and easy: the 5 most and the 5 least similar wrong candidates of "
        "each query. Beyond 5,000 queries the measures, not the histograms, are over an even sample of so many."
    )
    with st.expander("By data set"):
        st.dataframe(by_dataset(bundle), hide_index=True, column_config=columns())


def histograms(bundle: Bundle, name: str, dataset: str | None, measures: Measures) -> Histograms:
    """Return the bundle's exact counts for a data set, or summed over all."""
    edges, counts = bundle.counts(dataset)
    hard = measures["hard"][0]
    note = f"AUROC against hard {hard.auroc:.1%}, overlap {hard.overlap:.1%}, d' {hard.d_prime:.2f}"
    return Histograms(name, note, edges, {kind: counts[kind] for kind in KINDS})


def show_measures(measures: Measures) -> None:
    """Right answers against hard, easy and all negatives."""
    for column, (kind, (found, (low, high))) in zip(st.columns(3), measures.items(), strict=True):
        with column, st.container(border=True):
            st.metric(
                f"AUROC against {kind} negatives",
                percent(found.auroc),
                delta=f"95 %: {percent(low)} to {percent(high)}",
                delta_color="off",
                delta_arrow="off",
                help=" ".join(f"{name}: {meaning}" for name, meaning in DEFINITIONS.items()),
            )
            st.caption(
                f"chance 50 %, overlap {percent(found.overlap)}, d' {found.d_prime:.2f}  \n"
                f"{found.positives:,} right answers, {found.negatives:,} negatives"
            )


def finding(measures: Measures, dataset: str | None) -> str:
    """Return the answer to the view's question."""
    found = measures["hard"][0]
    where = "all data sets" if dataset is None else dataset
    if np.isnan(found.auroc):
        return f"There are no negatives in {where}"
    return f"In {where}, {percent(found.overlap)} of right answers and hard negatives overlap"


def by_dataset(bundle: Bundle) -> pd.DataFrame:
    """AUROC and overlap of every data set."""
    rows = []
    for dataset in bundle.datasets:
        measures = cached.overlaps(bundle.digest, dataset, bundle)
        (hard, (low, high)), (every, _) = measures["hard"], measures["all"]
        shares = (hard.auroc, low, high, hard.overlap, every.auroc)
        rows.append([dataset, *(100 * share for share in shares), hard.d_prime, hard.positives])
    return pd.DataFrame(rows, columns=["data set", *PERCENT, "d' (hard)", "queries"])


PERCENT = ("AUROC (hard)", "from", "to", "overlap (hard)", "AUROC (all)")


def columns() -> dict[str, ColumnConfig]:
    """Say how the table's numbers are written."""
    percentages = {name: st.column_config.NumberColumn(format="%.1f %%") for name in PERCENT}
    return percentages | {"d' (hard)": st.column_config.NumberColumn(format="%.2f")}


def percent(share: float) -> str:
    """Return a share as a percentage, or a word where it does not exist."""
    return "unknown" if np.isnan(share) else f"{100 * share:.1f} %"
