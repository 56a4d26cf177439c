"""Pools of the miniature as a lesson's trained model sees them, for the functions of `workbench.measures.hardness`."""

from collections.abc import Sequence
from functools import cache

import numpy as np

from core.data.records import Ranking, true_hardness
from core.encoder.embedder import Embedder
from workbench.lessons import classroom
from workbench.measures.hardness import Pools


@cache
def trained_pools(objective: str, dataset: str, queries: int = 100, seed: int = 0) -> Pools:
    """Return similarities and true hardness of the pools of `classroom.task`, by a trained model, in float64.

    Row i, column j belong to candidate j of ranking i of that task; `candidates` numbers the distinct items.

    Raises:
        ValueError: there is no such model or data set.
    """
    return pools_by(classroom.trained(objective), classroom.task(dataset, queries, seed).rankings)


def pools_by(embedder: Embedder, rankings: Sequence[Ranking]) -> Pools:
    """Return the pools of any rankings by any model; `candidates` numbers the distinct items."""
    items = {item.content_id: item for each in rankings for item in (each.query, *each.candidates)}
    place = {content_id: number for number, content_id in enumerate(items)}
    vectors = embedder.embed(list(items.values())).double().numpy()
    shape = (len(rankings), max(len(each.candidates) for each in rankings))
    candidates = np.full(shape, -1)
    positive, right = np.zeros(shape, dtype=bool), np.zeros(shape, dtype=bool)
    similarity, hardness = np.zeros(shape), np.full(shape, np.nan)
    for row, each in enumerate(rankings):
        pool = [place[item.content_id] for item in each.candidates]
        candidates[row, : len(pool)] = pool
        similarity[row, : len(pool)] = vectors[pool] @ vectors[place[each.query.content_id]]
        hardness[row, : len(pool)] = differing(each)
        right[row, list(each.right)] = True
        positive[row, max(each.right, key=lambda column, row=row: similarity[row, column])] = True
    wrong = (candidates >= 0) & ~right
    return Pools(np.arange(len(rankings)), candidates, positive, wrong, similarity, np.where(wrong, hardness, np.nan))


def differing(ranking: Ranking) -> list[float]:
    """In how many asked attributes each candidate differs from the first right one; NaN where nobody knows."""
    positive = ranking.candidates[ranking.right[0]]
    found = [true_hardness(ranking.asks, positive, item) for item in ranking.candidates]
    return [np.nan if each is None else float(each) for each in found]
