"""How like the whole batch's gradient another gradient is: its direction and its length, over the size of the parts."""

from collections.abc import Sequence

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from workbench.figures.theme import BLUE, ORANGE, styled

SERIES = {"cosine": (BLUE, "circle", "solid"), "length": (ORANGE, "diamond", "dash")}


def gradient_agreement_figure(
    sizes: Sequence[int], cosines: Sequence[float], lengths: Sequence[float], what: str
) -> go.Figure:
    """Return two panels over a logarithmic axis of sizes; in both, 1 is the whole batch's gradient.

    sizes: increasing, the last is the whole batch. cosines: with the whole batch's gradient, in [-1, 1]. lengths: as
    shares of its length, at least 0. what: what the sizes count.
    """
    figure = make_subplots(rows=1, cols=2, subplot_titles=("direction: cosine", "length: share"))
    for column, (name, values) in enumerate({"cosine": cosines, "length": lengths}.items(), start=1):
        colour, symbol, dash = SERIES[name]
        figure.add_trace(
            go.Scatter(
                x=list(sizes),
                y=list(values),
                name=name,
                mode="lines+markers",
                line={"color": colour, "dash": dash, "width": 3},
                marker={"size": 10, "symbol": symbol},
                showlegend=False,
                hovertemplate="%{x}: %{y:.3g}<extra>" + name + "</extra>",
            ),
            row=1,
            col=column,
        )
    styled(figure, finding(sizes, cosines, lengths))
    figure.update_xaxes(title=what, type="log", tickvals=list(sizes))
    figure.update_yaxes(range=[min(-0.05, *cosines) - 0.02, 1.08], row=1, col=1)
    figure.update_yaxes(range=[-0.05, max(1.08, *lengths) + 0.02], row=1, col=2)
    return figure


def finding(sizes: Sequence[int], cosines: Sequence[float], lengths: Sequence[float]) -> str:
    """Say what is left of the gradient at half the batch, which is the best case among the parts."""
    if len(sizes) < 2:
        return "The whole batch, compared with itself"
    return f"With parts of {sizes[-2]}, {lengths[-2]:.0%} of the gradient's length is left, at cosine {cosines[-2]:.2f}"
