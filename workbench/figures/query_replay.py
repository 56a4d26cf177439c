"""One query at one recorded step: dots on a similarity axis, the right answer marked; and its course over the steps."""

from collections.abc import Mapping, Sequence

import numpy as np
import plotly.graph_objects as go

from workbench.figures.theme import BLUE, GREY, ORANGE, PURPLE, escape, styled
from workbench.measures.query_replay import Moment

LONGEST = 38
"""Letters of an item's words at the axis."""
SMALLEST, LARGEST = 8, 22
"""Pixels of a dot that has no share of the pull, and of one that has all of it."""
MOVES = {"duration": 500, "easing": "cubic-in-out"}


def moment_figure(moment: Moment, span: tuple[float, float], words: Mapping[str, str]) -> go.Figure:
    """Return a line of dots: a row a negative, the heaviest on top, its dot as large as its share of the pull.

    Lines lead from where a negative was at the recorded step before. span: the axis, the same for all steps.
    words: what to call items, by short id; others are called by it.
    """
    table = moment.negatives
    similarity = table["similarity"].to_numpy()
    rows = np.arange(1, len(table) + 1)
    names = [called(each, words) for each in table["negative_id"]]
    figure = go.Figure([trail(moment), right_answer(moment, len(table))])
    for above, name, colour, symbol in (
        (True, "more similar", ORANGE, "diamond"),
        (False, "less similar", GREY, "circle"),
    ):
        chosen = (similarity > moment.positive) == above
        figure.add_trace(
            go.Scatter(
                x=similarity[chosen],
                y=rows[chosen],
                ids=table.loc[chosen, "negative_id"].tolist(),
                mode="markers",
                name=name,
                marker={"color": colour, "symbol": symbol, "size": sizes(table.loc[chosen, "share"].to_numpy())},
                customdata=table.loc[chosen, ["weight", "share", "probability"]].to_numpy(),
                text=[names[row] for row in np.flatnonzero(chosen)],
                hovertemplate="%{text}<br>cosine %{x:.3f}, weight %{customdata[0]:.3g}, share %{customdata[1]:.1%}"
                "<extra></extra>",
            )
        )
    title = f"Step {moment.step:,}: the right answer is {moment.rank}. of {len(table) + 1} recorded"
    styled(figure, title, 200 + 24 * len(table)).update_layout(transition=MOVES, margin={"t": 100})
    ticks = {"tickvals": [0, *rows.tolist()], "ticktext": ["right answer", *names]}
    figure.update_yaxes(**ticks, range=[len(table) + 0.7, -0.7], tickfont={"size": 11})
    return figure.update_xaxes(title="cosine with the query", range=list(span))


def called(item: str, words: Mapping[str, str]) -> str:
    """Return the short name of an item as plotly text."""
    return escape(words.get(item, item), LONGEST)


def sizes(share: np.ndarray) -> np.ndarray:
    """Pixels of dots whose area rises with the share."""
    return np.sqrt(SMALLEST**2 + (LARGEST**2 - SMALLEST**2) * np.clip(share, 0, 1))


def trail(moment: Moment) -> go.Scatter:
    """Return lines from where negatives were before."""
    x: list[float | None] = []
    y: list[float | None] = []
    pairs = zip(moment.negatives["before"], moment.negatives["similarity"], strict=True)
    for row, (before, now) in enumerate(pairs, start=1):
        if not np.isnan(before):
            x += [float(before), float(now), None]
            y += [row, row, None]
    look = {"color": PURPLE, "width": 2}
    return go.Scatter(x=x, y=y, mode="lines", line=look, name="from the step before", hoverinfo="skip")


def right_answer(moment: Moment, count: int) -> go.Scatter:
    """Return the right answer's mark, and a line through all rows."""
    return go.Scatter(
        x=[moment.positive, moment.positive],
        y=[0, count + 0.5],
        mode="lines+markers",
        name="right answer",
        line={"color": BLUE, "width": 2, "dash": "dash"},
        marker={"symbol": ["star", "line-ns"], "size": [16, 1], "color": BLUE},
        hovertemplate="right answer: cosine %{x:.3f}<extra></extra>",
    )


def span_of(moments: Sequence[Moment]) -> tuple[float, float]:
    """Return the ends of a similarity axis that holds every step."""
    values = np.concatenate([np.append(each.negatives["similarity"].to_numpy(), each.positive) for each in moments])
    room = 0.05 * max(0.05, float(values.max() - values.min()))
    return float(values.min()) - room, float(values.max()) + room


def course_figure(moments: Sequence[Moment], step: int) -> go.Figure:
    """Return the query over its recorded steps: the right answer's line, a dot a recorded negative; `step` marked."""
    steps = np.repeat([each.step for each in moments], [len(each.negatives) for each in moments])
    similarity = np.concatenate([each.negatives["similarity"].to_numpy() for each in moments])
    positive = [each.positive for each in moments]
    figure = go.Figure(
        [
            go.Scatter(x=steps, y=similarity, mode="markers", name="recorded negatives",
                       marker={"color": ORANGE, "size": 6, "symbol": "diamond", "opacity": 0.6},
                       hovertemplate="step %{x}: %{y:.3f}<extra>negative</extra>"),
            go.Scatter(x=[each.step for each in moments], y=positive, mode="lines+markers", name="right answer",
                       line={"color": BLUE, "width": 2.5}, hovertemplate="step %{x}: %{y:.3f}<extra></extra>"),
        ]
    )  # fmt: skip
    figure.add_vline(x=step, line={"color": GREY, "dash": "dot", "width": 1})
    first, last = moments[0], moments[-1]
    title = f"Rank among the recorded: {first.rank} at step {first.step:,}, {last.rank} at {last.step:,}"
    return styled(figure, title, 300).update_xaxes(title="step").update_yaxes(title="cosine with the query")
