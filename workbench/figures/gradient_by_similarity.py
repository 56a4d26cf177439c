"""One query's negatives: how hard the objective pulls on each, against its similarity, beside InfoNCE."""

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go
from jaxtyping import Float
from plotly.subplots import make_subplots

from workbench.figures.theme import BLUE, GREY, ORANGE, PURPLE, escape, styled

Values = Float[np.ndarray, " n"]
FLOOR = 1e-12
"""Smaller pulls are drawn here: the axis is logarithmic."""
PARTS = (
    ("right answer", BLUE, ""),
    ("hardest negative", ORANGE, "/"),
    ("2nd to 5th", PURPLE, "x"),
    ("rest", GREY, "."),
)


def gradient_by_similarity_figure(
    similarity: Values, infonce: Values, weighted: Values, positive: float, labels: Sequence[str], name: str
) -> go.Figure:
    """Above, tau |dL/ds| of each negative; below, how the row's pull divides, as it is and with negatives alone.

    similarity: cosine of each negative. infonce, weighted: tau |dL/ds_ij| = p_ij of each negative, in [0, 1]; their
    sum is 1 - p_ii, which is also the pull on the right answer. positive: cosine of the right answer. labels: what
    each negative is, on hover. name: of the weighted objective, in the legend.
    """
    figure = make_subplots(rows=2, cols=1, vertical_spacing=0.2, row_heights=[0.62, 0.38])
    for pulls, who, marker in (
        (infonce, "InfoNCE", {"symbol": "circle-open", "color": GREY, "size": 8}),
        (weighted, name, {"symbol": "diamond", "color": ORANGE, "size": 8, "line": {"width": 1, "color": "white"}}),
    ):
        figure.add_trace(points(similarity, pulls, labels, who, marker), row=1, col=1)
    for bar in budget(similarity, infonce, weighted, name):
        figure.add_trace(bar, row=2, col=1)
    figure.add_vline(x=positive, line={"color": BLUE, "width": 2, "dash": "dot"}, row=1, col=1)  # pyright: ignore[reportArgumentType]
    figure.add_annotation(
        x=positive, y=0, yref="y domain", text="right answer ", showarrow=False, xanchor="right", yanchor="bottom",
        font={"color": BLUE},
    )  # fmt: skip
    styled(figure, finding(infonce, weighted), height=600)
    figure.update_layout(barmode="stack", legend={"traceorder": "normal"}, margin={"t": 95, "r": 25})
    low = min(float(similarity.min()), positive) if len(similarity) else positive
    figure.update_xaxes(title="cosine similarity to the query", range=[low - 0.05, 1.02], row=1)
    figure.update_yaxes(title="pull on a negative, p_ij", type="log", range=[np.log10(FLOOR) - 0.4, 0.4], row=1)
    figure.update_yaxes(exponentformat="power", dtick=3, row=1)
    figure.update_xaxes(title="share, %", range=[0, 100], row=2)
    return figure


def points(similarity: Values, pulls: Values, labels: Sequence[str], who: str, marker: dict[str, object]) -> go.Scatter:
    """Return the negatives under one objective."""
    return go.Scatter(
        x=np.round(similarity, 4),
        y=np.maximum(pulls, FLOOR),
        mode="markers",
        marker=marker,
        name=who,
        hovertext=[f"{escape(label)}<br>pull {pull:.2g}" for label, pull in zip(labels, pulls, strict=True)],
        hovertemplate="%{hovertext}<br>similarity %{x:.3f}<extra>" + who + "</extra>",
    )


def budget(similarity: Values, infonce: Values, weighted: Values, name: str) -> list[go.Bar]:
    """Draw four stacked bars in percent, one trace a part: the whole row and the negatives, for both objectives."""
    lines = {
        f"negatives alone: {name}": of_negatives(divided(similarity, weighted)),
        "negatives alone: InfoNCE": of_negatives(divided(similarity, infonce)),
        f"whole row: {name}": divided(similarity, weighted),
        "whole row: InfoNCE": divided(similarity, infonce),
    }
    return [
        go.Bar(
            y=list(lines),
            x=[100 * line[part] for line in lines.values()],
            orientation="h",
            name=who,
            marker={"color": colour, "pattern": {"shape": pattern}},
            text=[percent(line[part]) for line in lines.values()],
            textposition="inside",
            insidetextanchor="middle",
            textangle=0,
            hovertemplate="%{y}<br>" + who + ": %{x:.1f} %<extra></extra>",
        )
        for part, (who, colour, pattern) in enumerate(PARTS)
    ]


def divided(similarity: Values, pulls: Values) -> Values:
    """Return the row's parts, which sum to 1: right answer, hardest negative, the next four, the rest."""
    ordered = pulls[np.argsort(-similarity)]
    return np.array([1 - pulls.sum(), ordered[:1].sum(), ordered[1:5].sum(), ordered[5:].sum()])


def percent(part: float) -> str:
    """Return a part in words, unless its bar is too short for them; what is nearly all is not called all."""
    if part < 0.06:
        return ""
    return f"{part:.1%}" if 0.99 <= part < 0.9995 else f"{part:.0%}"


def of_negatives(parts: Values) -> Values:
    """Return the negatives' parts as shares of their own sum."""
    negatives = parts * np.array([0, 1, 1, 1])
    return negatives / max(float(negatives.sum()), np.finfo(float).tiny)


def finding(infonce: Values, weighted: Values) -> str:
    """Say what all negatives together get of the row."""
    if not len(weighted):
        return "This query has no negatives"
    return f"The negatives hold {weighted.sum():.1%} of the row; under InfoNCE {infonce.sum():.1%}"
