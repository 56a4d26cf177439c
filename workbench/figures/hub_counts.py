"""Hubs: how many queries have each item among their nearest, against what random vectors would give."""

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go

from workbench.figures.theme import BLUE, GREY, ORANGE, escape, styled
from workbench.measures.hubness import Hubness

BARS = 40
HUBS = 5


def hub_counts_figure(
    found: Hubness, random: Hubness, captions: Sequence[str] | None = None, reach: float | None = None
) -> go.Figure:
    """Return items by N_k on a logarithmic axis of counts; the five largest hubs as marks of their own.

    random: the baseline of the same size. captions: what each item is, shown on hover over a hub. reach: the right end
    of the axis, so that several figures compare; the larger of both by default.
    """
    right = reach or max(found.largest, random.largest, 1.0)
    edges = np.linspace(-0.5, right + 0.5, min(BARS, int(np.ceil(right)) + 1) + 1)
    counts, baseline = (np.histogram(np.clip(each.counts, 0, right), edges)[0] for each in (found, random))
    middles = (edges[1:] + edges[:-1]) / 2
    figure = go.Figure()
    figure.add_trace(
        go.Bar(
            x=middles,
            y=counts,
            marker={"color": BLUE, "opacity": 0.75},
            name="these vectors",
            hovertemplate="%{y} items near %{x:.0f}<extra>these vectors</extra>",
        )
    )
    figure.add_trace(
        go.Scatter(
            x=edges,
            y=np.maximum(np.append(baseline, baseline[-1]), 1e-3),
            mode="lines",
            line={"shape": "hv", "color": GREY, "width": 3, "dash": "dot"},
            name="random vectors",
            hovertemplate="%{y:.0f} items<extra>random vectors</extra>",
        )
    )
    hubs = found.hubs(HUBS)
    names = [escape(str(captions[item])) if captions is not None else f"item {item}" for item in hubs]
    figure.add_trace(
        go.Scatter(
            x=found.counts[hubs],
            y=np.full(len(hubs), 1.0),
            mode="markers",
            marker={"color": ORANGE, "symbol": "diamond", "size": 13, "line": {"width": 1, "color": "white"}},
            name=f"the {len(hubs)} largest hubs",
            hovertext=names,
            hovertemplate="%{hovertext}<br>near %{x:.0f} of " + str(found.queries) + " queries<extra></extra>",
        )
    )
    styled(figure, finding(found, random))
    figure.update_layout(bargap=0.05)
    figure.update_xaxes(
        title=f"N: queries (of {found.queries:,}) that have the item among their {found.k} nearest",
        range=[-0.5 - 0.01 * right, 1.04 * right + 0.5],
    )
    top = float(np.log10(max(2.0, len(found.counts))))
    figure.update_yaxes(title="items", type="log", range=[-0.2, top], dtick=1)
    return figure


def finding(found: Hubness, random: Hubness) -> str:
    """Say how far the largest hub reaches, and how many items nobody finds."""
    return (
        f"The largest hub is near {found.largest:.0f} of {found.queries:,} queries (random: {random.largest:.0f}); "
        f"{found.anti_hub_rate:.0%} near none"
    )
