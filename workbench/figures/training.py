"""The course of a training: the loss, the same loss without weights, and the margin."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from workbench.figures.theme import BLUE, GREY, ORANGE, empty, styled

POINTS = 1000
LINES = (
    ("loss", "loss", ORANGE, "solid", 1),
    ("infonce_loss", "InfoNCE loss at the same tau", GREY, "dash", 1),
    ("margin", "margin: right answer - hardest negative", BLUE, "dot", 2),
)


def training_figure(metrics: Sequence[Mapping[str, Any]]) -> go.Figure:
    """Return three curves over the steps, each a running median; the losses (nats) above the margin (cosine).

    metrics: the lines of metrics.jsonl; of long runs every k-th is drawn.
    """
    if not metrics:
        return empty("No step has been logged")
    rows = metrics[:: max(1, len(metrics) // POINTS)]
    figure = make_subplots(rows=2, cols=1, shared_xaxes=True, vertical_spacing=0.08, row_heights=[0.6, 0.4])
    for field, name, colour, dash, row in LINES:
        figure.add_trace(line(rows, field, name, colour, dash), row=row, col=1)
    styled(figure, finding(rows), height=420)
    figure.update_yaxes(title="loss, nats", row=1)
    figure.update_yaxes(title="margin", row=2)
    figure.update_xaxes(title="step", row=2)
    return figure


def line(rows: Sequence[Mapping[str, Any]], field: str, name: str, colour: str, dash: str) -> go.Scatter:
    """Return one number of the log over the steps, where it is a number."""
    points = [(each["step"], each[field]) for each in rows if isinstance(each.get(field), int | float)]
    return go.Scatter(
        x=[step for step, _ in points],
        y=running_median(np.array([value for _, value in points])),
        mode="lines",
        line={"color": colour, "width": 2.5, "dash": dash},
        name=name,
        hovertemplate="step %{x}: %{y:.3f}<extra>" + name + "</extra>",
    )


def running_median(values: np.ndarray, share: float = 0.02) -> np.ndarray:
    """Return each value replaced by the median of its surroundings, 2 % of the series on each side."""
    reach = int(len(values) * share)
    return np.array([np.median(values[max(0, i - reach) : i + reach + 1]) for i in range(len(values))])


def finding(rows: Sequence[Mapping[str, Any]]) -> str:
    """Say where the margin began and ended."""
    margins = [float(row["margin"]) for row in rows if isinstance(row.get("margin"), int | float)]
    if not margins:
        return f"{rows[-1]['step']} steps"
    tenth = max(1, len(margins) // 10)
    first, last = float(np.median(margins[:tenth])), float(np.median(margins[-tenth:]))
    return f"Over {rows[-1]['step']} steps the margin went from {first:+.2f} to {last:+.2f}"
