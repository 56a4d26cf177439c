"""The difference of two models by data set, with the interval of paired queries beside that of unpaired ones."""

from collections.abc import Sequence
from dataclasses import dataclass

import plotly.graph_objects as go

from workbench.figures.theme import BLUE, GREY, escape, styled

LOOKS = (
    ("the same queries, paired", BLUE, "circle", 3, "paired", -0.13),
    ("as if they were different queries", GREY, "diamond-open", 1.5, "unpaired", 0.13),
)


@dataclass(frozen=True)
class Difference:
    """Second model minus first, in [-1, 1], with two 95 % intervals (low, high)."""

    name: str
    value: float
    paired: tuple[float, float]
    unpaired: tuple[float, float]


def paired_differences_figure(models: tuple[str, str], differences: Sequence[Difference]) -> go.Figure:
    """Return one line a data set, the last being the mean of all: the difference in points of P@1 and its intervals."""
    figure = go.Figure()
    names = [escape(each.name) for each in differences]
    reach = 10.0
    for name, colour, symbol, width, kind, beside in LOOKS:
        ends = [getattr(each, kind) for each in differences]
        reach = max([reach, *(100 * abs(end) for pair in ends for end in pair)])
        figure.add_trace(
            go.Scatter(
                x=[100 * each.value for each in differences],
                y=[row + beside for row in range(len(differences))],
                error_x={
                    "type": "data",
                    "array": [100 * (high - each.value) for each, (_, high) in zip(differences, ends, strict=True)],
                    "arrayminus": [100 * (each.value - low) for each, (low, _) in zip(differences, ends, strict=True)],
                    "thickness": width,
                    "width": 6,
                },
                mode="markers",
                marker={"color": colour, "symbol": symbol, "size": 10},
                name=name,
                hovertext=[
                    f"{escape(each.name)}: {100 * each.value:+.1f} points, {100 * low:+.1f} to {100 * high:+.1f}"
                    for each, (low, high) in zip(differences, ends, strict=True)
                ],
                hoverinfo="text",
            )
        )
    figure.add_vline(x=0, line={"color": GREY, "dash": "dash", "width": 2})
    styled(figure, finding(models, differences), height=150 + 45 * len(differences))
    first, second = (escape(model) for model in models)
    figure.update_xaxes(title=f"P@1 of {second} minus that of {first}, points", range=[-1.08 * reach, 1.08 * reach])
    rows = list(range(len(differences)))
    return figure.update_yaxes(tickvals=rows, ticktext=names, range=[len(rows) - 0.5, -0.5])


def finding(models: tuple[str, str], differences: Sequence[Difference]) -> str:
    """Tell whether the last difference is told from zero by the paired interval."""
    last = differences[-1]
    low, high = (100 * end for end in last.paired)
    verdict = "a difference that shows" if low > 0 or high < 0 else "not told apart"
    return f"{models[1]} - {models[0]}: {100 * last.value:+.1f} points, {low:+.1f} to {high:+.1f}: {verdict}"
