"""An item as the language model reads it: a strip of tokens, what its vector is near to, and what each token knows."""

from collections.abc import Mapping, Sequence

import numpy as np
import plotly.graph_objects as go
from jaxtyping import Float
from plotly.subplots import make_subplots

from workbench.figures.theme import BLUE, GREEN, GREY, ORANGE, PURPLE, escape, styled
from workbench.measures.token_states import Tokens

COLOURS = {"template": GREY, "picture": BLUE, "words": GREEN}
PATTERNS = {"template": "x", "picture": "", "words": "/"}
GROUP_LOOKS = ((ORANGE, "", "solid", "circle"), (PURPLE, "/", "dash", "diamond"), (GREEN, ".", "dot", "square"))
"""Colour, pattern, dash and symbol of each group of candidates."""

Groups = Mapping[str, Mapping[str, float]]
"""For each group of candidates, such as "colours", the cosine of each candidate."""


def token_strip_figure(tokens: Tokens, pooled: int, groups: Groups, longest: int) -> go.Figure:
    """Above, the tokens as cells, the pooled one outlined; below, the cosine of its vector to each candidate.

    pooled: the place of the token that is read. groups: at most three. longest: places of the strip, the same in every
    figure that is to be compared.

    Raises:
        ValueError: more than three groups, or the pooled place is outside the item.
    """
    check(tokens, pooled, groups)
    figure = make_subplots(rows=2, cols=1, row_heights=[0.36, 0.64], vertical_spacing=0.16)
    for kind, colour in COLOURS.items():
        places = [place for place, each in enumerate(tokens.kinds) if each == kind]
        figure.add_trace(cells(tokens, places, kind, colour), row=1, col=1)
    figure.add_trace(outline(pooled), row=1, col=1)
    for (name, cosines), (colour, pattern, _, _) in zip(groups.items(), GROUP_LOOKS, strict=False):
        figure.add_trace(
            go.Bar(
                x=[escape(word) for word in cosines],
                y=list(cosines.values()),
                name=name,
                marker={"color": colour, "pattern": {"shape": pattern}},
                hovertemplate="%{x}: cosine %{y:.2f}<extra></extra>",
            ),
            row=2,
            col=1,
        )
    styled(figure, strip_finding(groups), 520)
    figure.update_xaxes(range=[-0.7, longest - 0.3], showticklabels=False, showgrid=False, row=1, col=1)
    figure.update_yaxes(range=[0, 1.05], visible=False, row=1, col=1)
    figure.update_xaxes(tickangle=-60, row=2, col=1)
    figure.update_yaxes(title="cosine", range=[-1, 1], row=2, col=1)
    return figure.update_layout(barmode="overlay", bargap=0.12, margin={"t": 100, "r": 45})


def cells(tokens: Tokens, places: Sequence[int], kind: str, colour: str) -> go.Bar:
    """Return the tokens of one kind."""
    return go.Bar(
        x=list(places),
        y=[1] * len(places),
        width=0.92,
        name={"words": "word"}.get(kind, kind) + " tokens",
        text=[escape(tokens.texts[place]).strip() for place in places],
        textangle=-90,
        textposition="inside",
        insidetextanchor="middle",
        constraintext="none",
        textfont={"size": 11, "color": "white"},
        marker={"color": colour, "pattern": {"shape": PATTERNS[kind], "size": 4, "solidity": 0.15}},
        hovertemplate="place %{x}: " + kind + " %{text}<extra></extra>",
    )


def outline(pooled: int) -> go.Scatter:
    """Return a frame around the token that is read."""
    return go.Scatter(
        x=[pooled - 0.5, pooled - 0.5, pooled + 0.5, pooled + 0.5, pooled - 0.5],
        y=[0, 1.03, 1.03, 0, 0],
        name="read here",
        mode="lines",
        line={"color": ORANGE, "width": 4},
        hoverinfo="skip",
    )


def check(tokens: Tokens, pooled: int, groups: Groups) -> None:
    """Raise ValueError as `token_strip_figure` says."""
    if not 1 <= len(groups) <= len(GROUP_LOOKS):
        raise ValueError(f"groups holds {', '.join(groups)}; one to {len(GROUP_LOOKS)} can be told apart.")
    if not 0 <= pooled < len(tokens.kinds):
        raise ValueError(f"pooled = {pooled} is outside the item's {len(tokens.kinds)} tokens.")


def strip_finding(groups: Groups) -> str:
    """Say what the vector is nearest to."""
    cosine, word, group = max((c, word, group) for group, words in groups.items() for word, c in words.items())
    return f'The vector is nearest to "{word}", of {group}: cosine {cosine:.2f}'


def knowledge_figure(tokens: Tokens, cosines: Mapping[str, Float[np.ndarray, " length"]], longest: int) -> go.Figure:
    """For each answer, the cosine of every token's state to its vector, along the sequence.

    cosines: at most three answers. longest: places of the axis, the same in every figure that is to be compared.
    """
    figure = go.Figure()
    for (name, values), (colour, _, dash, symbol) in zip(cosines.items(), GROUP_LOOKS, strict=False):
        figure.add_trace(
            go.Scatter(
                x=list(range(len(values))),
                y=list(values),
                name=name,
                mode="lines+markers",
                line={"color": colour, "dash": dash, "width": 2},
                marker={"symbol": symbol, "size": 6},
                customdata=[escape(text) or kind for text, kind in zip(tokens.texts, tokens.kinds, strict=True)],
                hovertemplate="place %{x}, %{customdata}: cosine %{y:.2f}<extra>" + escape(name) + "</extra>",
            )
        )
    styled(figure, knowledge_finding(cosines), 430)
    pictures = [place for place, kind in enumerate(tokens.kinds) if kind == "picture"]
    if pictures:
        figure.add_vrect(pictures[0] - 0.5, pictures[-1] + 0.5, fillcolor=BLUE, opacity=0.12, line_width=0)
        figure.add_annotation(
            x=(pictures[0] + pictures[-1]) / 2, y=0.97, text="picture tokens", showarrow=False, font={"size": 13}
        )
    figure.update_xaxes(title="place in the sequence", range=[-0.7, longest - 0.3])
    figure.update_yaxes(title="cosine with the answer", range=[-0.5, 1.02])
    return figure.update_layout(margin={"t": 85, "r": 45})


def knowledge_finding(cosines: Mapping[str, Float[np.ndarray, " length"]]) -> str:
    """Tell which answer the last token is nearest to, and where else that answer stands out most."""
    name, values = max(cosines.items(), key=lambda each: float(each[1][-1]))
    return f"The last token is nearest to {name} ({values[-1]:.2f}); no earlier one exceeds {values[:-1].max():.2f}"
