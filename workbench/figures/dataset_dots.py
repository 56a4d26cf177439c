"""Data sets as sorted dots: one row each, its mean with its interval, of one model, two, or their difference."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import plotly.graph_objects as go

from workbench.figures.theme import BLUE, GREY, ORANGE, escape, styled
from workbench.measures.hardness import Mean

LOOKS = ((BLUE, "circle"), (ORANGE, "diamond-open"), (GREY, "square-open"))
ROW = 26


@dataclass(frozen=True)
class Dots:
    """Means by data set. name: of the model, or of how they were taken."""

    name: str
    means: Mapping[str, Mean]


@dataclass(frozen=True)
class Axis:
    """What the dots stand for. scale: 100 for shares, shown in percent; 1 for others. chance: by data set, if known.

    line: where a line is drawn, such as no difference.
    """

    title: str
    scale: float
    line: float | None = None
    chance: Mapping[str, float] | None = None


def sorted_names(means: Mapping[str, Mean]) -> list[str]:
    """Return the data sets, the largest mean first."""
    return sorted(means, key=lambda name: -means[name].value)


def dataset_dots_figure(sets: Sequence[Dots], order: Sequence[str], axis: Axis, title: str) -> go.Figure:
    """Return one row a data set in this order, the first on top; several sets lie a little below one another.

    Raises:
        ValueError: no set, or more than three.
    """
    if not 0 < len(sets) <= len(LOOKS):
        raise ValueError(f"dataset_dots_figure draws one to {len(LOOKS)} sets, not {len(sets)}.")
    figure = go.Figure()
    if axis.line is not None:
        figure.add_vline(x=axis.scale * axis.line, line={"color": GREY, "dash": "dash", "width": 1.5})
    rows = {name: row for row, name in enumerate(order)}
    for place, (each, look) in enumerate(zip(sets, LOOKS, strict=False)):
        beside = 0.26 * (place - (len(sets) - 1) / 2)
        figure.add_trace(dots(each, rows, beside, axis, look))
    if axis.chance is not None:
        figure.add_trace(chance_ticks(axis.chance, rows, axis.scale))
    styled(figure, title, height=140 + max(ROW, 16 * len(sets)) * len(order))
    figure.update_layout(showlegend=len(sets) > 1 or axis.chance is not None)
    figure.update_xaxes(title=axis.title)
    labels = [escape(name, 28) for name in order]
    return figure.update_yaxes(tickvals=list(rows.values()), ticktext=labels, range=[len(order) - 0.4, -0.6])


def dots(each: Dots, rows: Mapping[str, int], beside: float, axis: Axis, look: tuple[str, str]) -> go.Scatter:
    """Return the means of one set with their intervals."""
    shown = [(name, mean) for name, mean in each.means.items() if name in rows]
    return go.Scatter(
        x=[axis.scale * mean.value for _, mean in shown],
        y=[rows[name] + beside for name, _ in shown],
        error_x={
            "type": "data",
            "array": [axis.scale * (mean.high - mean.value) for _, mean in shown],
            "arrayminus": [axis.scale * (mean.value - mean.low) for _, mean in shown],
            "thickness": 2,
            "width": 0,
        },
        mode="markers",
        marker={"color": look[0], "symbol": look[1], "size": 9, "line": {"width": 2}},
        name=escape(each.name),
        hovertext=[hover(name, each.name, mean, axis) for name, mean in shown],
        hoverinfo="text",
    )


def chance_ticks(chance: Mapping[str, float], rows: Mapping[str, int], scale: float) -> go.Scatter:
    """Return a tick where random vectors would lie."""
    shown = [name for name in rows if name in chance]
    return go.Scatter(
        x=[scale * chance[name] for name in shown],
        y=[rows[name] for name in shown],
        mode="markers",
        marker={"color": GREY, "symbol": "line-ns-open", "size": 12, "line": {"width": 3, "color": GREY}},
        name="chance",
        hoverinfo="skip",
    )


def hover(name: str, model: str, mean: Mean, axis: Axis) -> str:
    """Return a mean in words."""
    value, low, high = (written(axis.scale * each, axis.scale) for each in (mean.value, mean.low, mean.high))
    return f"{escape(name)}: {value}<br>95 % interval {low} to {high}<br>{mean.n:,} queries, {escape(model)}"


def written(number: float, scale: float) -> str:
    """Return a number of the axis with as many digits as make sense."""
    return f"{number:.1f} %" if scale == 100 else f"{number:.3f}"
