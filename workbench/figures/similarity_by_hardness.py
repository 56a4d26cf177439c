"""Similarities of candidates by how much they truly differ from the right answer: boxes, one model or two."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import plotly.graph_objects as go
from jaxtyping import Float

from workbench.figures.theme import BLUE, GREY, ORANGE, escape, styled

Samples = Float[np.ndarray, " n"]
LOOKS = (ORANGE, BLUE)
FILLS = ("rgba(224, 98, 27, 0.55)", "rgba(0, 0, 0, 0)")
"""One filled, one empty: boxes stay apart in black and white."""
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)


@dataclass(frozen=True)
class ByTruth:
    """Similarities of one model. positive: of right answers. wrong: of negatives, by the attributes that differ.

    0 is a false negative: labelled wrong, and right.
    """

    positive: Samples
    wrong: Mapping[int, Samples]


def by_truth(similarity: np.ndarray, positive: np.ndarray, hardness: np.ndarray) -> ByTruth:
    """Sort a matrix of similarities by true hardness; NaN there leaves a pair out."""
    levels = np.unique(hardness[~np.isnan(hardness)]).astype(int)
    return ByTruth(similarity[positive], {int(level): similarity[hardness == level] for level in levels})


def similarity_by_hardness_figure(models: Mapping[str, ByTruth]) -> go.Figure:
    """Box: the middle half; whiskers: 5 % to 95 %. The first category are right answers.

    Raises:
        ValueError: no model, or more than two.
    """
    if not 0 < len(models) <= len(LOOKS):
        raise ValueError(f"similarity_by_hardness_figure draws one model or two, not {len(models)}.")
    figure = go.Figure()
    for (name, found), colour, fill in zip(models.items(), LOOKS, FILLS, strict=False):
        kinds = {"right answer": found.positive} | {level_name(level): each for level, each in found.wrong.items()}
        low, first, middle, third, high = (
            [float(np.quantile(values, share)) for values in kinds.values()] for share in QUANTILES
        )
        box = go.Box(x=list(kinds), q1=first, median=middle, q3=third, lowerfence=low, upperfence=high)
        figure.add_trace(box.update(name=escape(name), fillcolor=fill, line={"color": colour, "width": 2}))
    styled(figure, finding(models))
    figure.update_xaxes(title="asked attributes in which the candidate truly differs", type="category")
    figure.update_yaxes(title="cosine similarity to the query", range=[-0.6, 1.05])
    figure.add_hline(y=1, line={"color": GREY, "width": 1, "dash": "dot"})
    return figure.update_layout(boxmode="group", boxgap=0.25)


def level_name(level: int) -> str:
    """Return the true hardness in words."""
    return "0 (truly right)" if level == 0 else str(level)


def finding(models: Mapping[str, ByTruth]) -> str:
    """Medians of the last model: of what is right, and of the nearest that is truly wrong."""
    name, found = list(models.items())[-1]
    hardest = min((level for level in found.wrong if level > 0), default=None)
    said = [f"right answers {np.median(found.positive):.2f}"]
    if 0 in found.wrong:
        said.append(f"false negatives {np.median(found.wrong[0]):.2f}")
    if hardest is not None:
        said.append(f"{hardest} attribute{'' if hardest == 1 else 's'} wrong {np.median(found.wrong[hardest]):.2f}")
    return f"Medians of {name}: " + ", ".join(said)
