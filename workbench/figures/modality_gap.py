"""The modality gap: where two sides lie along the line between their means, and the cosines within and across them."""

import numpy as np
import plotly.graph_objects as go
from jaxtyping import Float
from plotly.subplots import make_subplots

from workbench.figures.theme import BLUE, GREEN, GREY, ORANGE, escape, styled
from workbench.measures.modality_gap import along, cosines, gap, precision_at_1
from workbench.projection.projection import even_sample

BINS = 40
MOST = 1000
"""Of more pairs an even sample: all cosines across two sides are compared."""
SIDES = ((BLUE, "solid"), (ORANGE, "dash"))
KINDS = {
    "within first": (BLUE, "solid"),
    "within second": (ORANGE, "dash"),
    "across": (GREY, "dot"),
    "own": (GREEN, "dashdot"),
}


def modality_gap_figure(
    first: Float[np.ndarray, "n d"],
    second: Float[np.ndarray, "n d"],
    names: tuple[str, str] = ("queries", "right answers"),
    highest: float | None = None,
) -> go.Figure:
    """Above, the two shells along the gap; below, cosines within each side, across, and of pairs that belong together.

    Row i of the first side belongs to row i of the second; all are unit vectors. Both panels are in percent of their
    kind, in bins of 0.05, up to `highest` (fitted by default).
    """
    rows = even_sample(len(first), MOST)
    first, second = first[rows], second[rows]
    shells = f"{escape(names[0], 30)} (blue, solid) and {escape(names[1], 30)} (orange, dashed) along the gap"
    figure = make_subplots(rows=2, cols=1, vertical_spacing=0.2, subplot_titles=[shells, "cosines of their pairs"])
    places = dict(zip(names, along(first, second), strict=True))
    for (name, values), look in zip(places.items(), SIDES, strict=True):
        figure.add_trace(outline(escape(name, 40), values, *look).update(showlegend=False), row=1, col=1)
    pairs = cosines(first, second)
    for kind, values in pairs.items():
        figure.add_trace(outline(in_words(kind, names), values, *KINDS[kind]), row=2, col=1)
    styled(figure, finding(first, second, names[0]), height=540)
    figure.update_annotations(x=0, xanchor="left", font={"size": 13})
    figure.update_layout(legend={"y": 1.09, "yanchor": "bottom"}, margin={"t": 105})
    figure.update_xaxes(range=[-1.0, 1.0], title="place along the line between the means", row=1)
    figure.update_xaxes(range=[-1.0, 1.0], title="cosine", row=2)
    every = [*places.values(), *pairs.values()]
    top = highest or 1.05 * max(float(shares(values).max()) for values in every)
    figure.update_yaxes(range=[0.0, top], title="share, %")
    return figure


def in_words(kind: str, names: tuple[str, str]) -> str:
    """Return a kind of pairs, as the legend says it."""
    words = {
        "within first": f"two {names[0]}",
        "within second": f"two {names[1]}",
        "across": "one of each",
        "own": "a pair that belongs together",
    }
    return escape(words[kind], 40)


def outline(name: str, values: Float[np.ndarray, " _"], colour: str, dash: str) -> go.Scatter:
    """Return a histogram as a stepped line."""
    return go.Scatter(
        x=np.linspace(-1, 1, BINS + 1),
        y=np.append(shares(values), 0.0),
        mode="lines",
        line={"shape": "hv", "color": colour, "width": 2.5, "dash": dash},
        name=name,
        hovertemplate="%{y:.1f} % from %{x:.2f}<extra>" + name + "</extra>",
    )


def shares(values: Float[np.ndarray, " _"]) -> Float[np.ndarray, " bins"]:
    """Return the percentage of the values in each bin."""
    counts = np.histogram(np.clip(values, -1, 1), np.linspace(-1, 1, BINS + 1))[0]
    return 100 * counts / max(1, counts.sum())


def finding(first: Float[np.ndarray, "n d"], second: Float[np.ndarray, "n d"], name: str) -> str:
    """Return the gap, and how often a vector of the first side finds its own."""
    hits = precision_at_1(first, second)
    return f"The means are {gap(first, second):.2f} apart; {hits:.1%} of the {name} find their own first"
