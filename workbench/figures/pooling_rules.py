"""P@1 by pooling rule, with padding on either side."""

from collections.abc import Mapping

import plotly.graph_objects as go

from workbench.figures.theme import BLUE, GREY, ORANGE, escape, styled

LOOKS = {"right": (BLUE, ""), "left": (ORANGE, "/")}


def pooling_rules_figure(scores: Mapping[str, Mapping[str, float]], alone: float) -> go.Figure:
    """Return two bars for each rule, padding on the right and on the left, and a line where nothing is padded.

    scores: from the rule to P@1 in [0, 1] of "right" and "left". alone: P@1 of items embedded one by one.
    """
    rules = list(scores)
    figure = go.Figure()
    for side, (colour, pattern) in LOOKS.items():
        figure.add_trace(
            go.Bar(
                x=[escape(rule) for rule in rules],
                y=[100 * scores[rule][side] for rule in rules],
                name=f"padded on the {side}",
                marker={"color": colour, "pattern": {"shape": pattern}},
                hovertemplate="%{x}: P@1 %{y:.0f} %<extra>" + f"padded on the {side}" + "</extra>",
            )
        )
    line = {"dash": "dot", "width": 2, "color": GREY}
    figure.add_hline(y=100 * alone, line=line, annotation_text="one by one", annotation_position="top right")
    styled(figure, finding(scores, alone))
    figure.update_yaxes(title="P@1, %", range=[0, 109])
    return figure


def finding(scores: Mapping[str, Mapping[str, float]], alone: float) -> str:
    """Tell which rules survive both sides."""
    good = [rule for rule, sides in scores.items() if min(sides.values()) >= alone - 1e-9]
    if not good:
        return f"None of {len(scores)} rules survives both paddings"
    return f"{len(good)} of {len(scores)} rules survives both paddings: {', '.join(good)}"
