"""The live part of the training view: how far it is, and its curves beside those of other runs."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import streamlit as st

from apps.views.address import prepare_number, remember
from apps.views.captions import escaped
from apps.views.choose import choose
from apps.views.export import download_table
from apps.views.first_page import duration
from apps.views.training_with import choose_several
from workbench.figures.curves import FEW, MOST_MARKS, Line, counted, curve_figure
from workbench.measures.curves import MOST_POINTS
from workbench.runs.growing_log import is_number
from workbench.runs.runs import Run, State, read_run

CHART = {"displaylogo": False}
FIELDS = {
    "loss": ("Loss", "nats", "With the objective's weights: not comparable between objectives."),
    "infonce_loss": ("InfoNCE loss", "nats", "The same batch without weights: comparable where tau is the same."),
    "margin": ("Margin", "cosine", "Similarity of the right answer minus that of the batch's hardest negative."),
    "hardest": ("Hardest negative", "cosine", "Mean similarity of each query's hardest negative of the batch."),
    "positive": ("Right answer", "cosine", "Mean similarity of each query's right answer."),
    "gradient_norm": ("Gradient norm", "L2", "Of all trained weights together, before clipping."),
    "learning_rate": ("Learning rate", "", "Of the step's update."),
    "temperature": ("Temperature", "tau", "What similarities are divided by; it moves where it is learned."),
    "validation/all": ("Validation P@1", "share", "First answers that are right, on rankings that are never trained."),
    "pairs_per_second": ("Pairs a second", "pairs/s", "Speed of the whole job."),
}
FIRST = ["loss", "infonce_loss", "margin", "gradient_norm"]
CARDS = {"loss": "{:.3f}", "infonce_loss": "{:.3f}", "margin": "{:+.3f}", "hardest": "{:.3f}"}
ACROSS = {"step": "steps", "pairs": "pairs seen"}


@dataclass(frozen=True)
class Look:
    """How curves are drawn. fields: of the log. beta: of the moving average. across: "step" or "pairs"."""

    fields: tuple[str, ...]
    beta: float
    across: str


def choose_look() -> Look:
    """Return what to draw, and how, as the URL remembers it."""
    fields = choose_several("curves", "Curves", list(FIELDS), FIRST, len(FIELDS))
    left, right = st.columns(2)
    with left:
        prepare_number("smoothing", 0.0, 0.99, 0.0)
        beta = st.slider(
            "Exponential smoothing, beta", 0.0, 0.99, step=0.01, key="smoothing",
            help="s(t) = beta s(t-1) + (1 - beta) x(t), bias-corrected; 0 draws what was logged.",
        )  # fmt: skip
        remember("smoothing", beta)
    with right:
        across = choose("across", "Against", list(ACROSS), "step", ACROSS.__getitem__)
    return Look(tuple(fields), float(beta), across)


def show_progress(folder: Path, others: Sequence[Path], look: Look, state: State) -> None:
    """Return how far a run is, its last numbers and its curves. state: as the page knows it; news draw it anew."""
    run = read_run(folder)
    if run.state != state:
        st.rerun(scope="app")
    runs = [run, *map(read_run, others)]
    planned = run.planned if run.planned is not None else "an unknown number"
    st.markdown(f"Step **{run.done}** of {planned}, run {run.state}{pace(run)}")
    if run.planned:
        st.progress(min(1.0, run.done / run.planned))
    show_numbers(run)
    if not run.metrics:
        st.info("No step has been logged")
        return
    if run.metrics.unreadable:
        st.warning(f"{counted(run.metrics.unreadable, 'line')} of its log cannot be read and left out.")
    show_curves(runs, look)


def pace(run: Run) -> str:
    """Say how fast the last logged step was, and how long a run that goes on has left at the pace of the last 20."""
    rate = run.last.get("pairs_per_second")
    words = f", {rate:.0f} pairs a second" if is_number(rate) else ""
    if run.state != "running" or run.seconds_left is None:
        return words
    return f"{words}, about {duration(run.seconds_left)} left"


def show_numbers(run: Run) -> None:
    """Return the numbers of the last logged step."""
    last = run.last
    cards = [
        (FIELDS[field][0], form.format(last[field]), FIELDS[field][2])
        for field, form in CARDS.items()
        if is_number(last.get(field))
    ]
    if cards:
        with st.container(horizontal=True):
            for label, value, meaning in cards:
                st.metric(label, value, help=f"{meaning} At step {last['step']}.", border=True, width=140)


def show_curves(runs: Sequence[Run], look: Look) -> None:
    """Return a chart a field, two beside one another where there is room, and the table behind them."""
    places = {run.name: x for run in runs if (x := across(run, look.across)) is not None}
    for run in runs:
        if run.name not in places:
            st.caption(f"{escaped(run.name)}: its batch is not known, so its pairs cannot be counted; left out.")
    drawn = [run for run in runs if run.name in places]
    scale = batch_of(runs[0]) if look.across == "pairs" else 1
    marks = [each.step * (scale or 0) for each in runs[0].checkpoints] if scale else []
    for start in range(0, len(look.fields), 2):  # row by row: on a narrow page the order stays
        for column, field in zip(st.columns(2), look.fields[start : start + 2], strict=False):
            label, unit, _ = FIELDS[field]
            lines = [Line(run.name, places[run.name], run.metrics.column(field)) for run in drawn]
            figure = curve_figure(label, unit, lines, look.across, look.beta, marks)
            column.plotly_chart(figure, key=f"curve-{field}", config=CHART)
    st.caption(explained(runs[0], look))
    download_table(table_of(runs), f"{runs[0].name}-curves", "curves")


def batch_of(run: Run) -> int | None:
    """Return the pairs of a step, None where the settings do not say."""
    batch = run.settings.get("batch")
    return batch if isinstance(batch, int) and batch > 0 else None


def across(run: Run, unit: str) -> np.ndarray | None:
    """Return where each logged step stands on the axis; None where that is not known."""
    batch = batch_of(run) if unit == "pairs" else 1
    return None if batch is None else run.metrics.steps * batch


def explained(run: Run, look: Look) -> str:
    """Say how the curves are drawn."""
    shown = [FIELDS[field] for field in look.fields]
    words = " ".join(f"{label}: {meaning[0].lower()}{meaning[1:]}" for label, _, meaning in shown)
    thick = (
        f" Thick: exponential moving average with beta {look.beta:.2f}, bias-corrected; thin: as logged. "
        f"Lines of at most {FEW} values are not smoothed."
        if look.beta
        else " Drawn as logged, not smoothed."
    )
    few = f" Of lines with more than {MOST_POINTS:,} values the lowest and the highest of each stretch are drawn."
    steps = [each.step for each in run.checkpoints[-MOST_MARKS:]]
    saved = f" Dotted: checkpoints on disk (step {', '.join(map(str, steps))})." if steps else ""
    return f"{words}{thick}{few}{saved} Titles: medians of the first and the last tenth of what was logged."


def table_of(runs: Sequence[Run]) -> pd.DataFrame:
    """Return all logged numbers of some runs: one row a step of a run; empty where a run did not log one."""
    tables = []
    for run in runs:
        validation = {"validation/all": run.metrics.column("validation/all")}
        seen = {"pairs_seen": run.metrics.steps * (batch_of(run) or 0)} if batch_of(run) else {}
        known = {name: column for name, column in validation.items() if np.isfinite(column).any()}
        tables.append(
            pd.DataFrame({"run": run.name, "step": run.metrics.steps} | seen | dict(run.metrics.numbers) | known)
        )
    return pd.concat(tables, ignore_index=True)
