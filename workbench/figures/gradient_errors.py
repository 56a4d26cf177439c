"""Losses that agree and gradients that do not: ways to train over several processes, as bars on a log axis."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from workbench.figures.theme import BLUE, ORANGE, styled

EXACT = 1e-10
"""Relative errors below this are rounding."""
FLOOR = 1e-17
"""Errors below this, 0 included, are drawn as this."""


@dataclass(frozen=True)
class Measured:
    """What a way to train logs as its loss, and how far its gradient is from one process's, relative to that."""

    loss: float
    error: float


def gradient_errors_figure(recipes: Mapping[str, Measured], loss: float) -> go.Figure:
    """Left: the loss that each logs; right: its gradient's relative error. loss: that of one process.

    Hatched bars are wrong: a loss that differs, or an error above rounding.
    """
    names = list(recipes)
    figure = make_subplots(rows=1, cols=2, shared_yaxes=True, horizontal_spacing=0.06, column_widths=[0.38, 0.62])
    losses, errors = [each.loss for each in recipes.values()], [each.error for each in recipes.values()]
    figure.add_trace(bars(names, losses, right_losses(losses, loss), [f"{each:.3f}" for each in losses]), 1, 1)
    drawn = [max(each, FLOOR) / FLOOR for each in errors]
    figure.add_trace(bars(names, drawn, right_errors(errors), [words(each) for each in errors]), 1, 2)
    for name, colour, pattern in (("as in one process", BLUE, ""), ("wrong", ORANGE, "/")):
        key = go.Bar(x=[None], y=[None], name=name, orientation="h", showlegend=True)
        figure.add_trace(key.update(marker={"color": colour, "pattern": {"shape": pattern}}), 1, 1)
    styled(figure, finding(losses, errors, loss), height=150 + 42 * len(names))
    figure.add_vline(x=loss, line={"color": "gray", "dash": "dot", "width": 1.5}, row=1, col=1)  # pyright: ignore[reportArgumentType]
    figure.update_yaxes(autorange="reversed", type="category", categoryarray=names)
    figure.update_xaxes(title="logged loss", range=[0, 1.35 * max(*losses, loss)], row=1, col=1)
    ticks = [-16, -12, -8, -4, 0]
    figure.update_xaxes(
        title="error of the gradient, relative",
        type="log",
        range=[0, 20.5],
        tickvals=[10.0**each / FLOOR for each in ticks],
        ticktext=[f"1e{each}" if each else "1" for each in ticks],
        row=1,
        col=2,
    )
    figure.update_layout(barmode="overlay", margin={"t": 80})
    return figure


def bars(names: Sequence[str], values: Sequence[float], right: np.ndarray, texts: Sequence[str]) -> go.Bar:
    """Return one panel's bars, plain where right and hatched where wrong."""
    return go.Bar(
        x=list(values),
        y=list(names),
        orientation="h",
        text=list(texts),
        textposition="outside",
        cliponaxis=False,
        showlegend=False,
        marker={
            "color": [BLUE if each else ORANGE for each in right],
            "pattern": {"shape": ["" if each else "/" for each in right]},
        },
        hovertemplate="%{y}: %{text}<extra></extra>",
    )


def right_losses(losses: Sequence[float], loss: float) -> np.ndarray:
    """Tell which losses are that of one process."""
    return np.abs(np.array(losses) - loss) <= 1e-6 * abs(loss)


def right_errors(errors: Sequence[float]) -> np.ndarray:
    """Tell which gradients are right up to rounding."""
    return np.array(errors) < EXACT


def words(error: float) -> str:
    """Return an error as text: percent where it is one, a power of ten where it is rounding."""
    return f"{error:.0%}" if error >= EXACT else f"{error:.0e}"


def finding(losses: Sequence[float], errors: Sequence[float], loss: float) -> str:
    """Say how many losses are right against how many gradients."""
    same, exact = int(right_losses(losses, loss).sum()), int(right_errors(errors).sum())
    return f"{same} of {len(losses)} log the right loss; {exact} of {len(losses)} have the right gradient"
