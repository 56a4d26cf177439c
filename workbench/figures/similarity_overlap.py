"""Histograms of similarities: right answers against hard and easy negatives, one model or two on the same axis."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import plotly.graph_objects as go
from jaxtyping import Float, Int
from plotly.subplots import make_subplots

from workbench.figures.theme import KIND_COLOURS, KIND_DASHES, KIND_NAMES, escape, styled

BARS = 50


@dataclass(frozen=True)
class Histograms:
    """Counts by kind (positive, hard, easy) over the same bins. name: the model's. note: its measures, in words."""

    name: str
    note: str
    edges: Float[np.ndarray, " bins_and_one"]
    counts: Mapping[str, Int[np.ndarray, " bins"]]


def similarity_overlap_figure(models: Sequence[Histograms], title: str) -> go.Figure:
    """Return one panel a model, the first on top, sharing both axes; each kind is scaled to its own total."""
    low, high, merge = window(models)
    figure = make_subplots(
        rows=len(models),
        cols=1,
        shared_xaxes=True,
        vertical_spacing=0.14,
        subplot_titles=[escape(f"{model.name}: {model.note}" if model.name else model.note, 140) for model in models],
    )
    highest = 0.0
    for row, model in enumerate(models, start=1):
        for kind, counts in model.counts.items():
            points = merged(model.edges, counts, merge)
            highest = max(highest, float(points[1].max()))
            figure.add_trace(outline(kind, points, row == 1), row=row, col=1)
    styled(figure, title, height=130 + 225 * len(models))
    figure.update_annotations(x=0, xanchor="left", font={"size": 13})
    figure.update_layout(margin={"t": 100}, legend={"y": 1.0 + 34 / (225 * len(models)), "yanchor": "bottom"})
    # Given, not left to plotly: of axes that match it takes the range from one panel only, and cuts the others off.
    figure.update_yaxes(title="share of its pairs, %", range=[0.0, 1.05 * highest or 1.0], matches="y")
    figure.update_xaxes(range=[low, high])
    figure.update_xaxes(title="cosine similarity to the query", row=len(models))
    return figure


def outline(kind: str, points: tuple[np.ndarray, np.ndarray], legend: bool) -> go.Scatter:
    """Return one kind as a stepped, filled outline."""
    colour = KIND_COLOURS[kind]
    red, green, blue = (int(colour[start : start + 2], 16) for start in (1, 3, 5))
    return go.Scatter(
        x=points[0],
        y=points[1],
        mode="lines",
        line={"shape": "hv", "color": colour, "width": 2.5, "dash": KIND_DASHES[kind]},
        fill="tozeroy",
        fillcolor=f"rgba({red}, {green}, {blue}, 0.18)",
        name=KIND_NAMES[kind],
        legendgroup=kind,
        showlegend=legend,
        hovertemplate="%{y:.1f} % from %{x:.2f}<extra>" + KIND_NAMES[kind] + "</extra>",
    )


def merged(edges: np.ndarray, counts: np.ndarray, merge: int) -> tuple[np.ndarray, np.ndarray]:
    """Left edges and percentages of bins joined `merge` at a time, closed by a zero at the right end."""
    joined = np.add.reduceat(counts, np.arange(0, len(counts), merge))
    shares = 100 * joined / max(1, joined.sum())
    return np.append(edges[:-1:merge], edges[-1]), np.append(shares, 0.0)


def window(models: Sequence[Histograms]) -> tuple[float, float, int]:
    """Return the range of similarities that occur in any model, and how many bins to join so that some 50 are shown."""
    occupied = np.zeros(len(models[0].edges) - 1, dtype=bool)
    for model in models:
        for counts in model.counts.values():
            occupied |= counts > 0
    if not occupied.any():
        return -1.0, 1.0, 1
    edges, places = models[0].edges, np.flatnonzero(occupied)
    merge = next((size for size in (1, 2, 4, 5, 10) if np.ptp(places) / size <= BARS), 10)
    return float(edges[max(0, places[0] - 2)]), float(edges[min(len(edges) - 1, places[-1] + 3)]), merge
