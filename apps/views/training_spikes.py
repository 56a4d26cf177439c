"""Spikes of a training, and which data set their batches were drawn from."""

import numpy as np
import pandas as pd
import streamlit as st

from apps.views.choose import choose
from apps.views.export import download_table
from workbench.figures.curves import Line, spike_figure
from workbench.measures.spikes import RULE, Spike, blame, robust_z, spikes
from workbench.runs.pair_records import datasets_at
from workbench.runs.runs import Run

OF = {"loss": "Loss", "gradient_norm": "Gradient norm"}
MOST_LOOKED_UP = 100
"""Spikes of which the record of pairs is asked, where the log does not say what they were drawn from."""


def show_spikes(run: Run) -> None:
    """Return the steps that stand out, with their data sets where those are recorded."""
    field = choose("spikes_of", "Spikes of", list(OF), "loss", OF.__getitem__)
    log = run.metrics
    values = log.column(field)
    found = spikes(log, field)
    line = Line(run.name, log.steps, values)
    figure = spike_figure(OF[field], line, robust_z(values)[1], [each.place for each in found])
    st.plotly_chart(figure, key="spikes", config={"displaylogo": False})
    st.caption(f"As of step {run.done}. Rule: {RULE}")
    if not found:
        return
    table = spike_table(run, found)
    st.dataframe(table, hide_index=True, height="content" if len(table) <= 10 else 380, column_config=FORMS)
    download_table(table, f"{run.name}-spikes", "spike-table")
    show_blame(blame(found, log), len(found))


FORMS = {
    "value": st.column_config.NumberColumn(format="%.4g", help="Empty: NaN, or infinite"),
    "expected": st.column_config.NumberColumn(format="%.4g", help="Median of the steps before"),
    "z": st.column_config.NumberColumn(format="%.1f", help="Empty where the value is not finite"),
    "data sets": st.column_config.TextColumn(help="Pairs of the step's whole batch, by data set", width="large"),
}


def spike_table(run: Run, found: list[Spike]) -> pd.DataFrame:
    """Return one row a spike, the highest first: step, value, expected, z, data sets."""
    found = sorted(found, key=lambda each: -each.z)
    return pd.DataFrame(
        {
            "step": [each.step for each in found],
            "value": [each.value for each in found],
            "expected": [each.expected for each in found],
            "z": [each.z if np.isfinite(each.z) else np.nan for each in found],
            "data sets": [origin(run, each, number < MOST_LOOKED_UP) for number, each in enumerate(found)],
        }
    )


def origin(run: Run, spike: Spike, look: bool) -> str:
    """Say which data sets a step's batch was drawn from: by the log, else by the record of pairs, else that neither."""
    if spike.datasets is not None:
        return ", ".join(f"{name} ({count})" for name, count in spike.datasets.items())
    names = datasets_at(run.folder, spike.step) if look else []
    return f"{', '.join(names)} (of its recorded pairs)" if names else "not recorded"


def show_blame(table: pd.DataFrame, count: int) -> None:
    """Return spikes by data set."""
    if table.empty:
        st.caption("This run's log does not say which data sets a batch was drawn from; newer runs log it.")
        return
    percent = st.column_config.NumberColumn(format="percent", help="Of the steps that drew from it, those with a spike")
    st.dataframe(
        table, hide_index=True, height="content" if len(table) <= 10 else 380, column_config={"share": percent}
    )
    st.caption(
        f"{count:,} spikes by data set. A batch of several data sets counts for each of them: a share above the others "
        "is a hint where to look, not a proof, above all with few spikes."
    )
