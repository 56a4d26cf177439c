"""P@1 against the number of candidates: the same model, the same queries, other pools."""

from collections.abc import Mapping, Sequence

import plotly.graph_objects as go

from workbench.figures.theme import BLUE, GREY, ORANGE, styled

LOOKS = {
    "random": ("wrong candidates at random", BLUE, "solid", "circle"),
    "hardest": ("the truly hardest ones first", ORANGE, "dash", "diamond"),
}


def pool_curve_figure(dataset: str, sizes: Sequence[int], precision: Mapping[str, Sequence[float]]) -> go.Figure:
    """P@1 in percent at each pool size (log axis), for ways of choosing the wrong candidates, with chance beside them.

    precision: as `workbench.measures.smaller_pools.precision_by_pool` gives it, in [0, 1].
    """
    figure = go.Figure()
    for way, (name, colour, dash, symbol) in LOOKS.items():
        figure.add_trace(
            go.Scatter(
                x=list(sizes),
                y=[100 * value for value in precision[way]],
                mode="lines+markers",
                line={"color": colour, "dash": dash, "width": 2.5},
                marker={"symbol": symbol, "size": 9},
                name=name,
                hovertemplate="%{x} candidates: %{y:.1f} %<extra>" + name + "</extra>",
            )
        )
    figure.add_trace(
        go.Scatter(
            x=list(sizes),
            y=[100 / size for size in sizes],
            mode="lines",
            line={"color": GREY, "dash": "dot", "width": 2},
            name="chance",
            hovertemplate="%{x} candidates: %{y:.1f} %<extra>chance</extra>",
        )
    )
    styled(figure, finding(dataset, sizes, precision))
    figure.update_xaxes(
        title="candidates of each query", type="log", tickvals=list(sizes), ticktext=list(map(str, sizes))
    )
    figure.update_yaxes(title="P@1, %", range=[0, 103])
    return figure


def finding(dataset: str, sizes: Sequence[int], precision: Mapping[str, Sequence[float]]) -> str:
    """Say what the smallest and the largest pool say of the same model."""
    first, last = 100 * precision["random"][0], 100 * precision["random"][-1]
    return f"{dataset}: {first:.0f} % among {sizes[0]}, {last:.0f} % among {sizes[-1]} candidates, the same model"
