"""The replay of a training's heaviest negatives: similarity, weight and share of the pull, over the steps."""

from collections.abc import Sequence

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from workbench.figures.theme import BLUE, GREEN, GREY, ORANGE, PURPLE, empty, escape, styled
from workbench.measures.replay import Course, Replay

LOOKS = (
    (ORANGE, "solid", "diamond"),
    (PURPLE, "dash", "square"),
    (GREEN, "dot", "triangle-up"),
    (GREY, "dashdot", "x"),
    (GREY, "longdash", "cross"),
)
POSITIVE = (BLUE, "solid", "circle")
ROWS = (("similarity", 1.0), ("weight", 1.0), ("share", 100.0))
TITLES = ("cosine with the query", "weight (median)", "share of the pull, %")


def replay_figure(replay: Replay) -> go.Figure:
    """Return three charts over the steps, a line a group of negatives; right answers beside them in the first."""
    if not replay.courses:
        return empty("No pairs have been recorded")
    figure = make_subplots(rows=3, cols=1, shared_xaxes=True, vertical_spacing=0.05)
    add_line(figure, 1, "right answers", replay.steps, replay.positive, POSITIVE, True)
    for number, course in enumerate(replay.courses):
        for row, (field, scale) in enumerate(ROWS, start=1):
            values = [scale * value for value in getattr(course, field)]
            add_line(figure, row, course.name, course.steps, values, LOOKS[number % len(LOOKS)], row == 1)
    styled(figure, finding(replay), height=640)
    for row, title in enumerate(TITLES, start=1):
        figure.update_yaxes(title=title, row=row)
    heaviest = max(value for course in replay.courses for value in course.weight)
    lightest = min(value for course in replay.courses for value in course.weight)
    if lightest > 0 and heaviest > 3 * lightest:
        figure.update_yaxes(type="log", dtick=1, row=2)
    else:
        figure.update_yaxes(rangemode="tozero", row=2)
    figure.update_yaxes(range=[0, 103], row=3)
    return figure.update_xaxes(title="step", row=3)


def add_line(
    figure: go.Figure,
    row: int,
    name: str,
    steps: Sequence[int],
    values: Sequence[float],
    look: tuple[str, str, str],
    legend: bool,
) -> None:
    """Return one group's line in one of the charts."""
    colour, dash, symbol = look
    figure.add_trace(
        go.Scatter(
            x=list(steps),
            y=list(values),
            mode="lines+markers",
            line={"color": colour, "dash": dash, "width": 2.5},
            marker={"symbol": symbol, "size": 7},
            name=escape(name),
            legendgroup=name,
            showlegend=legend,
            hovertemplate="step %{x}: %{y:.3g}<extra>" + escape(name) + "</extra>",
        ),
        row=row,
        col=1,
    )


def finding(replay: Replay) -> str:
    """Say how the share of the pull of the hardest group moved."""
    if replay.mixed:
        return f"{replay.datasets} data sets in turns: choose one to see what changed"
    course = hardest(replay.courses)
    if len(course.steps) < 2:
        return f"Negatives at step {course.steps[0]}: {course.name} get {course.share[0]:.0%} of the pull"
    first, last = course.share[0], course.share[-1]
    return f"Share of the pull, {course.name}: {first:.0%} at step {course.steps[0]}, {last:.0%} at {course.steps[-1]}"


def hardest(courses: Sequence[Course]) -> Course:
    """Return the first group that is not of false negatives, or the first of all."""
    return next((each for each in courses if not each.name.startswith("truly right")), courses[0])
