"""Lifts of features as sorted dots with their intervals, on a scale on which half and double are as far from 1."""

from collections.abc import Sequence
from dataclasses import dataclass

import plotly.graph_objects as go

from workbench.figures.theme import BLUE, GREY, ORANGE, empty, escape, styled

ROW = 28
TICKS = (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50)


@dataclass(frozen=True)
class Lift:
    """One feature. n: queries that have it. rate: share of them with the outcome, in [0, 1].

    sure: whether the correction for many comparisons leaves it standing.
    """

    kind: str
    label: str
    n: int
    rate: float
    lift: float
    low: float
    high: float
    sure: bool


def lifts_figure(features: Sequence[Lift], outcome: str, title: str) -> go.Figure:
    """Return one row a feature, in the given order, the first on top. outcome: what is counted, such as "misses"."""
    if not features:
        return empty(title, 160)
    figure = go.Figure()
    looks = ((True, BLUE, "circle", "stands after correction"), (False, ORANGE, "diamond-open", "may be chance"))
    for sure, colour, symbol, name in looks:
        rows = [row for row, each in enumerate(features) if each.sure is sure]
        if rows:
            figure.add_trace(dots([features[row] for row in rows], rows, outcome, colour, symbol, name))
    figure.add_vline(x=1, line={"color": GREY, "dash": "dash", "width": 1.5})
    styled(figure, title, height=140 + ROW * len(features))
    figure.update_xaxes(
        type="log", title="lift (1: no difference)", tickvals=TICKS,
        ticktext=[f"{each:g}" for each in TICKS],
    )  # fmt: skip
    labels = [f"{escape(each.label, 24)} <i>({escape(each.kind, 24)})</i>" for each in features]
    figure.update_layout(showlegend=len({each.sure for each in features}) > 1)
    return figure.update_yaxes(tickvals=list(range(len(features))), ticktext=labels, range=[len(features) - 0.5, -0.5])


def dots(
    features: Sequence[Lift], rows: Sequence[int], outcome: str, colour: str, symbol: str, name: str
) -> go.Scatter:
    """Return some features at their rows."""
    return go.Scatter(
        x=[max(0.05, each.lift) for each in features],
        y=list(rows),
        error_x={
            "type": "data",
            "array": [each.high - each.lift for each in features],
            "arrayminus": [each.lift - max(0.05, each.low) for each in features],
            "thickness": 2,
            "width": 0,
        },
        mode="markers",
        marker={"color": colour, "symbol": symbol, "size": 9, "line": {"width": 2}},
        name=name,
        hovertext=[
            f"{escape(each.label)} ({escape(each.kind)})<br>{each.n:,} queries, {each.rate:.1%} {outcome}<br>"
            f"lift {each.lift:.2f}, 95 % interval {each.low:.2f} to {each.high:.2f}"
            for each in features
        ],
        hoverinfo="text",
    )
