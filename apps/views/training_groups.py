"""The replay of all recorded pairs of a training: its heaviest negatives in groups."""

import numpy as np
import pandas as pd
import streamlit as st

from apps.views.training_records import CHART, choose_dataset, marks_of, records, say_no_records, seed_of, warn
from workbench.figures.replay import replay_figure
from workbench.measures.replay import Replay, replay
from workbench.runs.pair_records import MOST_STEPS, Recorded
from workbench.runs.runs import Run


def show_groups(run: Run) -> None:
    """Say how the heaviest negatives changed, of all data sets or of one."""
    marks = marks_of(run)
    if not marks:
        say_no_records()
        return
    recorded, hardness = records(str(run.folder), marks, seed_of(run))
    warn(recorded.problems)
    if recorded.rows.empty:
        st.info("None of the recorded pairs can be read.")
        return
    dataset = choose_dataset(recorded.rows)
    found = courses(recorded.rows, hardness, dataset)
    st.plotly_chart(replay_figure(found), key="replay", config=CHART)
    st.caption(explained(recorded, found))


def courses(rows: pd.DataFrame, hardness: np.ndarray, dataset: str | None) -> Replay:
    """Return the courses of one data set, or of all."""
    chosen = np.full(len(rows), True) if dataset is None else rows["dataset"].to_numpy() == dataset
    return replay(rows.loc[chosen], hardness[chosen])


def explained(recorded: Recorded, found: Replay) -> str:
    """Say what is drawn."""
    grouped = (
        f"Groups: in how many of the asked attributes a negative truly differs (known of {found.known:.0%})."
        if found.by_truth
        else "Groups: the place of a negative among its query's heaviest, as their true difference is not known."
    )
    mixed = (
        f" A step draws {found.datasets_a_step:.1f} of {found.datasets} data sets on average, so these lines follow "
        "what was drawn: choose a data set."
        if found.mixed
        else ""
    )
    shown = f" (at most {MOST_STEPS} are read)" if recorded.steps > MOST_STEPS else ""
    return (
        f"Only each query's heaviest negatives are recorded, in the direction query to target: {found.queries:,} "
        f"queries in {len(found.steps):,} of {recorded.steps:,} recorded steps{shown}. What the lines of the last "
        f"chart lack to 100 % went to negatives that are not recorded or not in a group. {grouped}{mixed}"
    )
