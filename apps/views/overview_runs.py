"""All runs in one table: what differs between their settings, and what they score; a click opens one."""

import pandas as pd
import streamlit as st

from apps.views import cached
from apps.views.address import put
from apps.views.export import download_table
from apps.views.looking import Looking
from workbench.bundles.bundle import MANIFEST
from workbench.runs.table import SCOPES

KEY = "all-runs"
PERCENT = tuple(f"P@1 {word}{end}" for word in SCOPES for end in ("", " low", " high"))


def show_runs(looking: Looking) -> None:
    """Return every evaluation of every run; a click on a row opens it."""
    st.markdown("##### All runs")
    key = repr(
        [
            (str(run.folder), run.state, run.done, run.problem, sorted(run.settings.items(), key=repr),
             [(each.name, (each / MANIFEST).stat().st_mtime_ns) for each in run.bundles])
            for run in looking.runs
        ]
    )  # fmt: skip
    table = cached.run_table(key, looking.runs)
    shown = table.dropna(axis="columns", how="all").copy()
    for name in PERCENT:
        if name in shown:
            shown[name] = 100 * shown[name]
    if not any(table["problem"]):
        shown = shown.drop(columns="problem", errors="ignore")
    here = (looking.run.name, looking.bundle.folder.name)
    shown.insert(
        0, "open", ["here" if each == here else "" for each in zip(table["run"], table["evaluation"], strict=True)]
    )
    st.dataframe(
        shown,
        hide_index=True,
        key=KEY,
        on_select=lambda: open_row(table),
        selection_mode="single-row",
        column_config={name: st.column_config.NumberColumn(format="%.1f %%") for name in PERCENT},
    )
    st.caption(
        "One row an evaluation; tick a row to open it, click a heading to sort. P@1 is the mean over data sets with "
        "its 95 % interval (low, high); trained and new data sets apart where it is known what was trained on. Of the "
        "settings those are shown that differ between the runs."
    )
    download_table(table, "runs", "runs")


def open_row(table: pd.DataFrame) -> None:
    """Open the evaluation of the ticked row."""
    rows = st.session_state[KEY]["selection"]["rows"]
    if not rows:
        return
    run, folder = (str(table[name].iloc[rows[0]]) for name in ("run", "evaluation"))
    put({"run": run, "bundle": folder, "against": "", "select": ""})
