"""Evaluate vectors on ranking tasks: one result a ranking, then scores by data set and by every mean of them."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from core.data.records import Ranking, RankingTask
from core.evaluation.clustering import capped, v_measure
from core.evaluation.embedded import Embedded
from core.evaluation.metrics import Score, interval, resampled_means
from core.evaluation.pools import Pool, Pools
from core.evaluation.ranking import Placement, all_tied, placements

METRICS: dict[str, Callable[[Placement], float]] = {
    "P@1": lambda placed: placed.hit(1),
    "R@5": lambda placed: placed.hit(5),
    "R@10": lambda placed: placed.hit(10),
    "MRR": lambda placed: placed.reciprocal,
    "NDCG@5": lambda placed: placed.ndcg(5),
    "MAP": lambda placed: placed.average_precision,
}
"""R@k is the share of queries with a right answer among the first k, as in text-to-video retrieval."""

PAIRS_AT_ONCE = 2**21
"""Similarities that are ranked in one go: 8 MB."""
DENSE = 8
"""Queries are multiplied with the union of their pools at once if that makes at most so many products a similarity."""


@dataclass(frozen=True)
class Placed:
    """The outcome of one ranking without its candidates: all that scores are made of.

    query, answer: rows of the embedded items; answer: the first right candidate, which names the class where queries
    are classified. size, rights: how many candidates there were, and how many of them are right.
    """

    task: RankingTask
    query: int
    answer: int
    size: int
    rights: int
    placement: Placement

    @property
    def chance(self) -> float:
        """The P@1 of random vectors."""
        return self.rights / self.size


@dataclass(frozen=True)
class Ranked(Placed):
    """One ranking with its outcome. Rows index the embedded items; equal candidates are one, right if any is.

    Whatever is known to be right is no wrong answer: right is also what another ranking of the data set names for the
    same query, and the query itself is no candidate unless it is named as right. pool: the candidates as they are
    shared with other rankings; it holds the query too where that is no candidate.
    """

    ranking: Ranking
    pool: Pool
    candidates: Int[np.ndarray, " pool"]
    right: Bool[np.ndarray, " pool"]
    similarities: Float[np.ndarray, " pool"]

    @property
    def placed(self) -> Placed:
        """The outcome alone: the candidates and their similarities can be let go."""
        return Placed(self.task, self.query, self.answer, self.size, self.rights, self.placement)


def rank_all(tasks: Sequence[RankingTask], embedded: Embedded) -> list[Ranked]:
    """Rank every query's candidates by cosine, in float32, and keep all; see `ranked_in_turn`.

    It takes about 5 bytes a query and candidate, and 4 more where the candidates are the query's own.
    """
    return list(ranked_in_turn(tasks, embedded))


def ranked_in_turn(tasks: Sequence[RankingTask], embedded: Embedded) -> Iterator[Ranked]:
    """Rank every query's candidates by cosine, in float32; the rankings of a block are held at a time."""
    pools = Pools(embedded.row)
    for task in tasks:
        known = right_of_repeats(task, pools)
        for block in blocks(task, pools):
            yield from rank_block(task, block, pools, embedded, known)


def right_of_repeats(task: RankingTask, pools: Pools) -> dict[int, Int[np.ndarray, " right"]]:
    """Return the rows of all right answers of each query that several rankings of a task ask, by the query's row."""
    asked: dict[int, list[Ranking]] = {}
    for ranking in task.rankings:
        asked.setdefault(pools.row(ranking.query), []).append(ranking)
    return {
        query: np.unique(np.concatenate([pools.of(each).listed[list(each.right)] for each in rankings]))
        for query, rankings in asked.items()
        if len(rankings) > 1
    }


def blocks(task: RankingTask, pools: Pools) -> Iterator[list[Ranking]]:
    """Return a task's rankings, cut so that each block has about PAIRS_AT_ONCE pairs of query and candidate at most."""
    block: list[Ranking] = []
    pairs = 0
    for ranking in task.rankings:
        size = len(pools.of(ranking).distinct)
        if block and pairs + size > PAIRS_AT_ONCE:
            yield block
            block, pairs = [], 0
        block.append(ranking)
        pairs += size
    if block:
        yield block


def rank_block(
    task: RankingTask,
    block: Sequence[Ranking],
    pools: Pools,
    embedded: Embedded,
    known: Mapping[int, Int[np.ndarray, " right"]],
) -> list[Ranked]:
    """Return some rankings of a task at once; known: what `right_of_repeats` gives."""
    queries = np.array([pools.row(each.query) for each in block])
    listed = [pools.of(each) for each in block]
    cosines = similarities(embedded.vectors, queries, listed)
    candidates = [pool.distinct for pool in listed]
    right = [pool.right(each.right) for pool, each in zip(listed, block, strict=True)]
    for place, (query, each) in enumerate(zip(queries.tolist(), block, strict=True)):
        if query in known:
            right[place] = np.isin(candidates[place], known[query])
        absent = (candidates[place] == query) & ~right[place]
        if each.left_out:
            absent |= np.isin(candidates[place], listed[place].listed[list(each.left_out)])
        if absent.any():
            candidates[place], right[place] = candidates[place][~absent], right[place][~absent]
            cosines[place] = cosines[place][~absent]
    found = placements(np.concatenate(cosines), np.concatenate(right), [len(each) for each in right])
    counts = [
        (int(rows[marks.argmax()]), len(rows), int(marks.sum())) for rows, marks in zip(candidates, right, strict=True)
    ]
    columns = (queries.tolist(), counts, found, block, listed, candidates, right, cosines)
    return [Ranked(task, query, *count, *rest) for query, count, *rest in zip(*columns, strict=True)]


