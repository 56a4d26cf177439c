"""Where the gradient goes by true hardness: to the negatives that differ in one attribute, in two, ..."""

from collections.abc import Mapping

import plotly.graph_objects as go

from workbench.figures.theme import GREEN, GREY, ORANGE, styled
from workbench.measures.hardness import Mean

Shares = Mapping[int, tuple[Mean, float]]


def hardness_shares_figure(
    trained: Shares, what_if: Shares, names: tuple[str, str] = ("what-if", "as trained")
) -> go.Figure:
    """Bars in percent with 95 % intervals, by attributes that differ; a tick marks what an equal pull would give.

    Both from `workbench.measures.hardness.shares_by_hardness` of the same pools. names: of what_if and trained.
    """
    levels = list(what_if)
    places = [level_name(level) for level in levels]
    figure = go.Figure()
    for shares, name, colour, pattern in ((what_if, names[0], ORANGE, ""), (trained, names[1], GREY, "/")):
        means = [shares[level][0] for level in levels]
        figure.add_trace(
            go.Bar(
                x=places,
                y=[100 * mean.value for mean in means],
                error_y={
                    "type": "data",
                    "array": [100 * (mean.high - mean.value) for mean in means],
                    "arrayminus": [100 * (mean.value - mean.low) for mean in means],
                    "thickness": 1.5,
                    "color": GREY,
                    "width": 4,
                },
                name=name,
                marker={"color": colour, "pattern": {"shape": pattern}},
                hovertemplate="%{x}<br>%{y:.1f} % of the gradient<extra>" + name + "</extra>",
            )
        )
    figure.add_trace(
        go.Scatter(
            x=places,
            y=[100 * what_if[level][1] for level in levels],
            mode="markers",
            marker={"symbol": "line-ew-open", "size": 34, "color": GREEN, "line": {"width": 3, "color": GREEN}},
            name="if all pulled alike",
            hovertemplate="%{x}<br>%{y:.1f} % of the negatives<extra></extra>",
        )
    )
    styled(figure, finding(what_if))
    figure.update_xaxes(title="asked attributes in which the negative truly differs", type="category")
    figure.update_yaxes(title="share of the gradient, %", rangemode="tozero")
    return figure


def level_name(level: int) -> str:
    """Return the true hardness in words."""
    return {0: "0 (truly right)", 1: "1 (hardest)"}.get(level, str(level))


def finding(shares: Shares) -> str:
    """Say what the truly hardest negatives get, against their number."""
    hardest = next((level for level in shares if level > 0), None)
    if hardest is None:
        return "True hardness is not known here"
    mean, alike = shares[hardest]
    plural = "" if hardest == 1 else "s"
    named = f"Negatives that differ in {hardest} attribute{plural}"
    return f"{named} get {mean.value:.0%} of the gradient; they are {alike:.0%} of all"
