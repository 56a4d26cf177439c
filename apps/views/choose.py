"""The sidebar: which view, which run, which of its bundles, and what to hold it against."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

import streamlit as st

from apps.views import cached
from apps.views.address import prepare_option, remember
from apps.views.captions import escaped
from apps.views.looking import Against
from workbench.bundles.bundle import Bundle, BundleError
from workbench.runs.runs import Run

Choice = TypeVar("Choice")
NONE = "nothing"

VIEWS = {
    "overview": ("Overview", "How good is it, and what is wrong?"),
    "similarity": ("Similarity", "Do right and wrong answers overlap?"),
    "hard_negatives": ("Hard negatives", "Which ones fool it?"),
    "pair_weights": ("Pair weights", "What does each pair weigh?"),
    "map": ("Map", "How does the space look?"),
    "modalities": ("Modalities", "Does it tell kinds of items apart?"),
    "concepts": ("Concepts", "What do the misses have in common?"),
    "items": ("Items", "Find one, its neighbours, its doubles"),
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


def choose_against(bundle: Bundle, runs: Sequence[Run]) -> Against | None:
    """Return another evaluation to hold the chosen one against, in every view; None for none."""
    others = {
        f"{each.name}/{folder.name}": folder for each in runs for folder in each.bundles if folder != bundle.folder
    }
    if not others:
        return None
    options = [NONE, *others]
    prepare_option("against", options, NONE)
    chosen = st.sidebar.selectbox(
        "Against",
        options,
        key="against",
        format_func=other_label,
        help="Another evaluation, which every view compares.",
    )
    remember("against", chosen)
    if chosen == NONE:
        return None
    try:
        return Against(chosen.partition("/")[0], cached.open_bundle(Path(others[chosen])))
    except BundleError as error:
        st.sidebar.warning(f"The other evaluation cannot be shown: {escaped(str(error))}")
        return None


def other_label(option: str) -> str:
    """Return an evaluation in words: its run, step and suite."""
    name, _, bundle = option.partition("/")
    return f"{name}: {bundle_label(bundle)}" if bundle else option


def choose(
    name: str, label: str, options: Sequence[Choice], default: Choice, words: Callable[[Choice], str] = str
) -> Choice:
    """Return a choice that the URL remembers."""
    prepare_option(name, options, default)
    chosen = st.selectbox(label, options, key=name, format_func=words)
    remember(name, chosen)
    return chosen
