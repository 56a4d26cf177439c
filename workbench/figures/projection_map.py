"""A map of items: each a point, groups by colour and symbol, and how far its neighbourhoods can be trusted."""

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go
from jaxtyping import Float, Int

from workbench.figures.theme import BLUE, GREEN, GREY, ORANGE, PURPLE, escape, styled
from workbench.projection.projection import Quality

COLOURS = (BLUE, ORANGE, GREEN, PURPLE, GREY)
SYMBOLS = ("circle", "diamond-open", "cross", "square-open", "x", "triangle-up-open", "star")
MOST_GROUPS = 20
OTHER = "other"
GL_FROM = 3000
"""From so many points on WebGL draws them; below, SVG, which every page and print can show."""
VERDICTS = ((0.8, "mostly real"), (0.5, "half real"), (-1.0, "mostly made up"))


def projection_map_figure(
    points: Float[np.ndarray, "n 2"],
    groups: Sequence[str],
    made: str,
    found: Quality,
    ids: Int[np.ndarray, " n"] | None = None,
    captions: Sequence[str] | None = None,
    height: int = 480,
) -> go.Figure:
    """Return the map, centred and scaled to [-1, 1] since its units mean nothing; each group a trace.

    groups: the group of each point. made: how the map was made, in words.
    ids: what a selection gives back for each point (customdata), its number by default. captions: shown on hover.
    """
    numbers = np.arange(len(points)) if ids is None else ids
    placed = scaled(points)
    figure = go.Figure()
    for number, (group, rows) in enumerate(members(groups).items()):
        trace = go.Scattergl if len(points) >= GL_FROM else go.Scatter
        words = [escape(str(captions[row])) for row in rows] if captions is not None else None
        figure.add_trace(
            trace(
                x=placed[rows, 0],
                y=placed[rows, 1],
                mode="markers",
                name=escape(group, 40),
                customdata=numbers[rows],
                hovertext=words,
                hovertemplate=("%{hovertext}" if words else "item %{customdata}") + "<extra>%{fullData.name}</extra>",
                marker={
                    "color": COLOURS[number % len(COLOURS)],
                    "symbol": SYMBOLS[number % len(SYMBOLS)],
                    "size": 7 if len(points) < GL_FROM else 5,
                    "opacity": 0.75,
                },
            )
        )
    styled(figure, finding(found), height)
    legend_rows = 1 + max(0, len(traces_of(groups)) - 1) // 5
    figure.update_layout(
        legend={"y": 0, "yanchor": "top", "itemsizing": "constant"},
        margin={"t": 74, "r": 24, "b": 12 + 22 * legend_rows},
        dragmode="lasso",
    )
    figure.add_annotation(
        text=escape(subtitle(made, len(points), found), 110),
        x=0, y=1, xref="paper", yref="paper", xanchor="left", yanchor="bottom", showarrow=False, font={"size": 13},
    )  # fmt: skip
    axis = {"range": [-1.08, 1.08], "showticklabels": False, "title": None}
    figure.update_xaxes(**axis)
    figure.update_yaxes(**axis, scaleanchor="x")
    return figure


def traces_of(groups: Sequence[str]) -> list[str]:
    """Get the groups that get a trace, in alphabetical order; of more than 20 the 19 largest and the others as one."""
    names, counts = np.unique(np.asarray(groups, dtype=str), return_counts=True)
    if len(names) <= MOST_GROUPS:
        return names.tolist()
    largest = names[np.argsort(-counts, kind="stable")][: MOST_GROUPS - 1]
    return [*sorted(largest.tolist()), OTHER]


def members(groups: Sequence[str]) -> dict[str, Int[np.ndarray, " _"]]:
    """Return the rows of each trace."""
    named, own = np.asarray(groups, dtype=str), traces_of(groups)
    labels = np.where(np.isin(named, own), named, OTHER)
    return {each: np.flatnonzero(labels == each) for each in own}


def scaled(points: Float[np.ndarray, "n 2"]) -> Float[np.ndarray, "n 2"]:
    """Centred, and divided by the larger half width: within [-1, 1], shape kept."""
    if not len(points):
        return points
    low, high = points.min(axis=0), points.max(axis=0)
    half = float((high - low).max()) / 2
    return (points - (low + high) / 2) / (half if half > 0 else 1.0)


def finding(found: Quality) -> str:
    """Say what the map's trustworthiness, of which 0.5 is chance, says about reading it."""
    if np.isnan(found.trustworthiness):
        return "Too few items to judge the map"
    above_chance = 2 * found.trustworthiness - 1
    verdict = next(words for least, words in VERDICTS if above_chance >= least)
    return f"Neighbourhoods are {verdict}: trustworthiness {found.trustworthiness:.2f}"


def subtitle(made: str, count: int, found: Quality) -> str:
    """Say how the map was made, how many items it shows, and its continuity."""
    continuity = "" if np.isnan(found.continuity) else f"; continuity {found.continuity:.2f}"
    return f"{made}; {count:,} items{continuity}"
