"""One query with its best candidates as pictures: what the model took for the answer, and where the right one is.

Pictures are embedded in the figure as small WebP, so that it shows without a kernel and without files.
"""

import base64
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass

import plotly.graph_objects as go

from workbench.figures.theme import BLUE, GREY, ORANGE, escape, styled

HEIGHT = 280
QUERY_WIDTH = 0.23
GAP = 0.012
LETTERS = 100
"""Letters that fit beside one another in the whole width of 700 pixels."""
LINES = 6
SIDES = 48
"""Pixels on both sides: the labels of a slider under the figure stand out so far."""
LOOKS = {True: (BLUE, "solid", 3), False: (ORANGE, "dot", 1.5), None: (GREY, "solid", 1)}
"""The frames of right candidates, of wrong ones, and of the query."""


@dataclass(frozen=True)
class Card:
    """What is drawn of an item. pictures: each encoded as WebP, in reading order. words: "" where it has none."""

    pictures: tuple[bytes, ...]
    words: str


@dataclass(frozen=True)
class Candidate:
    """A candidate of a ranking. place: its rank, from 1. similarity: its cosine with the query."""

    card: Card
    place: int
    similarity: float
    right: bool


def failing_query_figure(dataset: str, query: Card, candidates: Sequence[Candidate], pool: int) -> go.Figure:
    """Get the query on the left, its candidates from the best to the right; right ones have a solid frame and say so.

    candidates: those to show, in order, with at least one right one. pool: how many were ranked.
    """
    figure = go.Figure(hover_points(query, candidates))
    add_card(figure, 0.0, QUERY_WIDTH, query, "<b>query</b>", None)
    width = (1 - QUERY_WIDTH) / max(1, len(candidates))
    for number, candidate in enumerate(candidates):
        said = "<b>right</b>" if candidate.right else "wrong"
        head = f"{candidate.place}. {said}<br>cosine {candidate.similarity:.3f}"
        add_card(figure, QUERY_WIDTH + number * width, width, candidate.card, head, candidate.right)
    styled(figure, finding(dataset, candidates, pool), HEIGHT)
    figure.update_xaxes(visible=False, range=[0, 1], fixedrange=True)
    figure.update_yaxes(visible=False, range=[0, 1], fixedrange=True)
    return figure.update_layout(showlegend=False, margin={"t": 45, "l": SIDES, "r": SIDES})


def hover_points(query: Card, candidates: Sequence[Candidate]) -> go.Scatter:
    """Invisible points whose hover says all words of each card."""
    width = (1 - QUERY_WIDTH) / max(1, len(candidates))
    return go.Scatter(
        x=[QUERY_WIDTH / 2, *(QUERY_WIDTH + (number + 0.5) * width for number in range(len(candidates)))],
        y=[0.5] * (len(candidates) + 1),
        mode="markers",
        marker={"size": 40, "opacity": 0},
        hovertext=[escape(each.words or "(no words)", 200) for each in (query, *(one.card for one in candidates))],
        hoverinfo="text",
    )


def add_card(figure: go.Figure, left: float, width: float, card: Card, head: str, right: bool | None) -> None:
    """Draw one card into the unit square, from x = left on."""
    colour, dash, thickness = LOOKS[right]
    inner, middle = width - GAP, left + width / 2
    figure.add_shape(
        type="rect",
        x0=left + GAP / 2,
        x1=left + width - GAP / 2,
        y0=0.01,
        y1=0.99,
        line={"color": colour, "dash": dash, "width": thickness},
    )
    add_text(figure, middle, 0.97, head)
    for number, picture in enumerate(card.pictures):
        figure.add_layout_image(
            source="data:image/webp;base64," + base64.b64encode(picture).decode(),
            xref="x",
            yref="y",
            x=left + GAP + (number + 0.5) * (inner - GAP) / len(card.pictures),
            y=0.565,
            sizex=(inner - 2 * GAP) / len(card.pictures),
            sizey=0.46,
            xanchor="center",
            yanchor="middle",
            sizing="contain",
        )
    add_text(figure, middle, 0.33 if card.pictures else 0.75, wrapped(card.words, int(LETTERS * inner)))


def add_text(figure: go.Figure, x: float, top: float, text: str) -> None:
    """Return words under a point."""
    figure.add_annotation(x=x, y=top, text=text, showarrow=False, yanchor="top", font={"size": 12})


def wrapped(words: str, letters: int) -> str:
    """Wrap words to lines of so many letters, at most six; tags and entities, which plotly reads, are taken apart."""
    lines = textwrap.wrap(words, letters, max_lines=LINES, placeholder=" ...")
    return "<br>".join(escape(line) for line in lines)


def finding(dataset: str, candidates: Sequence[Candidate], pool: int) -> str:
    """Say where the right answer is."""
    places = [each.place for each in candidates if each.right]
    if not places:
        return f"{dataset}: the right answer is not shown"
    tied = sum(each.place == min(places) and not each.right for each in candidates)
    return f"{dataset}: the right answer is number {min(places)} of {pool}" + (", with ties" if tied else "")
