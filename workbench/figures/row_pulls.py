"""Whole rows: how hard each query pushes its negatives away, against its margin, under several objectives."""

from collections.abc import Mapping

import numpy as np
import plotly.graph_objects as go
from jaxtyping import Float

from workbench.figures.theme import BLUE, GREY, ORANGE, PURPLE, styled

Values = Float[np.ndarray, " m"]
LOOKS = ((GREY, "circle-open"), (PURPLE, "cross-thin-open"), (ORANGE, "diamond"), (BLUE, "triangle-up-open"))
LOWEST = 1e-4
"""Weaker pulls are drawn here: the axis is logarithmic."""
HIGHEST = 30.0


def row_pulls_figure(margin: Values, pulls: Mapping[str, Values]) -> go.Figure:
    """Return one point a query and objective: tau times the summed gradient of its negatives, against its margin.

    margin: s_ii minus the most similar negative's cosine, in [-2, 2]; below 0 the query is lost. pulls: by the name
    of the objective, at most four, sum_j Pbar_ij over negatives; 1 is the most that a softmax can give.

    Raises:
        ValueError: more than four objectives.
    """
    if len(pulls) > len(LOOKS):
        raise ValueError(f"{len(pulls)} objectives; the figure can tell {len(LOOKS)} apart.")
    figure = go.Figure()
    for (name, values), (colour, symbol) in zip(pulls.items(), LOOKS, strict=False):
        figure.add_trace(
            go.Scatter(
                x=np.round(margin, 4),
                y=np.clip(values, LOWEST, HIGHEST).round(6),
                mode="markers",
                marker={"color": colour, "symbol": symbol, "size": 7, "line": {"width": 1.5, "color": colour}},
                name=name,
                customdata=values,
                hovertemplate="margin %{x:.3f}<br>pull %{customdata:.3g}<extra>" + name + "</extra>",
            )
        )
    figure.add_vline(x=0, line={"color": BLUE, "width": 2, "dash": "dash"})
    figure.add_hline(y=1, line={"color": GREY, "width": 1.5, "dash": "dot"})
    places = ((-0.004, "lost ", "right"), (0.004, " won", "left"))
    for x, text, anchor in places:
        figure.add_annotation(
            x=x, y=0.0, yref="paper", text=text, showarrow=False, xanchor=anchor, yanchor="bottom", font={"color": BLUE}
        )
    styled(figure, finding(margin, pulls), height=430)
    figure.update_layout(margin={"t": 95})
    figure.update_xaxes(title="margin: right answer minus hardest negative, cosine", range=span(margin))
    figure.update_yaxes(title="pull on all negatives of the row", type="log", exponentformat="power", dtick=1)
    return figure.update_yaxes(range=[np.log10(LOWEST) - 0.2, np.log10(HIGHEST)])


def span(margin: Values) -> list[float]:
    """Return the range of the axis of margins, with zero inside."""
    low, high = min(0.0, float(margin.min())), max(0.0, float(margin.max()))
    room = 0.05 * (high - low) or 0.1
    return [low - room, high + room]


def lost_share(margin: Values, pulls: Values) -> float:
    """Say what part of the batch's whole pull comes from queries that are lost; 0 where nothing pulls."""
    total = float(pulls.sum())
    return float(pulls[margin < 0].sum()) / total if total else 0.0


def finding(margin: Values, pulls: Mapping[str, Values]) -> str:
    """Say how much of each objective's pull goes to the queries that are lost."""
    parts = [f"{lost_share(margin, values):.0%} ({name.partition(',')[0]})" for name, values in pulls.items()]
    lost = int((margin < 0).sum())
    who = "The lost query gets" if lost == 1 else f"The {lost} lost queries get"
    return f"{who} {', '.join(parts)} of all pull"
