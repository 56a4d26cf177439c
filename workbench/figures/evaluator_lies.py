"""What two evaluators say of the same models: one that trusts the order of the candidates, one that does not."""

from collections.abc import Sequence
from dataclasses import dataclass

import plotly.graph_objects as go

from workbench.figures.theme import BLUE, GREY, ORANGE, escape, styled

BESIDE = "&nbsp;&nbsp;"
"""Between a bar and its number, so that the line at a small chance does not cross it."""
BROAD = 1.5
"""A broken model's score above so many times chance is a lie."""


@dataclass(frozen=True)
class Verdict:
    """P@1, in [0, 1], of one model by two rules; honest is None where that rule refuses to score.

    works: whether the model is one that truly ranks; the others are broken and know nothing.
    """

    model: str
    published: float
    honest: float | None
    works: bool = False


def evaluator_lies_figure(verdicts: Sequence[Verdict], chance: float) -> go.Figure:
    """Return two bars a model in percent, and a line at chance."""
    figure = go.Figure()
    names = [escape(each.model) for each in verdicts]
    rules = (
        ("argmax == 0, right answer first", ORANGE, "/", [each.published for each in verdicts]),
        ("honest ties, shuffled pool", BLUE, "", [each.honest for each in verdicts]),
    )
    for rule, colour, pattern, values in rules:
        figure.add_trace(
            go.Bar(
                y=names,
                x=[100 * (value or 0.0) for value in values],
                orientation="h",
                name=rule,
                marker={"color": colour, "pattern": {"shape": pattern}},
                text=[BESIDE + ("refused" if value is None else f"{100 * value:.0f} %") for value in values],
                textposition="outside",
                cliponaxis=False,
                hovertemplate="%{y}:%{text}<extra>" + rule + "</extra>",
            )
        )
    figure.add_vline(x=100 * chance, line={"color": GREY, "dash": "dash", "width": 2}, layer="below")
    styled(figure, finding(verdicts, chance), height=150 + 55 * len(verdicts))
    figure.update_xaxes(title=f"P@1, %; the dashed line is chance ({100 * chance:.0f} %)", range=[0, 112])
    figure.update_yaxes(type="category", autorange="reversed")
    return figure.update_layout(bargap=0.3, bargroupgap=0.05)


def finding(verdicts: Sequence[Verdict], chance: float) -> str:
    """Say how many broken models each rule takes for good ones."""
    broken = [each for each in verdicts if not each.works]
    fooled = sum(each.published > BROAD * chance for each in broken)
    fooled_honest = sum(each.honest is not None and each.honest > BROAD * chance for each in broken)
    return f"Of {len(broken)} broken models, argmax == 0 is fooled by {fooled}, the honest rule by {fooled_honest}"
