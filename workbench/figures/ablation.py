"""Variants of a method against one another: a line a variant, a symbol a condition, every seed as a point."""

from collections.abc import Mapping

import numpy as np
import plotly.graph_objects as go
from jaxtyping import Float

from workbench.figures.theme import BLUE, ORANGE, escape, styled

Shares = Float[np.ndarray, " seeds"]
LOOKS = ((BLUE, "circle"), (ORANGE, "square-open"))


def ablation_figure(variants: Mapping[str, Mapping[str, Shares]], measure: str) -> go.Figure:
    """Shares in [0, 1] by variant and condition (two at most), in percent; the large symbol is the mean of the seeds.

    Raises:
        ValueError: no variant, or variants with other conditions than the first, or more than two.
    """
    conditions = list(next(iter(variants.values()), {}))
    if not 0 < len(conditions) <= len(LOOKS) or any(list(each) != conditions for each in variants.values()):
        raise ValueError(f"ablation_figure needs the same 1 or 2 conditions for every variant, first {conditions}.")
    figure = go.Figure()
    for condition, (colour, symbol) in zip(conditions, LOOKS, strict=False):
        seeds = [(escape(name), share) for name, each in variants.items() for share in each[condition]]
        small = {"color": colour, "symbol": symbol, "size": 6, "opacity": 0.7}
        points = go.Scatter(x=[100 * share for _, share in seeds], y=[name for name, _ in seeds], marker=small)
        figure.add_trace(points.update(mode="markers", showlegend=False, hoverinfo="skip", offsetgroup=condition))
        means = [100 * float(each[condition].mean()) for each in variants.values()]
        large = {"color": colour, "symbol": symbol, "size": 14, "line": {"width": 3}}
        middle = go.Scatter(x=means, y=[escape(name) for name in variants], marker=large, name=escape(condition))
        hover = "%{y}: %{x:.1f} %<extra>" + escape(condition) + "</extra>"
        figure.add_trace(middle.update(mode="markers", hovertemplate=hover, offsetgroup=condition))
    styled(figure, finding(variants, measure), height=150 + 52 * len(variants))
    figure.update_xaxes(title=f"{measure}, %; small: single seeds")
    figure.update_yaxes(type="category", autorange="reversed")
    return figure.update_layout(scattermode="group", scattergap=0.5)


def finding(variants: Mapping[str, Mapping[str, Shares]], measure: str) -> str:
    """Return the range of the last condition: the lowest and the highest mean, and whose they are."""
    condition = list(next(iter(variants.values())))[-1]
    means = {name: float(each[condition].mean()) for name, each in variants.items()}
    low, high = min(means, key=lambda name: means[name]), max(means, key=lambda name: means[name])
    return f"{measure}, {condition}: from {means[low]:.0%} ({low}) to {means[high]:.0%} ({high})"
