"""Gradient accumulation against one large batch, by the number of parts."""

from collections.abc import Sequence

import plotly.graph_objects as go

from workbench.figures.theme import BLUE, ORANGE, styled
from workbench.measures.accumulation import Accumulated


def accumulation_figure(found: Sequence[Accumulated]) -> go.Figure:
    """Cosine between the accumulated gradient and the whole batch's, and the relative error, for each way to cut."""
    names = [f"{each.parts}<br>{each.negatives}" for each in found]
    figure = go.Figure()
    cosines, errors = [each.cosine for each in found], [each.error for each in found]
    for name, values, colour, symbol, dash, place in (
        ("cosine between the two gradients", cosines, BLUE, "circle", "solid", "top right"),
        ("|difference| / |whole batch's gradient|", errors, ORANGE, "square", "dash", "bottom right"),
    ):
        figure.add_trace(
            go.Scatter(
                x=names,
                y=values,
                mode="lines+markers+text",
                text=[f"{value:.2f}" for value in values],
                textposition=place,
                name=name,
                line={"color": colour, "dash": dash, "width": 2.5},
                marker={"symbol": symbol, "size": 9, "color": colour},
                hovertemplate="%{y:.4f}<extra>" + name + "</extra>",
            )
        )
    styled(figure, finding(found), height=400)
    figure.update_xaxes(
        type="category", title="parts that the batch is accumulated from (above), negatives a query sees"
    )
    figure.update_yaxes(range=[min(0.0, *cosines) - 0.15, 1.15 * max(1.0, *errors)])
    figure.update_layout(margin={"t": 90})
    return figure


def finding(found: Sequence[Accumulated]) -> str:
    """Say what the largest number of parts does."""
    most = max(found, key=lambda each: each.parts)
    return f"Accumulated from {most.parts} parts, the gradient has cosine {most.cosine:.2f} to the large batch's"
