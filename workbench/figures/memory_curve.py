"""Memory of the graphs against the chunk size: one pass over the whole batch, and two passes chunk by chunk."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import log10

import plotly.graph_objects as go

from workbench.figures.theme import BLUE, GREY, ORANGE, styled

MEGABYTE = 1e6


@dataclass(frozen=True)
class MemoryCurve:
    """Measured bytes of one batch.

    items: of the batch. chunk_sizes: items a chunk, increasing. peaks: the largest graph of any chunk at each size.
    whole: the graph of all items at once. vectors: the items' vectors and their gradients, which two passes hold.
    """

    items: int
    chunk_sizes: Sequence[int]
    peaks: Sequence[int]
    whole: int
    vectors: int


def memory_curve_figure(curve: MemoryCurve, bytes_range: tuple[float, float], largest_chunk: int) -> go.Figure:
    """Return the peaks as a line over the chunk size, between the two limits; both axes are logarithmic.

    bytes_range, largest_chunk: the axes' ends, the same in every figure that is to be compared.
    """
    figure = go.Figure()
    for value, name, colour, dash in (
        (curve.whole, "one pass: all graphs at once", ORANGE, "dash"),
        (curve.vectors, "all vectors and their gradients", GREY, "dot"),
    ):
        figure.add_trace(
            go.Scatter(
                x=[1, largest_chunk],
                y=[value / MEGABYTE] * 2,
                name=name,
                mode="lines",
                line={"color": colour, "dash": dash, "width": 3},
                hovertemplate="%{y:.3g} MB<extra>" + name + "</extra>",
            )
        )
    figure.add_trace(
        go.Scatter(
            x=list(curve.chunk_sizes),
            y=[peak / MEGABYTE for peak in curve.peaks],
            name="two passes: one chunk's graph at a time",
            mode="lines+markers",
            line={"color": BLUE, "width": 3},
            marker={"size": 9},
            hovertemplate="chunks of %{x}: %{y:.3g} MB<extra></extra>",
        )
    )
    styled(figure, finding(curve), 430)
    low, high = (log10(value / MEGABYTE) for value in bytes_range)
    figure.update_xaxes(title="items in a chunk", type="log", range=[-0.1, log10(largest_chunk) + 0.1])
    figure.update_xaxes(tickvals=[2**n for n in range(largest_chunk.bit_length())])
    figure.update_yaxes(title="held for the backward pass, MB", type="log", range=[low, high])
    figure.update_yaxes(tickvals=[0.01, 0.1, 1, 10, 100, 1000, 10_000])
    return figure.update_layout(margin={"t": 110})


def finding(curve: MemoryCurve) -> str:
    """By how much the smallest chunk helps."""
    size, peak = curve.chunk_sizes[0], curve.peaks[0]
    chunks = "one by one" if size == 1 else f"in chunks of {size}"
    return f"{curve.items} items {chunks}: {curve.whole / max(peak, 1):.0f} times less memory than at once"
