"""Recall of the first place with its interval and chance, from a matrix of similarities; ties by their expectation."""

import numpy as np
from jaxtyping import Bool, Float

from core.evaluation.metrics import Score, mean_interval
from core.evaluation.ranking import placements


def recall_at_1(
    name: str,
    similarity: Float[np.ndarray, "queries candidates"],
    right: Bool[np.ndarray, "queries candidates"],
    offered: Bool[np.ndarray, "queries candidates"] | None = None,
) -> Score:
    """Say how often a right candidate is the most similar of those offered (all by default).

    Raises:
        ValueError: a similarity is not finite, or a query is offered nothing right.
    """
    shown = np.ones_like(right) if offered is None else offered
    pools, rights = shown.sum(axis=1), (right & shown).sum(axis=1)
    hits = np.array([each.hit(1) for each in placements(similarity[shown], right[shown], pools.tolist())])
    value, low, high = mean_interval([hits])
    chance = float((rights / pools).mean())
    return Score("dataset", name, "R@1", value, low, high, len(hits), float(pools.mean()), chance)
