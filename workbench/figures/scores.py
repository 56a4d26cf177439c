"""Scores by data set: a dot with its interval, and a tick at chance."""

from collections.abc import Sequence

import plotly.graph_objects as go

from core.evaluation.metrics import Score
from workbench.figures.theme import BLUE, GREY, ORANGE, escape, styled

GROUPS = (("trained data sets", BLUE, "circle"), ("new data sets", ORANGE, "diamond"))
UNKNOWN = "data sets"


def scores_figure(scores: Sequence[Score], in_distribution: Sequence[bool] | None) -> go.Figure:
    """Return one line a data set, best first within each half: value, 95 % interval and chance, in percent.

    in_distribution: for each score, whether its data set was trained; None where nobody knows.
    """
    figure = go.Figure()
    order: list[str] = []
    groups = GROUPS if in_distribution is not None else ((UNKNOWN, *GROUPS[0][1:]),)
    for (group, colour, symbol), inside in zip(groups, (True, False), strict=False):
        pairs = zip(scores, in_distribution or [True] * len(scores), strict=True)
        members = sorted((score for score, trained in pairs if trained is inside), key=lambda score: -score.value)
        if members:
            figure.add_trace(dots(members, group, colour, symbol))
            order += [escape(score.name) for score in members]
    figure.add_trace(chance_ticks(scores))
    styled(figure, finding(scores), height=120 + 29 * len(order))
    figure.update_xaxes(title=f"{scores[0].metric}, %, with its 95 % interval" if scores else "%", range=[-2, 102])
    figure.update_yaxes(type="category", categoryorder="array", categoryarray=order[::-1], tickfont={"size": 13})
    return figure


def dots(members: Sequence[Score], group: str, colour: str, symbol: str) -> go.Scatter:
    """Return the values of one half with their intervals."""
    return go.Scatter(
        x=[100 * score.value for score in members],
        y=[escape(score.name) for score in members],
        error_x={
            "type": "data",
            "array": [100 * (score.high - score.value) for score in members],
            "arrayminus": [100 * (score.value - score.low) for score in members],
            "thickness": 2,
            "width": 0,
        },
        mode="markers",
        marker={"color": colour, "symbol": symbol, "size": 10},
        name=group,
        hovertext=[hover(score) for score in members],
        hoverinfo="text",
    )


def chance_ticks(scores: Sequence[Score]) -> go.Scatter:
    """Return a tick where random vectors would score."""
    return go.Scatter(
        x=[100 * score.chance for score in scores],
        y=[escape(score.name) for score in scores],
        mode="markers",
        marker={"color": GREY, "symbol": "line-ns-open", "size": 14, "line": {"width": 3, "color": GREY}},
        name="chance",
        hoverinfo="skip",
    )


def hover(score: Score) -> str:
    """Return a score in words."""
    return (
        f"{escape(score.name)}: {score.metric} {100 * score.value:.1f} %<br>"
        f"95 % interval {100 * score.low:.1f} to {100 * score.high:.1f} %<br>"
        f"chance {100 * score.chance:.1f} %, {score.n} queries, {score.pool:.0f} candidates"
    )


def finding(scores: Sequence[Score]) -> str:
    """Say how many data sets are clearly above chance."""
    above = sum(score.low > score.chance for score in scores)
    return f"{above} of {len(scores)} data sets are clearly above chance"
