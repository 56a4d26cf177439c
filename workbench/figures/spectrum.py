"""Spectra: how the strength of a set of vectors is spread over its directions, one line a model."""

from collections.abc import Mapping

import numpy as np
import plotly.graph_objects as go
from jaxtyping import Float

from workbench.figures.theme import BLUE, GREEN, GREY, ORANGE, PURPLE, escape, styled
from workbench.measures.geometry import effective_rank

LOOKS = ((BLUE, "solid"), (ORANGE, "dash"), (GREEN, "dashdot"), (PURPLE, "longdash"), (GREY, "dot"))


def spectrum_figure(spectra: Mapping[str, Float[np.ndarray, " _"]]) -> go.Figure:
    """Plot each model's singular values as shares of their sum in percent, the largest first, and its effective rank.

    spectra: from the model's name to its singular values in falling order.
    """
    figure = go.Figure()
    for number, (name, spectrum) in enumerate(spectra.items()):
        colour, dash = LOOKS[number % len(LOOKS)]
        figure.add_trace(
            go.Scatter(
                x=np.arange(1, len(spectrum) + 1),
                y=100 * spectrum / max(float(spectrum.sum()), 1e-30),
                mode="lines",
                line={"color": colour, "width": 2.5, "dash": dash},
                name=f"{escape(name, 30)}: rank {effective_rank(spectrum):.0f}",
                hovertemplate="direction %{x}: %{y:.2f} %<extra>" + escape(name, 30) + "</extra>",
            )
        )
    styled(figure, finding(spectra))
    figure.update_xaxes(title="direction, the strongest first", rangemode="tozero")
    figure.update_yaxes(title="share of the singular values, %", type="log", range=[-2, 2], dtick=1)
    return figure


def finding(spectra: Mapping[str, Float[np.ndarray, " _"]]) -> str:
    """Return the effective ranks in words."""
    if not spectra:
        return "No vectors"
    size = max(len(each) for each in spectra.values())
    ranks = ", ".join(f"{name} {effective_rank(each):.0f}" for name, each in spectra.items())
    return f"Effective rank, of {size}: {ranks}"