def similarities(
    vectors: Float[np.ndarray, "items d"], queries: Int[np.ndarray, " queries"], pools: Sequence[Pool]
) -> list[Float[np.ndarray, " _"]]:
    """Return the cosines of each query with the candidates of its pool.

    Pools overlap in most data sets, and all are one where the pool is global; so the queries are multiplied with all
    their candidates in one matrix product, unless most of the products would be thrown away.
    """
    different = list({id(pool): pool for pool in pools}.values())
    union, places = np.unique(np.concatenate([pool.distinct for pool in different]), return_inverse=True)
    if len(union) * len(queries) > DENSE * sum(len(pool.distinct) for pool in pools):
        return [vectors[pool.distinct] @ vectors[query] for query, pool in zip(queries, pools, strict=True)]
    ends = np.cumsum([len(pool.distinct) for pool in different])[:-1]
    columns = {id(pool): each for pool, each in zip(different, np.split(places, ends), strict=True)}
    products = vectors[queries] @ vectors[union].T
    return [row[columns[id(pool)]] for row, pool in zip(products, pools, strict=True)]


@dataclass(frozen=True)
class Outcome:
    """One data set's results, a column a metric.

    values: of each query. resampled: means of bootstrap samples of the queries. chance: of random vectors.
    """

    task: RankingTask
    candidates: int
    values: Float[np.ndarray, "queries metrics"]
    resampled: Float[np.ndarray, "resamples metrics"]
    chance: Float[np.ndarray, " metrics"]


def outcomes(ranked: Sequence[Placed]) -> dict[str, Outcome]:
    """Return every data set's results, in order of first appearance."""
    found = {}
    for seed, (name, members) in enumerate(by_dataset(ranked).items()):
        values = np.array([[measure(each.placement) for measure in METRICS.values()] for each in members])
        candidates = sum(each.size for each in members)
        resampled = resampled_means(values, seed)
        found[name] = Outcome(members[0].task, candidates, values, resampled, chances(members))
    return found


def chances(members: Sequence[Placed]) -> Float[np.ndarray, " metrics"]:
    """Return the mean score of random vectors by every metric: that of one tie of all candidates."""
    pools = Counter((each.rights, each.size) for each in members)
    total = np.zeros(len(METRICS))
    for (right, size), count in pools.items():
        total += [count * measure(all_tied(right, size - right)) for measure in METRICS.values()]
    return total / len(members)


def scores(ranked: Sequence[Placed]) -> list[Score]:
    """Return every metric for every data set, meta-task, distribution, and overall; none where nothing was ranked."""
    found = outcomes(ranked)
    if not found:
        return []
    named = scopes([each.task for each in found.values()])
    return [
        score(scope, name, column, [found[dataset] for dataset in datasets])
        for column in range(len(METRICS))
        for (scope, name), datasets in named.items()
    ]


def by_dataset(ranked: Sequence[Placed]) -> dict[str, list[Placed]]:
    """Results by data set, in order of first appearance."""
    groups: dict[str, list[Placed]] = {}
    for each in ranked:
        groups.setdefault(each.task.name, []).append(each)
    return groups


def scopes(tasks: Sequence[RankingTask]) -> Mapping[tuple[str, str], list[str]]:
    """Say what is averaged over what: (scope, name) -> names of data sets."""
    out: dict[tuple[str, str], list[str]] = {("overall", "all"): [task.name for task in tasks]}
    for task in tasks:
        distribution = "in distribution" if task.in_distribution else "out of distribution"
        out.setdefault(("distribution", distribution), []).append(task.name)
        out.setdefault(("meta-task", task.meta_task), []).append(task.name)
        out[("dataset", task.name)] = [task.name]
    return out


def score(scope: str, name: str, column: int, members: Sequence[Outcome]) -> Score:
    """Return one metric over one scope: the unweighted mean of its data sets' means (papers.md 3.1)."""
    value = float(np.mean([each.values[:, column].mean() for each in members]))
    low, high = interval(np.mean([each.resampled[:, column] for each in members], axis=0))
    queries = sum(len(each.values) for each in members)
    pool = sum(each.candidates for each in members) / queries
    chance = float(np.mean([each.chance[column] for each in members]))
    return Score(scope, name, list(METRICS)[column], value, low, high, queries, pool, chance)


def clustering_scores(ranked: Sequence[Placed], embedded: Embedded, seed: int = 0) -> list[Score]:
    """V-measure of the query vectors of every classification data set against its classes.

    Of data sets with many classes or queries those are taken that `capped` keeps. Where every class has one query, any
    vectors cluster perfectly: such data sets are left out.
    """
    found = []
    for name, members in by_dataset(ranked).items():
        if members[0].task.meta_task != "classification":
            continue
        classes = np.array([each.answer for each in members])
        kept = capped(classes, seed)
        labels = np.unique(classes[kept], return_inverse=True)[1]
        if not 2 <= len(np.unique(labels)) < len(labels):
            continue
        vectors = embedded.vectors[[members[index].query for index in kept]]
        measured = v_measure(vectors, labels, seed)
        pool = float(labels.max()) + 1
        span = (measured.value, measured.low, measured.high)
        found.append(Score("dataset", name, "V-measure", *span, len(labels), pool, measured.chance))
    return found
