"""A measure against one setting, each value tried with several seeds: means as lines, every seed as a point."""

from collections.abc import Mapping, Sequence

import numpy as np
import plotly.graph_objects as go
from jaxtyping import Float

from workbench.figures.theme import BLUE, GREEN, ORANGE, PURPLE, escape, styled

LOOKS = (
    (BLUE, "solid", "circle"),
    (ORANGE, "dash", "square"),
    (PURPLE, "dot", "diamond"),
    (GREEN, "dashdot", "triangle-up"),
)


def sweep_figure(
    setting: str,
    values: Sequence[float],
    curves: Mapping[str, Float[np.ndarray, "seeds n"]],
    measure: str,
    lower_is_better: bool = False,
) -> go.Figure:
    """At most four curves over the same values, in percent. Values are placed evenly, in the order given.

    setting: what is varied. curves: shares in [0, 1] by name. measure: what is drawn, as a title of the axis.

    Raises:
        ValueError: no curve, more than four, or a curve of another length.
    """
    check(values, curves)
    figure = go.Figure()
    names = [f"{value:g}" for value in values]
    for (name, shares), (colour, dash, symbol) in zip(curves.items(), LOOKS, strict=False):
        line = {"color": colour, "dash": dash, "width": 3}
        means = go.Scatter(x=names, y=100 * shares.mean(axis=0), mode="lines", line=line, name=escape(name))
        figure.add_trace(means.update(legendgroup=name, hoverinfo="skip"))
        points = go.Scatter(x=names * len(shares), y=100 * shares.flatten(), mode="markers", showlegend=False)
        marker = {"color": colour, "symbol": symbol, "size": 9, "opacity": 0.75}
        hover = f"{escape(setting)} = %{{x}}: %{{y:.1f}} %<extra>{escape(name)}</extra>"
        figure.add_trace(points.update(marker=marker, legendgroup=name, hovertemplate=hover))
    styled(figure, finding(setting, values, curves, measure, lower_is_better))
    figure.update_xaxes(title=f"{setting}, a point for each seed", type="category")
    return figure.update_yaxes(title=f"{measure}, %")


def check(values: Sequence[float], curves: Mapping[str, Float[np.ndarray, "seeds n"]]) -> None:
    """Raise ValueError as `sweep_figure` says."""
    if not 0 < len(curves) <= len(LOOKS):
        raise ValueError(f"sweep_figure draws 1 to {len(LOOKS)} curves, not {len(curves)}.")
    for name, shares in curves.items():
        if shares.ndim != 2 or shares.shape[1] != len(values):
            raise ValueError(f"curve {name!r} has shape {shares.shape}; (seeds, {len(values)}) is expected.")


def finding(
    setting: str,
    values: Sequence[float],
    curves: Mapping[str, Float[np.ndarray, "seeds n"]],
    measure: str,
    lower_is_better: bool,
) -> str:
    """Return the best mean of every curve, and where it is."""
    said = []
    for name, shares in curves.items():
        means = shares.mean(axis=0)
        best = int(means.argmin() if lower_is_better else means.argmax())
        said.append(f"{means[best]:.0%} at {setting} = {values[best]:g}" + (f" ({name})" if len(curves) > 1 else ""))
    return f"{'Lowest' if lower_is_better else 'Best'} {measure}: " + ", ".join(said)
