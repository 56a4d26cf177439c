"""A query's pull on its negatives: the share of the gradient that each gets, what-if against trained."""

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go
from jaxtyping import Float

from workbench.figures.theme import GREY, ORANGE, escape, styled

Shares = Float[np.ndarray, " n"]
HEAVIEST = 12


def gradient_shares_figure(
    labels: Sequence[str], trained: Shares, what_if: Shares, names: tuple[str, str] = ("what-if", "as trained")
) -> go.Figure:
    """Bars in percent for the negatives in the given order (the most similar first), at most 12, and the rest as one.

    labels: what each negative is, in words. trained, what_if: shares of all negatives, each summing to 1. names: of
    what_if and trained.
    """
    places = [f"{place}" for place in range(1, min(HEAVIEST, len(labels)) + 1)]
    rest = len(labels) - len(places)
    hover = [escape(label) for label in labels[:HEAVIEST]]
    if rest > 0:
        places.append("rest")
        hover.append(f"the other {rest} negatives together")
    figure = go.Figure()
    for shares, name, colour, pattern in ((what_if, names[0], ORANGE, ""), (trained, names[1], GREY, "/")):
        figure.add_trace(
            go.Bar(
                x=places,
                y=100 * folded(shares),
                name=name,
                marker={"color": colour, "pattern": {"shape": pattern}},
                hovertext=hover,
                hovertemplate="%{hovertext}<br>%{y:.1f} % of the gradient<extra>" + name + "</extra>",
            )
        )
    styled(figure, finding(what_if))
    figure.update_xaxes(title="negatives, the most similar first", type="category")
    figure.update_yaxes(title="share of the query's gradient, %", rangemode="tozero")
    return figure


def folded(shares: Shares) -> Shares:
    """Return the first 12 shares, and the sum of the others if there are any."""
    if len(shares) <= HEAVIEST:
        return shares
    return np.append(shares[:HEAVIEST], shares[HEAVIEST:].sum())


def finding(shares: Shares) -> str:
    """Say how few negatives do half of the work."""
    if not len(shares):
        return "This query has no negatives"
    needed = int(np.searchsorted(np.cumsum(np.sort(shares)[::-1]), 0.5)) + 1
    return f"{needed} of {len(shares)} negatives {'does' if needed == 1 else 'do'} half of the pulling"
