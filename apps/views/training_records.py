"""What the replays of a training share: its records of pairs, read once, and the data set that is looked at."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import streamlit as st

from apps.views.captions import escaped
from apps.views.choose import choose
from apps.views.filter_bar import ALL
from workbench.measures.replay import known_hardness
from workbench.runs.pair_records import FOLDER, Recorded, RecordedQueries, read_queries, read_recorded, recorded_files
from workbench.runs.runs import Run

CHART = {"displaylogo": False}
PROBLEMS = 3
Marks = tuple[tuple[str, int, int], ...]


@st.cache_resource(max_entries=4, show_spinner="Reading the recorded pairs ...")
def records(folder: str, marks: Marks, seed: int) -> tuple[Recorded, np.ndarray]:
    """Return a run's records and their true hardness, read again when a file has changed."""
    recorded = read_recorded(Path(folder))
    return recorded, known_hardness(recorded.rows, seed)


@st.cache_resource(max_entries=4, show_spinner="Looking through the recorded steps ...")
def queries(folder: str, marks: Marks) -> RecordedQueries:
    """Return which queries a run recorded when, read again when a file has changed."""
    return read_queries(Path(folder))


def marks_of(run: Run) -> Marks:
    """Return name, time and size of each record file: what tells that one has changed."""
    return tuple((each.name, each.stat().st_mtime_ns, each.stat().st_size) for each in recorded_files(run.folder))


def seed_of(run: Run) -> int:
    """Return the seed of the run's data, 0 where its settings do not say."""
    seed = run.settings.get("seed")
    return seed if isinstance(seed, int) else 0


def choose_dataset(rows: pd.DataFrame) -> str | None:
    """Return a recorded data set; None for all."""
    chosen = choose("recorded", "Data set", [ALL, *sorted(rows["dataset"].unique())], ALL)
    return None if chosen == ALL else chosen


def say_no_records() -> None:
    """Say how pairs are recorded."""
    st.info("No pairs have been recorded. `--record.every 100` keeps the heaviest negatives of every hundredth step.")


def warn(problems: Sequence[str]) -> None:
    """Name files that could not be read."""
    for problem in problems[:PROBLEMS]:
        st.warning(escaped(f"{FOLDER}/{problem} It is left out."))
