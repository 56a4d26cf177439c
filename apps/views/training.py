"""Training: what happened while the model learnt?"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import streamlit as st

from apps.views.captions import escaped
from apps.views.choose import choose
from apps.views.filter_bar import ALL
from workbench.figures.replay import replay_figure
from workbench.figures.training import hardest_figure, training_figure
from workbench.measures.replay import Replay, known_hardness, replay
from workbench.runs.pair_records import FOLDER, MOST_STEPS, Recorded, read_recorded, recorded_files
from workbench.runs.runs import Run
from workbench.what_if.objective_words import in_words

CHART = {"displayModeBar": False}
NUMBERS = (
    ("loss", "Loss", "{:.3f}", "In nats, with the objective's weights. It cannot be compared between objectives."),
    ("infonce_loss", "InfoNCE loss", "{:.3f}", "The same batch without weights: comparable where tau is the same."),
    ("margin", "Margin", "{:+.3f}", "Similarity of the right answer minus that of the hardest negative of the batch."),
    ("hardest", "Hardest negative", "{:.3f}", "Mean similarity of each query's hardest negative of the batch."),
)
PROBLEMS = 3


def show(run: Run, runs: Sequence[Run]) -> None:
    """Return the whole view; it needs no evaluation, so it also shows a run that is still training."""
    if run.state == "imported":
        st.info("These vectors were imported: how their model was trained is not known here.")
        return
    show_facts(run)
    show_numbers(run)
    st.plotly_chart(training_figure(run.metrics), key="training", config=CHART)
    if run.metrics:
        st.plotly_chart(hardest_figure(run.metrics), key="hardest", config=CHART)
    st.markdown("##### Replay of recorded pairs")
    show_replay(run)


def show_facts(run: Run) -> None:
    """Say what is trained, and how far."""
    objective = in_words(run.objective) if run.objective is not None else "an objective that cannot be read"
    planned = run.planned if run.planned is not None else "an unknown number"
    st.markdown(f"**{objective}**, step **{run.done}** of {planned}, run {run.state}")
    if run.problem:
        st.warning(escaped(run.problem))
    if run.state in ("stopped", "half-written"):
        st.markdown("To go on with it, type:")
        st.code(run.resume_command, language="sh")


def show_numbers(run: Run) -> None:
    """Return the numbers of the last logged step."""
    present = [each for each in NUMBERS if isinstance(run.last.get(each[0]), int | float)]
    for column, (field, label, form, meaning) in zip(st.columns(max(1, len(present))), present, strict=False):
        with column, st.container(border=True):
            st.metric(label, form.format(run.last[field]), help=f"{meaning} At step {run.last['step']}.")


def show_replay(run: Run) -> None:
    """Say how the heaviest negatives changed, of all data sets or of one."""
    files = recorded_files(run.folder)
    if not files:
        st.info(
            "No pairs have been recorded. `--record.every 100` keeps the heaviest negatives of every hundredth step."
        )
        return
    marks = tuple((each.name, each.stat().st_mtime_ns, each.stat().st_size) for each in files)
    recorded, hardness = records(str(run.folder), marks, seed_of(run))
    for problem in recorded.problems[:PROBLEMS]:
        st.warning(escaped(f"{FOLDER}/{problem} It is left out."))
    if recorded.rows.empty:
        st.info("None of the recorded pairs can be read.")
        return
    chosen = choose("recorded", "Data set", [ALL, *sorted(recorded.rows["dataset"].unique())], ALL)
    dataset = None if chosen == ALL else chosen
    found = courses(recorded.rows, hardness, dataset)
    st.plotly_chart(replay_figure(found), key="replay", config=CHART)
    st.caption(explained(recorded, found))


@st.cache_resource(max_entries=4, show_spinner="Reading the recorded pairs ...")
def records(folder: str, marks: tuple[tuple[str, int, int], ...], seed: int) -> tuple[Recorded, np.ndarray]:
    """Return a run's records and their true hardness, read again when a file has changed."""
    recorded = read_recorded(Path(folder))
    return recorded, known_hardness(recorded.rows, seed)


def courses(rows: pd.DataFrame, hardness: np.ndarray, dataset: str | None) -> Replay:
    """Return the courses of one data set, or of all."""
    chosen = np.full(len(rows), True) if dataset is None else rows["dataset"].to_numpy() == dataset
    return replay(rows.loc[chosen], hardness[chosen])


def seed_of(run: Run) -> int:
    """Return the seed of the run's data, 0 where its settings do not say."""
    seed = run.settings.get("seed")
    return seed if isinstance(seed, int) else 0


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
