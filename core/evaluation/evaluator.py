"""Evaluate vectors on ranking tasks: one result a ranking, then scores by data set and by every mean of them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from core.data.records import Ranking, RankingTask
from core.evaluation.clustering import v_measure
from core.evaluation.encode import Embedded
from core.evaluation.metrics import Score, mean_interval
from core.evaluation.ranking import Placement, placement

METRICS: dict[str, Callable[[Placement], float]] = {
    "P@1": lambda placed: placed.hit(1),
    "R@5": lambda placed: placed.hit(5),
    "R@10": lambda placed: placed.hit(10),
    "MRR": lambda placed: placed.reciprocal,
}


@dataclass(frozen=True)
class Ranked:
    """One ranking with its outcome. Rows index the embedded items; equal candidates are one, right if any is."""

    task: RankingTask
    ranking: Ranking
    query: int
    candidates: Int[np.ndarray, " pool"]
    right: Bool[np.ndarray, " pool"]
    similarities: Float[np.ndarray, " pool"]
    placement: Placement

    @property
    def chance(self) -> float:
        """The P@1 of random vectors."""
        return float(self.right.mean())


def rank_all(tasks: Sequence[RankingTask], embedded: Embedded) -> list[Ranked]:
    """Rank every query's candidates by cosine, in float32."""
    return [rank_one(task, ranking, embedded) for task in tasks for ranking in task.rankings]


def rank_one(task: RankingTask, ranking: Ranking, embedded: Embedded) -> Ranked:
    """One query against its candidates."""
    rows = [embedded.row[item.content_id] for item in ranking.candidates]
    right_rows = {rows[index] for index in ranking.right}
    candidates = np.array(list(dict.fromkeys(rows)))
    right = np.isin(candidates, list(right_rows))
    query = embedded.row[ranking.query.content_id]
    similarities = embedded.vectors[candidates] @ embedded.vectors[query]
    return Ranked(task, ranking, query, candidates, right, similarities, placement(similarities, right))


def scores(ranked: Sequence[Ranked]) -> list[Score]:
    """Every metric for every data set, meta-task, distribution, and overall.

    R@k is the share of queries with a right answer among the first k, as in text-to-video retrieval.
    """
    groups = by_dataset(ranked)
    found = []
    for metric, measure in METRICS.items():
        for (scope, name), datasets in scopes([group[0].task for group in groups.values()]).items():
            found.append(score(scope, name, metric, [groups[dataset] for dataset in datasets], measure))
    return found


def by_dataset(ranked: Sequence[Ranked]) -> dict[str, list[Ranked]]:
    """Results by data set, in order of first appearance."""
    groups: dict[str, list[Ranked]] = {}
    for each in ranked:
        groups.setdefault(each.task.name, []).append(each)
    return groups


def scopes(tasks: Sequence[RankingTask]) -> dict[tuple[str, str], list[str]]:
    """What is averaged over what: (scope, name) -> names of data sets."""
    out: dict[tuple[str, str], list[str]] = {("overall", "all"): [task.name for task in tasks]}
    for task in tasks:
        distribution = "in distribution" if task.in_distribution else "out of distribution"
        out.setdefault(("distribution", distribution), []).append(task.name)
        out.setdefault(("meta-task", task.meta_task), []).append(task.name)
        out[("dataset", task.name)] = [task.name]
    return out


def score(
    scope: str, name: str, metric: str, groups: Sequence[Sequence[Ranked]], measure: Callable[[Placement], float]
) -> Score:
    """One metric over one scope: the mean of its data sets' means."""
    values = [np.array([measure(each.placement) for each in group]) for group in groups]
    value, low, high = mean_interval(values)
    members = [each for group in groups for each in group]
    pool = float(np.mean([len(each.candidates) for each in members]))
    return Score(scope, name, metric, value, low, high, len(members), pool, chance(groups, metric))


def chance(groups: Sequence[Sequence[Ranked]], metric: str) -> float:
    """The score of random vectors: that of one tie of all candidates."""
    measure = METRICS[metric]
    return float(np.mean([np.mean([measure(tie_of_all(each)) for each in group]) for group in groups]))


def tie_of_all(ranked: Ranked) -> Placement:
    """The placement when all candidates are alike."""
    return placement(np.zeros(len(ranked.candidates), dtype=np.float32), ranked.right)


def clustering_scores(ranked: Sequence[Ranked], embedded: Embedded) -> list[Score]:
    """V-measure of the query vectors of every classification data set against its classes."""
    found = []
    for name, members in by_dataset(ranked).items():
        if members[0].task.meta_task != "classification":
            continue
        classes = [each.candidates[each.right][0] for each in members]
        labels = np.unique(classes, return_inverse=True)[1]
        if len(np.unique(labels)) < 2:
            continue
        vectors = embedded.vectors[[each.query for each in members]]
        value, low, high = v_measure(vectors, labels)
        pool = float(labels.max()) + 1
        found.append(Score("dataset", name, "V-measure", value, low, high, len(labels), pool, 0.0))
    return found
