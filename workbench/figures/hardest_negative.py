"""How hard the hardest negative is, against how many pairs are in the batch."""

import math
from collections.abc import Mapping, Sequence

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from workbench.figures.theme import BLUE, GREEN, ORANGE, PURPLE, styled

LOOKS = ((ORANGE, "square", "dash"), (PURPLE, "diamond", "dashdot"), (GREEN, "cross", "dot"))


def hardest_negative_figure(
    batches: Sequence[int],
    hardest: Sequence[float],
    positive: float,
    chances: Mapping[str, Sequence[float]],
    marked: Mapping[int, str] | None = None,
) -> go.Figure:
    """Above: the hardest negative's mean similarity, and the right answer's; below: chances in percent.

    batches: pairs in a batch, ascending; a query has one negative fewer. chances: from what they are chances of, to
    one in [0, 1] for each batch size. marked: batch sizes to draw a line at, with a word for each.
    """
    figure = make_subplots(rows=2, cols=1, shared_xaxes=True, vertical_spacing=0.09, row_heights=[0.5, 0.5])
    figure.add_trace(line(batches, hardest, "hardest negative", (BLUE, "circle", "solid"), "cosine %{y:.3f}"), 1, 1)
    figure.add_hline(
        y=positive,
        row=1,  # pyright: ignore[reportArgumentType]  (plotly's stub says str, and means int)
        col=1,  # pyright: ignore[reportArgumentType]
        line={"color": GREEN, "dash": "dot", "width": 2},
    )
    figure.add_annotation(
        x=(math.log10(batches[0]) + math.log10(batches[-1])) / 2,
        y=positive,
        text="right answers, on average",
        showarrow=False,
        yanchor="bottom",
        font={"size": 12},
    )
    for look, (name, values) in zip(LOOKS, chances.items(), strict=False):
        figure.add_trace(line(batches, [100 * each for each in values], name, look, "%{y:.1f} %"), 2, 1)
    for batch, word in (marked or {}).items():
        figure.add_vline(x=batch, line={"color": "gray", "width": 1, "dash": "dot"})
        figure.add_annotation(
            x=math.log10(batch),
            y=0.0,
            xref="x",
            yref="y domain",
            text=word,
            showarrow=False,
            xanchor="left",
            yanchor="bottom",
            xshift=4,
            font={"size": 12},
        )
    styled(figure, finding(batches, hardest, positive), height=520)
    ends = [math.log10(batches[0]) - 0.08, math.log10(batches[-1]) + 0.28]
    figure.update_xaxes(type="log", range=ends, tickvals=list(batches), ticktext=[str(each) for each in batches])
    figure.update_xaxes(title="pairs in the batch", row=2)
    figure.update_yaxes(title="cosine to the query", range=[min(0.0, *hardest), 1.15], row=1)
    figure.update_yaxes(title="chance, %", range=[-4, 104], row=2)
    figure.update_layout(margin={"t": 100})
    return figure


def line(
    batches: Sequence[int], values: Sequence[float], name: str, look: tuple[str, str, str], hover: str
) -> go.Scatter:
    """Return one curve over batch sizes."""
    colour, symbol, dash = look
    return go.Scatter(
        x=list(batches),
        y=list(values),
        mode="lines+markers",
        name=name,
        line={"color": colour, "dash": dash, "width": 2.5},
        marker={"symbol": symbol, "size": 9, "color": colour},
        hovertemplate="%{x} pairs: " + hover + "<extra>" + name + "</extra>",
    )


def finding(batches: Sequence[int], hardest: Sequence[float], positive: float) -> str:
    """Return the rise from the smallest to the largest batch."""
    return (
        f"From {batches[0]} pairs to {batches[-1]}, the hardest negative rises from {hardest[0]:.2f} "
        f"to {hardest[-1]:.2f} (right: {positive:.2f})"
    )
