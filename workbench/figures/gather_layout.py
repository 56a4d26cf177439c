"""Who computes which pairs of the global batch, and whose gradient comes home, without and with a gather's backward."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from workbench.figures.theme import BLUE, GREY, ORANGE, PURPLE, styled

PANELS = ("gather without a backward", "gather with a backward")
FLOAT_BYTES = 4


@dataclass(frozen=True)
class Cost:
    """What one rank of W does for a batch of so many pairs with vectors of so many numbers, in one direction.

    flops: of its strip of similarities (a multiplication and an addition each). flops_of_all: if it computed all
    pairs. bytes: of float32 vectors that it receives in the forward gather, and of gradients in the backward one.
    """

    flops: int
    flops_of_all: int
    bytes: int


def gather_cost(world: int, batch: int, width: int) -> Cost:
    """Return the cost of n = batch / world rows against all columns.

    Raises:
        ValueError: world does not divide the batch.
    """
    n = rows_of(world, batch)
    return Cost(2 * n * batch * width, 2 * batch * batch * width, (batch - n) * width * FLOAT_BYTES)


def gather_layout_figure(world: int, pairs: int = 16, batch: int = 1024, width: int = 896) -> go.Figure:
    """Get the similarity matrix of a batch of `pairs` (drawn) over `world` ranks; one rank's strip has a thick frame.

    A pair's mark says which of its two vectors get its gradient. Left: remote targets are plain numbers. Right: the
    gather sends their gradients to the owner. batch, width: of the cost that is written above the panels.

    Raises:
        ValueError: world divides `pairs` or `batch` not.
    """
    n = rows_of(world, pairs)
    row, column = (each.ravel() for each in np.indices((pairs, pairs)))
    local = row // n == column // n
    figure = make_subplots(rows=1, cols=2, subplot_titles=PANELS, horizontal_spacing=0.09)
    for panel, kept in enumerate((local, np.ones_like(local)), start=1):
        for trace in marks(row, column, kept, panel == 1):
            figure.add_trace(trace, row=1, col=panel)
        for shape in strips(world, n, pairs, panel):
            figure.add_shape(shape)
    lost = 1 - float(local.mean())
    styled(
        figure, f"{ranks(world)}: without a backward, {lost:.0%} of the pairs give their targets nothing", height=560
    )
    figure.update_annotations(font={"size": 14}, y=1.0)
    figure.add_annotation(
        text=cost_text(world, batch, width),
        x=0,
        y=1.2,
        xref="paper",
        yref="paper",
        xanchor="left",
        yanchor="bottom",
        align="left",
        showarrow=False,
        font={"size": 12},
    )
    axis = {"showgrid": False, "tickmode": "array", "automargin": False}
    middle = [n * rank + (n - 1) / 2 for rank in range(world)]
    axis |= {"tickvals": middle, "ticktext": names(world)}
    figure.update_xaxes(axis | {"title": "targets (columns), by owner", "range": [-0.8, pairs - 0.2]})
    figure.update_yaxes(axis | {"range": [pairs - 0.2, -0.8]})
    figure.update_yaxes(title="queries (rows), by owner", col=1)
    figure.update_layout(margin={"t": 170, "l": 80, "b": 55}, legend={"y": 1.08})
    return figure


def marks(row: np.ndarray, column: np.ndarray, kept: np.ndarray, legend: bool) -> Sequence[go.Scatter]:
    """Group the pairs: right ones, those whose gradient reaches both vectors, those that reach the query."""
    right = row == column
    groups = (
        ("both vectors learn from the pair", ~right & kept, "square", BLUE, 9),
        ("only the query learns", ~right & ~kept, "x-thin", ORANGE, 7),
        ("right pair (both learn)", right, "diamond", PURPLE, 10),
    )
    return [
        go.Scatter(
            x=column[chosen],
            y=row[chosen],
            mode="markers",
            marker={"symbol": symbol, "color": colour, "size": size, "line": {"width": 2, "color": colour}}
            if symbol == "x-thin"
            else {"symbol": symbol, "color": colour, "size": size},
            name=name,
            legendgroup=name,
            showlegend=legend,
            hovertemplate="query %{y}, target %{x}<extra>" + name + "</extra>",
        )
        for name, chosen, symbol, colour, size in groups
    ]


def strips(world: int, n: int, pairs: int, panel: int) -> Sequence[dict[str, object]]:
    """Return a frame around every rank's rows, the last rank's thick: what that rank computes."""
    edge = {"type": "rect", "x0": -0.55, "x1": pairs - 0.45, "xref": f"x{panel}", "yref": f"y{panel}"}
    return [
        edge
        | {
            "y0": rank * n - 0.5,
            "y1": (rank + 1) * n - 0.5,
            "line": {"color": ORANGE if rank == world - 1 else GREY, "width": 3.5 if rank == world - 1 else 1},
        }
        for rank in range(world)
    ]


def cost_text(world: int, batch: int, width: int) -> str:
    """Return the read-out: what a batch of real size costs each rank."""
    cost = gather_cost(world, batch, width)
    return (
        f"A batch of {batch} pairs of {width} numbers: each rank computes {batch // world} x {batch} similarities<br>"
        f"({cost.flops / 1e9:.2f} GFLOP; all pairs would be {cost.flops_of_all / 1e9:.2f}) and receives "
        f"{cost.bytes / 1e6:.2f} MB, with a backward twice that."
    )


def rows_of(world: int, pairs: int) -> int:
    """Return the rows of one rank; ValueError if they do not divide evenly."""
    if world < 1 or pairs % world:
        raise ValueError(f"world = {world} must divide the {pairs} pairs.")
    return pairs // world


def names(world: int) -> list[str]:
    """Return short names where there are many ranks."""
    return [f"rank {rank}" if world <= 4 else str(rank) for rank in range(world)]


def ranks(world: int) -> str:
    """Say how many ranks, in words."""
    return "1 rank" if world == 1 else f"{world} ranks"
