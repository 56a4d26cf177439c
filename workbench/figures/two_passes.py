"""The gradient cache over time: what runs for which chunk, and above all how much memory the graphs hold meanwhile."""

from collections.abc import Sequence

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from workbench.figures.memory_curve import MEGABYTE
from workbench.figures.theme import BLUE, GREEN, GREY, ORANGE, PURPLE, styled
from workbench.measures.chunked_step import KINDS, ChunkedStep, Run

COLOURS = {"forward": BLUE, "gradient": GREY, "forward again": ORANGE, "backward": GREEN}
PATTERNS = {"forward": "", "gradient": "x", "forward again": "/", "backward": "."}
LOSS_ROW = "loss"


def two_passes_figure(step: ChunkedStep, seconds: float) -> go.Figure:
    """Above, a row of bars for each chunk and one for the loss; below, the bytes that graphs hold.

    seconds: the end of the time axis, the same in every figure that is to be compared.
    """
    figure = make_subplots(rows=2, cols=1, shared_xaxes=True, row_heights=[0.66, 0.34], vertical_spacing=0.07)
    for kind in KINDS:
        figure.add_trace(bars(kind, [run for run in step.runs if run.kind == kind]), row=1, col=1)
    times, held = step.held()
    figure.add_trace(
        go.Scatter(
            x=times,
            y=[each / MEGABYTE for each in held],
            mode="lines",
            line={"color": PURPLE, "width": 3},
            showlegend=False,
            hovertemplate="%{x:.2f} s: %{y:.1f} MB<extra>graphs</extra>",
        ),
        row=2,
        col=1,
    )
    styled(figure, finding(step), 560)
    figure.update_layout(barmode="overlay", bargap=0.2, margin={"t": 95})
    figure.update_xaxes(range=[0, seconds])
    figure.update_xaxes(title="seconds", row=2, col=1)
    rows = [*(row_name(chunk) for chunk in range(len(step.graph_bytes))), LOSS_ROW]
    figure.update_yaxes(
        type="category",
        categoryorder="array",
        categoryarray=rows,
        range=[len(rows) - 0.5, -0.5],
        row=1,
        col=1,
    )
    figure.update_yaxes(title="graphs, MB", range=[0, 1.1 * sum(step.graph_bytes) / MEGABYTE], row=2, col=1)
    return figure


def bars(kind: str, runs: Sequence[Run]) -> go.Bar:
    """Return the bars of one kind of work."""
    return go.Bar(
        x=[run.end - run.start for run in runs],
        base=[run.start for run in runs],
        y=[row_name(run.chunk) for run in runs],
        orientation="h",
        name=kind,
        marker={"color": COLOURS[kind], "pattern": {"shape": PATTERNS[kind]}},
        hovertemplate="%{y}: " + kind + ", %{x:.3f} s<extra></extra>",
    )


def row_name(chunk: int | None) -> str:
    """Say what stands beside a row."""
    return LOSS_ROW if chunk is None else f"chunk {chunk + 1}"


def finding(step: ChunkedStep) -> str:
    """Say how many chunks are encoded twice, and what that takes."""
    chunks = len(step.graph_bytes)
    return (
        f"{chunks - step.kept} of {chunks} chunks encoded twice: {step.peak / MEGABYTE:.0f} MB at most, "
        f"{step.seconds:.2f} s"
    )
