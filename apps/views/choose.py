"""The sidebar: which view, which run, which of its bundles."""

from collections.abc import Sequence
from pathlib import Path

import streamlit as st

from apps.views.address import prepare_option, remember
from workbench.runs.runs import Run

VIEWS = {
    "overview": ("Overview", "How good is it, and what is wrong?"),
    "similarity": ("Similarity", "Do right and wrong answers overlap?"),
    "hard_negatives": ("Hard negatives", "Which ones fool it?"),
    "pair_weights": ("Pair weights", "What does each pair weigh?"),
    "map": ("Map", "How does the space look?"),
    "training": ("Training", "What happened while it learnt?"),
}
SUITES = {"miniature": "the miniature", "folder": "own pictures"}


def choose_view() -> str:
    """Return the view's name in the URL."""
    names = list(VIEWS)
    prepare_option("view", names, names[0])
    chosen = st.sidebar.radio(
        "View",
        names,
        key="view",
        format_func=lambda name: VIEWS[name][0],
        captions=[question for _, question in VIEWS.values()],
        label_visibility="collapsed",
    )
    remember("view", chosen)
    return chosen


def choose_run(runs: Sequence[Run]) -> Run:
    """Return one of the runs; at first the one that was evaluated last."""
    by_name = {run.name: run for run in runs}
    prepare_option("run", list(by_name), max(runs, key=freshness).name)
    chosen = st.sidebar.selectbox("Run", list(by_name), key="run")
    remember("run", chosen)
    return by_name[chosen]


def freshness(run: Run) -> tuple[float, int]:
    """Larger for runs that were evaluated later, or else have more steps."""
    return max((folder.stat().st_mtime for folder in run.bundles), default=0.0), run.done


def choose_bundle(run: Run) -> Path:
    """Return one of the run's bundles; at first the last."""
    by_name = {folder.name: folder for folder in run.bundles}
    names = list(by_name)
    prepare_option("bundle", names, names[-1])
    chosen = st.sidebar.selectbox("Evaluation", names, key="bundle", format_func=bundle_label)
    remember("bundle", chosen)
    return by_name[chosen]


def bundle_label(name: str) -> str:
    """Return a bundle's folder name in words: step 500 on the miniature."""
    step, _, suite = name.partition("-")
    return f"step {int(step)} on {SUITES.get(suite, suite)}" if step.isdigit() and suite else name


def choose_dataset(datasets: Sequence[str]) -> str | None:
    """Return one of the data sets, or None for all."""
    options = ["all", *datasets]
    prepare_option("dataset", options, "all")
    chosen = st.selectbox("Data set", options, key="dataset")
    remember("dataset", chosen)
    return None if chosen == "all" else chosen
