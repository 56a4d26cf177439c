"""A number by the modality of the query (down) and of the right answer (across), as a heat map with n in each cell."""

from collections.abc import Mapping

import numpy as np
import plotly.graph_objects as go

from workbench.figures.theme import GREY, escape, styled
from workbench.measures.hardness import Mean

SCALE = ((0.0, "rgba(42, 135, 200, 0.05)"), (1.0, "rgba(42, 135, 200, 0.7)"))
"""The theme's blue, by opacity, so that words stay readable on light and on dark."""


def modality_matrix_figure(means: Mapping[tuple[str, str], Mean], name: str, percent: bool, title: str) -> go.Figure:
    """Return the heat map; cells without a query are empty. means: by (query, right answer); name: of the number."""
    down = list(dict.fromkeys(query for query, _ in means))
    across = list(dict.fromkeys(answer for _, answer in means))
    values = np.full((len(down), len(across)), np.nan)
    words = np.full(values.shape, "", dtype=object)
    for (query, answer), mean in means.items():
        cell = down.index(query), across.index(answer)
        values[cell] = mean.value
        words[cell] = f"{written(mean.value, percent)}<br>{mean.n:,} queries"
    figure = go.Figure(
        go.Heatmap(
            z=values,
            x=[escape(each, 30) for each in across],
            y=[escape(each, 30) for each in down],
            text=words,
            texttemplate="%{text}",
            textfont={"color": GREY if not means else None, "size": 13},
            colorscale=SCALE,
            showscale=False,
            hovertemplate="%{y} to %{x}: %{text}<extra>" + escape(name) + "</extra>",
            xgap=2,
            ygap=2,
        )
    )
    styled(figure, title, height=130 + 62 * len(down))
    figure.update_layout(margin={"t": 50})
    figure.update_xaxes(title="right answer", type="category", showgrid=False)
    return figure.update_yaxes(title="query", type="category", autorange="reversed", showgrid=False)


def written(value: float, percent: bool) -> str:
    """Return a number, as a percentage or with three digits; a dash where there is none."""
    if np.isnan(value):
        return "-"
    return f"{100 * value:.1f} %" if percent else f"{value:.3f}"
