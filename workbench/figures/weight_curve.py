"""The weight of a negative against its similarity, with a query's negatives as points."""

import math

import numpy as np
import plotly.graph_objects as go
from jaxtyping import Float

from workbench.figures.theme import BLUE, GREEN, GREY, ORANGE, PURPLE, styled

Values = Float[np.ndarray, " n"]
DECADES = 8
SMALLEST = 1e-150


def weight_curve_figure(
    similarity: Values,
    weight: Values,
    positive: float,
    curve: Values,
    curve_weight: Values,
    trained_curve_weight: Values,
    names: tuple[str, str] = ("what-if", "as trained"),
) -> go.Figure:
    """Plot weights of negatives (points) on the objective's curve, another objective's, and the positive's place.

    similarity: cosine of each negative. positive: cosine of the right answer. curve: similarities at which the two
    curves are given. names: of the two. The weight axis is logarithmic, without unit: at 1, which is drawn, a negative
    weighs what it weighs in InfoNCE.
    """
    weight, curve_weight, trained_curve_weight = map(drawable, (weight, curve_weight, trained_curve_weight))
    figure = go.Figure()
    figure.add_trace(
        go.Scatter(x=curve, y=curve_weight, mode="lines", line={"color": ORANGE, "width": 3}, name=names[0])
    )
    figure.add_trace(
        go.Scatter(
            x=curve,
            y=trained_curve_weight,
            mode="lines",
            line={"color": GREY, "width": 2, "dash": "dash"},
            name=names[1],
        )
    )
    figure.add_trace(
        go.Scatter(
            x=similarity,
            y=weight,
            mode="markers",
            marker={"color": PURPLE, "size": 8, "opacity": 0.7, "line": {"width": 1, "color": "white"}},
            name="this query's negatives",
            hovertemplate="similarity %{x:.3f}<br>weight %{y:,.1f}<extra></extra>",
        )
    )
    figure.add_vline(x=positive, line={"color": BLUE, "width": 2, "dash": "dot"})
    figure.add_annotation(
        x=positive,
        y=0.0,
        yref="paper",
        text="right answer",
        showarrow=False,
        xanchor="right" if positive > float(np.mean(curve)) else "left",
        yanchor="bottom",
        font={"color": BLUE, "size": 13},
    )
    draw_one(figure)
    styled(figure, finding(similarity, weight))
    figure.update_xaxes(title="cosine similarity to the query")
    decades = float(np.ptp(np.log10(np.concatenate([curve_weight, trained_curve_weight]))))
    figure.update_yaxes(title="weight of a negative (1 = InfoNCE)", type="log", tickfont={"size": 11})
    if decades < 1:
        figure.update_yaxes(tickformat="~g", nticks=5)
    else:
        figure.update_yaxes(exponentformat="power", dtick=math.ceil(decades / DECADES))
    return figure


def draw_one(figure: go.Figure) -> None:
    """Draw the line of weight 1, where a negative weighs what it weighs in InfoNCE."""
    figure.add_hline(y=1, line={"color": GREEN, "width": 1.5, "dash": "longdash"})
    figure.add_annotation(
        x=1, xref="paper", y=0, text="w = 1", showarrow=False, xanchor="right", yanchor="bottom",
        font={"color": GREEN, "size": 12},
    )  # fmt: skip


def drawable(weight: Values) -> Values:
    """Clip weights to what a logarithmic axis can show: strong weightings at low temperatures leave float64's range."""
    return np.clip(weight, SMALLEST, 1 / SMALLEST)


def compact(number: float) -> str:
    """Return two significant digits below 100, whole numbers above."""
    return f"{number:.2g}" if number < 100 else f"{number:,.0f}"


def finding(similarity: Values, weight: Values) -> str:
    """Say how much more the most similar negative weighs than the median one."""
    if not len(weight):
        return "This query has no negatives"
    if weight.max() < 1.05 * weight.min():
        return "Every negative weighs about the same"
    ratio = float(weight[similarity.argmax()] / np.median(weight))
    return f"The hardest negative weighs {compact(ratio)} times the median"
