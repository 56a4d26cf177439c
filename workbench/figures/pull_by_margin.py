"""Which queries still pull: each query's total pull against how far its right answer is ahead."""

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go
from jaxtyping import Float

from workbench.figures.theme import BLUE, GREY, ORANGE, escape, styled

Values = Float[np.ndarray, " m"]


def pull_by_margin_figure(
    positive: Values,
    hardest: Values,
    infonce: Values,
    weighted: Values,
    margin: float,
    labels: Sequence[str],
    name: str,
) -> go.Figure:
    """Return one point a query: 1 - p_ii, in [0, 1], against s_ii / s_hardest - 1 in percent; a line at `margin`.

    positive, hardest: cosines of the right answer and of the most similar negative, which must be positive numbers.
    infonce, weighted: 1 - p_ii under both objectives. margin: alpha * tau, where a lone negative would hold half.

    Raises:
        ValueError: a hardest negative has a cosine of 0 or less, so that its ratio means nothing.
    """
    if len(hardest) and hardest.min() <= 0:
        raise ValueError(f"hardest holds {hardest.min():.3f}; the ratio to it is only meaningful above 0.")
    ahead = 100 * (positive / hardest - 1)
    figure = go.Figure()
    for pulls, who, marker in (
        (infonce, "InfoNCE", {"symbol": "circle-open", "color": GREY, "size": 8}),
        (weighted, name, {"symbol": "diamond", "color": ORANGE, "size": 8, "line": {"width": 1, "color": "white"}}),
    ):
        figure.add_trace(
            go.Scatter(
                x=np.round(ahead, 2),
                y=pulls,
                mode="markers",
                marker=marker,
                name=who,
                hovertext=[escape(label) for label in labels],
                hovertemplate="%{hovertext}<br>%{x:.1f} % ahead, pull %{y:.3f}<extra>" + who + "</extra>",
            )
        )
    figure.add_vline(x=100 * margin, line={"color": BLUE, "width": 2, "dash": "dash"})
    figure.add_annotation(
        x=100 * margin, y=0.85, text=f" alpha tau = {margin:.0%}", showarrow=False, xanchor="left", font={"color": BLUE}
    )
    styled(figure, finding(infonce, weighted), height=400)
    figure.update_xaxes(title="right answer ahead of the hardest negative, % of the negative's cosine")
    figure.update_xaxes(range=[min(-10.0, float(ahead.min()) - 3), max(50.0, float(np.quantile(ahead, 0.98)))])
    figure.update_yaxes(title="pull of the whole row, 1 - p_ii", range=[-0.04, 1.06])
    return figure


def finding(infonce: Values, weighted: Values) -> str:
    """Say how many queries pull with at least half of full strength."""
    counts = [int((pulls >= 0.5).sum()) for pulls in (weighted, infonce)]
    return f"{counts[0]} of {len(weighted)} queries pull at half strength or more; under InfoNCE {counts[1]}"
