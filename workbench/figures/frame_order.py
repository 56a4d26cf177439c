"""What a change of the order of frames does: one dot for each question and order, with its interval and chance."""

from collections.abc import Mapping, Sequence

import plotly.graph_objects as go

from core.evaluation.metrics import Score
from workbench.figures.theme import BLUE, GREEN, GREY, ORANGE, escape, styled

LOOKS = ((BLUE, "circle"), (ORANGE, "diamond"), (GREEN, "square-open"))
APART = 0.22
"""Between two orders on the line of one question, whose lines are 1 apart."""


def frame_order_figure(scores: Mapping[str, Sequence[Score]]) -> go.Figure:
    """Plot scores by order of frames ("as filmed" first, at most three), each the same questions in one sequence.

    A question is a `Score` whose name says it; a tick stands at its chance.

    Raises:
        ValueError: the orders answer different questions.
    """
    questions = [score.name for score in next(iter(scores.values()))]
    if any([score.name for score in each] != questions for each in scores.values()):
        raise ValueError(f"every order needs the questions {questions}, in this sequence.")
    figure = go.Figure()
    for place, ((order, answers), look) in enumerate(zip(scores.items(), LOOKS, strict=False)):
        figure.add_trace(dots(order, answers, APART * (place - (len(scores) - 1) / 2), *look))
    lines = list(range(len(questions)))
    figure.add_trace(
        go.Scatter(
            x=[100 * score.chance for score in next(iter(scores.values()))],
            y=lines,
            mode="markers",
            marker={"color": GREY, "symbol": "line-ns-open", "size": 44, "line": {"width": 3, "color": GREY}},
            name="chance",
            hovertemplate="chance %{x:.1f} %<extra></extra>",
        )
    )
    styled(figure, finding(scores), height=150 + 80 * len(questions))
    figure.update_xaxes(title="queries answered rightly, %, with the 95 % interval", range=[-2, 102])
    figure.update_yaxes(tickvals=lines, ticktext=[escape(question) for question in questions])
    return figure.update_yaxes(range=[len(questions) - 0.4, -0.6])


def dots(order: str, answers: Sequence[Score], below: float, colour: str, symbol: str) -> go.Scatter:
    """Return the scores under one order of frames, drawn so far below the middle of their question's line."""
    return go.Scatter(
        x=[100 * score.value for score in answers],
        y=[line + below for line in range(len(answers))],
        error_x={
            "type": "data",
            "array": [100 * (score.high - score.value) for score in answers],
            "arrayminus": [100 * (score.value - score.low) for score in answers],
            "thickness": 2,
            "width": 5,
        },
        mode="markers",
        marker={"color": colour, "symbol": symbol, "size": 11},
        name=order,
        hovertext=[
            f"{order}: {100 * each.value:.0f} %, {100 * each.low:.0f} to {100 * each.high:.0f} %" for each in answers
        ],
        hoverinfo="text",
    )


def finding(scores: Mapping[str, Sequence[Score]]) -> str:
    """Tell whether any score under another order leaves the interval of the first."""
    (usual, expected), *others = scores.items()
    moved = [
        score.name
        for _, answers in others
        for score, usually in zip(answers, expected, strict=True)
        if not usually.low <= score.value <= usually.high
    ]
    if moved:
        return f"Another order of frames moves: {', '.join(dict.fromkeys(moved))}"
    return f"In any order the scores stay within the intervals of the frames {usual}"
