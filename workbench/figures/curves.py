"""One number of the training log over the steps, several runs laid over each other, a colour and a dash a run."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import plotly.graph_objects as go
from jaxtyping import Float, Int

from workbench.figures.theme import BLUE, GREY, GROUP_COLOURS, ORANGE, empty, escape, styled
from workbench.measures.curves import envelope, smoothed

DASHES = ("solid", "dash", "dot", "dashdot", "longdash", "longdashdot", "5px,2px", "8px,3px,2px,3px")
MOST_RUNS = len(GROUP_COLOURS)
AXES = {"step": ("step", "steps"), "pairs": ("pairs seen", "pairs")}
"""What x counts: at the axis, and after a number of it."""
HEIGHT = 260
FEW = 40
"""A curve of so few values is drawn with a mark at each, and never smoothed."""
MOST_MARKS = 30


@dataclass(frozen=True)
class Line:
    """A number of one run over x (steps, or pairs seen); NaN where it was not logged. name: of the run."""

    name: str
    x: Int[np.ndarray, " n"]
    values: Float[np.ndarray, " n"]

    @property
    def known(self) -> bool:
        """Whether there is anything to draw."""
        return bool(np.isfinite(self.values).any())


def curve_figure(
    label: str, unit: str, lines: Sequence[Line], across: str = "step", beta: float = 0.0, marks: Sequence[int] = ()
) -> go.Figure:
    """Return one number of several runs; thick where it is smoothed, with the logged values thin below.

    label, unit: of the number. across: what x counts, "step" or "pairs". beta: of the exponential moving average, in
    [0, 1); 0 draws what was logged. marks: where the first run has checkpoints; the last MOST_MARKS are drawn.
    """
    if not any(line.known for line in lines):
        return empty(f"{label}: not logged", height=120)
    figure = go.Figure()
    for number, line in enumerate(lines):
        look = GROUP_COLOURS[number % MOST_RUNS], DASHES[number % MOST_RUNS]
        own = beta if np.isfinite(line.values).sum() > FEW else 0.0
        if own:
            figure.add_trace(trace(line, line.values, look, across, True))
        figure.add_trace(trace(line, smoothed(line.values, own), look, across, False))
    for mark in marks[-MOST_MARKS:]:
        figure.add_vline(x=mark, line={"color": GREY, "dash": "dot", "width": 1})
    styled(figure, finding(label, lines, across), HEIGHT).update_layout(showlegend=len(lines) > 1, uirevision="kept")
    return figure.update_xaxes(title=AXES[across][0]).update_yaxes(title=unit)


def trace(line: Line, values: Float[np.ndarray, " n"], look: tuple[str, str], across: str, below: bool) -> go.Scatter:
    """Return one curve; below: the thin one under a smoothed one."""
    kept = envelope(values)
    colour, dash = look
    name = escape(line.name)
    return go.Scatter(
        x=line.x[kept],
        y=values[kept],
        mode="lines+markers" if len(kept) <= FEW and not below else "lines",
        line={"color": colour, "dash": "solid" if below else dash, "width": 1 if below else 2.2},
        marker={"size": 5},
        opacity=0.35 if below else 1.0,
        name=name,
        legendgroup=name,
        showlegend=not below,
        hoverinfo="skip" if below else None,
        hovertemplate=None if below else f"{across} %{{x}}: %{{y:.4g}}<extra>{name}</extra>",
    )


def finding(label: str, lines: Sequence[Line], across: str = "step") -> str:
    """Say where one run began and ended, or where several ended: medians of the first and the last tenth."""
    known = [line for line in lines if line.known]
    ends = [tenths(line.values) for line in known]
    if len(lines) == 1:
        last = int(known[0].x[np.isfinite(known[0].values)][-1])
        return f"{label}: {ends[0][0]:.3g} to {ends[0][1]:.3g} over {last:,} {AXES[across][1]}"
    if len(lines) > 2:
        last_ones = [end for _, end in ends]
        return f"{label}: {len(known)} runs end at {min(last_ones):.3g} to {max(last_ones):.3g}"
    return f"{label}: " + ", ".join(f"{line.name} {end:.3g}" for line, (_, end) in zip(known, ends, strict=True))


def tenths(values: Float[np.ndarray, " n"]) -> tuple[float, float]:
    """Return the medians of the first and of the last tenth of the finite values."""
    finite = values[np.isfinite(values)]
    tenth = max(1, len(finite) // 10)
    return float(np.median(finite[:tenth])), float(np.median(finite[-tenth:]))


def spike_figure(label: str, line: Line, median: Float[np.ndarray, " n"], places: Sequence[int]) -> go.Figure:
    """Return a number with its running median and marks at the spikes. places: their rows."""
    if not line.known:
        return empty(f"{label}: not logged", height=120)
    kept, middle = envelope(line.values), envelope(median)
    finite = [place for place in places if np.isfinite(line.values[place])]
    figure = go.Figure(
        [
            go.Scatter(x=line.x[kept], y=line.values[kept], mode="lines", name="as logged",
                       line={"color": GREY, "width": 1}, hoverinfo="skip"),
            go.Scatter(x=line.x[middle], y=median[middle], mode="lines", name="median of the steps before",
                       line={"color": BLUE, "width": 2, "dash": "dash"}, hoverinfo="skip"),
            go.Scatter(x=line.x[finite], y=line.values[finite], mode="markers", name="spikes",
                       marker={"color": ORANGE, "size": 9, "symbol": "diamond"},
                       hovertemplate="step %{x}: %{y:.4g}<extra>spike</extra>"),
        ]
    )  # fmt: skip
    lost = len(places) - len(finite)
    words = f"{label}: {counted(len(finite), 'spike')}" + (f", {counted(lost, 'step')} not finite," if lost else "")
    return styled(figure, f"{words} in {len(line.x):,} steps", 300).update_xaxes(title="step")


def counted(number: int, what: str) -> str:
    """Return a number with its word: 1 spike, 2 spikes."""
    return f"{number:,} {what}" if number == 1 else f"{number:,} {what}s"
