"""Two ways of training, seed by seed: the difference of each pair of runs, their mean, and its interval."""

from collections.abc import Mapping

import numpy as np
import plotly.graph_objects as go
from jaxtyping import Float

from workbench.figures.theme import BLUE, GREY, ORANGE, escape, styled
from workbench.measures.seeds import mean_and_half_width

Differences = Float[np.ndarray, " seeds"]


def paired_seeds_figure(mine: str, baseline: str, differences: Mapping[str, Differences]) -> go.Figure:
    """Draw one line a measure: mine - baseline of every seed, in hundredths, with mean and 95 % interval (Student's t).

    differences: by measure, one number a seed, in [-1, 1]; shares become points, cosines hundredths.
    """
    names = [escape(name) for name in differences]
    middles = [mean_and_half_width(values) for values in differences.values()]
    figure = go.Figure()
    figure.add_trace(
        go.Scatter(
            x=[100 * mean for mean, _ in middles],
            y=names,
            error_x={"type": "data", "array": [100 * half for _, half in middles], "thickness": 3, "width": 7},
            mode="markers",
            marker={"color": BLUE, "symbol": "diamond", "size": 12},
            name="mean and 95 % interval",
            hovertext=[f"{100 * mean:+.1f} +- {100 * half:.1f}" for mean, half in middles],
            hoverinfo="text",
        )
    )
    figure.add_trace(
        go.Scatter(
            x=[100 * value for values in differences.values() for value in values],
            y=[name for name, values in zip(names, differences.values(), strict=True) for _ in values],
            mode="markers",
            marker={"color": ORANGE, "symbol": "circle-open", "size": 9, "line": {"width": 2}},
            name="one seed",
            hovertemplate="%{x:+.1f}<extra>one seed</extra>",
        )
    )
    figure.add_vline(x=0, line={"color": GREY, "dash": "dash", "width": 2})
    styled(figure, finding(mine, baseline, differences), height=150 + 48 * len(names))
    figure.update_xaxes(title=f"{escape(mine)} minus {escape(baseline)}, points or hundredths of a cosine")
    return figure.update_yaxes(type="category", autorange="reversed")


def finding(mine: str, baseline: str, differences: Mapping[str, Differences]) -> str:
    """Say what the first measure says, and whether its interval leaves out zero."""
    name, values = next(iter(differences.items()))
    mean, half = mean_and_half_width(values)
    verdict = "a difference" if abs(mean) > half else "not told apart"
    return f"{name}, {mine} - {baseline}: {100 * mean:+.1f} +- {100 * half:.1f}, {verdict}"
