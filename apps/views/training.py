"""Training: what happened while the model learnt?"""

from collections.abc import Sequence

import pandas as pd
import streamlit as st

from apps.views.address import prepare_option, remember
from apps.views.captions import escaped
from apps.views.export import download_table
from apps.views.training_curves import Look, choose_look, show_progress
from apps.views.training_groups import show_groups
from apps.views.training_query import show_query
from apps.views.training_spikes import show_spikes
from apps.views.training_with import choose_others
from workbench.runs.runs import Run
from workbench.runs.settings import differing, flat
from workbench.what_if.objective_words import in_words

REFRESH = 2.0
"""Seconds between two looks at the log of a run that goes on."""
PARTS = {
    "spikes": ("Spikes", show_spikes),
    "query": ("Replay of one query", show_query),
    "groups": ("Replay of all recorded pairs", show_groups),
}


def show(run: Run, runs: Sequence[Run]) -> None:
    """Return the whole view; it needs no evaluation, so it also shows a run that is still training."""
    if run.state == "imported":
        st.info("These vectors were imported: how their model was trained is not known here.")
        return
    show_facts(run)
    others = choose_others(run, runs)
    look = choose_look()
    show_live(run, others, look)
    if others:
        show_differences([run, *others])
    names = list(PARTS)
    prepare_option("part", names, names[0])
    part = st.segmented_control(
        "Look closer", names, key="part", format_func=lambda name: PARTS[name][0], required=True
    )
    remember("part", part)
    PARTS[str(part)][1](run)


def show_facts(run: Run) -> None:
    """Say what is trained, what is wrong, and how to go on."""
    st.markdown(f"**{in_words(run.objective) if run.objective is not None else 'an objective that cannot be read'}**")
    if run.problem:
        st.warning(escaped(run.problem))
    if run.state in ("stopped", "half-written"):
        st.markdown("To go on with it, type:")
        st.code(run.resume_command, language="sh")


def show_live(run: Run, others: Sequence[Run], look: Look) -> None:
    """Return numbers and curves; while the run goes on they follow its log by themselves, and stop when it ends."""
    every = REFRESH if run.state == "running" else None
    st.fragment(show_progress, run_every=every)(run.folder, tuple(each.folder for each in others), look, run.state)


def show_differences(runs: Sequence[Run]) -> None:
    """Return a small table of the settings in which the runs differ."""
    readable = [run for run in runs if run.settings]
    settings = {run.name: flat(run.settings) for run in readable}
    names = differing(list(settings.values()))
    for run in runs:
        if not run.settings:
            st.caption(f"{escaped(run.name)}: its settings cannot be read, so they are not compared.")
    if len(readable) < 2:
        return
    if not names:
        st.caption("The runs have the same settings, but for where they are written, their memory and their speed.")
        return
    rows = [{"setting": name} | {run: str(values.get(name)) for run, values in settings.items()} for name in names]
    table = pd.DataFrame(rows)
    st.dataframe(table, hide_index=True, height="content" if len(table) <= 10 else 380)
    st.caption("Settings that differ and change what is learned; those not in config.yaml have their defaults.")
    download_table(table, "settings", "settings")
