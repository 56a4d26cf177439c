"""The whole scoring path: collapsed models score chance, order and duplicates do not matter, means are MMEB's."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from core.data.records import Item, Ranking, RankingTask, Text
from core.evaluation import scoring as evaluator
from core.evaluation.embedded import Embedded, distinct_items
from core.evaluation.ranking import placement
from core.evaluation.scoring import METRICS, clustering_scores, rank_all, scores


def words(*texts: str) -> tuple[Item, ...]:
    return tuple(Item((Text(text),)) for text in texts)


def unit_rows(vectors: np.ndarray) -> np.ndarray:
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def random_vectors(n: int, d: int, seed: int) -> np.ndarray:
    return unit_rows(np.random.default_rng(seed).normal(size=(n, d)))


def find(found, scope, name, metric="P@1"):
    (score,) = [each for each in found if (each.scope, each.name, each.metric) == (scope, name, metric)]
    return score


CONSTANT = unit_rows(np.full((1, 24), 0.3))


@pytest.mark.parametrize("collapsed", ["constant", "zero", "nearly constant"])
def test_collapsed_vectors_score_chance_and_no_more(tasks, items, collapsed):
    """papers.md 6.18; where the right answer stands first, "the first of equal scores" would give 100 %."""
    vectors = np.repeat(CONSTANT if collapsed != "zero" else 0 * CONSTANT, len(items), axis=0)
    if collapsed == "nearly constant":
        vectors = unit_rows(vectors + 1e-9 * random_vectors(len(items), 24, seed=0))
    ranked = rank_all(tasks, Embedded(items, vectors))
    found = scores(ranked) + clustering_scores(ranked, Embedded(items, vectors))
    assert {each.metric for each in found} == {*METRICS, "V-measure"}
    for each in found:
        assert each.value == pytest.approx(each.chance, abs=1e-9), each
        assert each.low - 1e-9 <= each.chance <= each.high + 1e-9
    for task in tasks:
        chances = [1 / len({item.content_id for item in ranking.candidates}) for ranking in task.rankings]
        assert find(found, "dataset", task.name).value == pytest.approx(np.mean(chances), abs=1e-9)


def synthetic(queries: int, pool: int, name: str = "words", meta_task: str = "retrieval") -> RankingTask:
    """Every query has its own candidates, the right one first."""
    rankings = tuple(
        Ranking(words(f"{name} query {q}")[0], words(*(f"{name} {q} {c}" for c in range(pool))), (0,))
        for q in range(queries)
    )
    return RankingTask(name, meta_task, True, rankings)


def embedded_at_random(*tasks: RankingTask, d: int = 16, seed: int = 0) -> Embedded:
    items = tuple(distinct_items(tasks))
    return Embedded(items, random_vectors(len(items), d, seed))


def test_random_vectors_score_near_chance():
    task = synthetic(400, 12)
    found = scores(rank_all([task], embedded_at_random(task)))
    for metric, chance in (("P@1", 1 / 12), ("R@5", 5 / 12), ("R@10", 10 / 12)):
        score = find(found, "overall", "all", metric)
        assert score.chance == pytest.approx(chance)
        assert abs(score.value - chance) < 4 * np.sqrt(chance * (1 - chance) / 400)
    reciprocal = find(found, "overall", "all", "MRR")
    assert reciprocal.chance == pytest.approx(np.mean(1 / np.arange(1, 13)))
    assert abs(reciprocal.value - reciprocal.chance) < 4 * np.std(1 / np.arange(1, 13)) / 20


def test_metrics_by_hand():
    """Similarities 0.9, 0.8, ... to three queries of one vector; the right answers on ranks 1, 3 and 7 of 12."""
    query, *rest = np.eye(13)
    cosines = 0.9 - 0.1 * np.arange(12)
    vectors = [query] * 3 + [c * query + np.sqrt(1 - c * c) * other for c, other in zip(cosines, rest, strict=True)]
    items = words("one", "two", "three", *(f"candidate {c}" for c in range(12)))
    rankings = tuple(Ranking(query, items[3:], (rank - 1,)) for query, rank in zip(items, (1, 3, 7), strict=False))
    ranked = rank_all([RankingTask("hand", "vqa", True, rankings)], Embedded(items, unit_rows(np.array(vectors))))
    np.testing.assert_allclose(ranked[1].similarities, cosines, atol=1e-6)
    assert [each.placement.rank for each in ranked] == [1, 3, 7]
    found = scores(ranked)
    reciprocal = (1 + 1 / 3 + 1 / 7) / 3
    expected = {
        "P@1": 1 / 3,
        "R@5": 2 / 3,
        "R@10": 1.0,
        "MRR": reciprocal,
        "NDCG@5": (1 + 1 / 2) / 3,
        "MAP": reciprocal,
    }
    assert {metric: find(found, "overall", "all", metric).value for metric in METRICS} == pytest.approx(expected)


@given(order=st.permutations(range(8)), seed=st.integers(0, 1000), collapsed=st.booleans())
@settings(deadline=None, max_examples=30)
def test_the_order_of_the_candidates_does_not_matter(order, seed, collapsed):
    (ranking,) = synthetic(1, 8).rankings
    shuffled = Ranking(ranking.query, tuple(ranking.candidates[i] for i in order), (order.index(0),))
    embedded = embedded_at_random(RankingTask("one", "vqa", True, (ranking,)), seed=seed)
    if collapsed:
        embedded = Embedded(embedded.items, np.repeat(embedded.vectors[:1], len(embedded.items), axis=0))
    one, other = (rank_all([RankingTask("t", "vqa", True, (each,))], embedded)[0] for each in (ranking, shuffled))
    assert one.placement.first == other.placement.first
    assert one.placement.hit(1) == other.placement.hit(1)
    assert set(one.candidates[one.right]) == set(other.candidates[other.right])


def test_copies_of_the_right_answer_are_right_and_count_once():
    right, copy, wrong, other = words("yes", "yes", "no", "maybe")
    query = words("query")[0]
    ranking = Ranking(query, (wrong, copy, right, other, wrong), (2,))
    items = (query, right, wrong, other)
    vectors = unit_rows(np.array([[1.0, 0.0], [1.0, 0.1], [1.0, 1.0], [0.0, 1.0]]))
    (ranked,) = rank_all([RankingTask("copies", "vqa", True, (ranking,))], Embedded(items, vectors))
    assert sorted(ranked.candidates) == [1, 2, 3]
    assert ranked.candidates[ranked.right].tolist() == [1]
    assert ranked.chance == pytest.approx(1 / 3)
    assert ranked.placement.hit(1) == 1


def test_several_right_answers_count_by_the_best():
    ranking = Ranking(words("q")[0], words("a", "b", "c", "d"), (1, 3))
    items = words("q", "a", "b", "c", "d")
    cosines = np.array([1.0, 0.5, 0.9, 0.95, 0.1])
    vectors = np.stack([cosines, np.sqrt(1 - cosines**2)], axis=1).astype(np.float32)
    (ranked,) = rank_all([RankingTask("two", "vqa", True, (ranking,))], Embedded(items, vectors))
    assert (ranked.placement.rank, ranked.placement.reciprocal, ranked.chance) == (2, 0.5, 0.5)


def test_right_answers_of_a_repeated_query_are_right_in_each_of_its_rankings():
    """q asks for a and, in another row with another pool, for b; r, which asks for b alone, is not touched."""
    q, again, r, a, b, c = words("caf\u00e9?", "cafe\u0301?", "r", "a", "b", "c")
    rankings = (Ranking(q, (a, b, c), (0,)), Ranking(again, (c, b), (1,)), Ranking(r, (a, b, c), (1,)))
    items = (q, r, a, b, c)
    vectors = unit_rows(np.array([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0], [1.0, 0.1], [1.0, 0.5]]))
    one, two, three = rank_all([RankingTask("t", "retrieval", True, rankings)], Embedded(items, vectors))
    assert set(one.candidates[one.right]) == {2, 3}
    assert one.placement.hit(1) == 1
    assert (set(two.candidates[two.right]), set(two.candidates)) == ({3}, {3, 4})
    assert set(three.candidates[three.right]) == {3}


def test_a_query_is_no_wrong_answer_to_itself():
    """An item of the pool that the query is itself is left out, whatever its cosine; named as right, it stays."""
    q, a, b = words("q", "a", "b")
    rankings = (Ranking(q, (a, b, q), (0,)), Ranking(a, (b, a), (1,)))
    vectors = unit_rows(np.array([[1.0, 0.0], [1.0, 0.2], [0.0, 1.0]]))
    one, two = rank_all([RankingTask("t", "retrieval", True, rankings)], Embedded((q, a, b), vectors))
    assert set(one.candidates) == {1, 2}
    assert (one.placement.hit(1), one.chance) == (1, 0.5)
    assert (set(two.candidates), set(two.candidates[two.right])) == ({1, 2}, {1})


def sized(name: str, meta_task: str, known: bool, hits: int, misses: int) -> RankingTask:
    """Right on `hits` queries and wrong on `misses`, where "yes" is nearer than "no"."""
    yes, no = words("yes", "no")
    found, missed = words("query", "hard query")
    rankings = (Ranking(found, (yes, no), (0,)),) * hits + (Ranking(missed, (yes, no), (1,)),) * misses
    return RankingTask(name, meta_task, known, rankings)


def test_means_are_unweighted_over_data_sets():
    """MMEB: a data set of 40 queries counts as much as one of 4 (papers.md 3.1)."""
    tasks = [sized("a", "vqa", True, 40, 0), sized("b", "vqa", False, 1, 3), sized("c", "video", False, 0, 4)]
    vectors = unit_rows(np.array([[1.0, 0.0], [1.0, 0.0], [1.0, 0.2], [0.0, 1.0]]))
    found = scores(rank_all(tasks, Embedded(words("query", "hard query", "yes", "no"), vectors)))
    values = {(each.scope, each.name): (each.value, each.n) for each in found if each.metric == "P@1"}
    assert values == {
        ("overall", "all"): (pytest.approx(1.25 / 3), 48),
        ("distribution", "in distribution"): (1.0, 40),
        ("distribution", "out of distribution"): (pytest.approx(0.125), 8),
        ("meta-task", "vqa"): (pytest.approx(0.625), 44),
        ("meta-task", "video"): (0.0, 4),
        ("dataset", "a"): (1.0, 40),
        ("dataset", "b"): (0.25, 4),
        ("dataset", "c"): (0.0, 4),
    }
    overall = find(found, "overall", "all")
    assert (overall.pool, overall.chance) == (2, 0.5)
    assert overall.low <= overall.value <= overall.high


def test_every_scope_of_the_miniature_is_there(tasks, items):
    found = scores(rank_all(tasks, Embedded(items, random_vectors(len(items), 16, 0))))
    named = {(each.scope, each.name) for each in found}
    assert {name for scope, name in named if scope == "dataset"} == {task.name for task in tasks}
    assert {name for scope, name in named if scope == "meta-task"} == {task.meta_task for task in tasks}
    assert len(found) == len(named) * len(METRICS) == (1 + 2 + 5 + 16) * 6
    inside = find(found, "distribution", "in distribution")
    members = [find(found, "dataset", task.name) for task in tasks if task.in_distribution]
    assert inside.value == pytest.approx(np.mean([each.value for each in members]))
    assert inside.chance == pytest.approx(np.mean([each.chance for each in members]))


def test_scoring_twice_gives_the_same_numbers(tasks, items):
    embedded = Embedded(items, random_vectors(len(items), 16, 3))
    first, second = (rank_all(tasks, embedded) for _ in range(2))
    assert scores(first) == scores(second)
    assert clustering_scores(first, embedded) == clustering_scores(second, embedded)


def test_clusters_of_classes_are_found_whatever_the_class_names_vectors():
    """Only classification is clustered, by the true class; the class names' own vectors play no part."""
    classes = words("cat", "dog", "owl")
    queries = words(*(f"query {number}" for number in range(15)))
    rankings = tuple(Ranking(query, classes, (number % 3,)) for number, query in enumerate(queries))
    tasks = [RankingTask("animals", "classification", True, rankings), synthetic(3, 4)]
    embedded = embedded_at_random(*tasks)
    for number, query in enumerate(queries):
        embedded.vectors[embedded.row[query.content_id]] = np.eye(16)[number % 3]
    (score,) = clustering_scores(rank_all(tasks, embedded), embedded)
    assert (score.name, score.metric, score.value, score.n, score.pool) == ("animals", "V-measure", 1.0, 15, 3)


def test_a_single_class_is_not_clustered():
    task = sized("one class", "classification", True, 4, 0)
    vectors = unit_rows(np.array([[1.0, 0.0], [1.0, 0.2], [0.0, 1.0]]))
    embedded = Embedded(words("query", "yes", "no"), vectors)
    assert clustering_scores(rank_all([task], embedded), embedded) == []


def one_by_one(tasks, embedded: Embedded) -> list[tuple[int, list[float], list[int]]]:
    """Every ranking by the plain rule."""
    found = []
    for task in tasks:
        for ranking in task.rankings:
            rows = [embedded.row[item.content_id] for item in ranking.candidates]
            candidates = list(dict.fromkeys(rows))
            right = np.isin(candidates, [rows[index] for index in ranking.right])
            cosines = embedded.vectors[candidates] @ embedded.vectors[embedded.row[ranking.query.content_id]]
            placed = placement(cosines, right)
            found.append((placed.first, placed.chances.tolist(), candidates))
    return found


@pytest.mark.parametrize("dense", [0, 8, 10**9])
@pytest.mark.parametrize("at_once", [1, 50, 2**21])
def test_blocks_of_queries_give_what_each_gives_alone(tasks, items, dense, at_once, monkeypatch):
    """Local pools, a global pool, repeated candidates and several right answers, however the work is cut."""
    monkeypatch.setattr(evaluator, "DENSE", dense)
    monkeypatch.setattr(evaluator, "PAIRS_AT_ONCE", at_once)
    shared = words(*(f"shared {number}" for number in range(12)))
    whole = tuple(Ranking(words(f"asks {q}")[0], shared, (q % 12, (5 * q + 1) % 12)) for q in range(20))
    repeated = Ranking(shared[0], (shared[1], shared[2], shared[1], shared[3]), (2,))
    every = [*tasks, RankingTask("global", "video", False, (*whole, repeated))]
    rounded = torch.from_numpy(random_vectors(len(distinct_items(every)), 16, 5)).bfloat16().float().numpy()
    embedded = Embedded(tuple(distinct_items(every)), rounded)
    ranked = rank_all(every, embedded)
    found = [(each.placement.first, each.placement.chances.tolist(), each.candidates.tolist()) for each in ranked]
    assert found == one_by_one(every, embedded)
    assert {id(each.candidates) for each in ranked if each.ranking.candidates is shared} == {id(ranked[-2].candidates)}


def test_ties_of_bfloat16_cosines_count_by_expectation():
    """Rounded to 8 bits, many cosines are the same number: the first of equals would win too often (papers.md 3.3)."""
    task = synthetic(60, 200)
    embedded = embedded_at_random(task, d=2)
    embedded = Embedded(embedded.items, torch.from_numpy(embedded.vectors).bfloat16().float().numpy())
    ranked = rank_all([task], embedded)
    assert sum(len(each.placement.chances) > 1 for each in ranked) > 0
    shuffled = []
    for each in ranked:
        cosines, right = each.similarities, each.right
        orders = [np.lexsort((np.random.default_rng(seed).random(len(cosines)), -cosines)) for seed in range(300)]
        shuffled.append(np.mean([right[order[:5]].any() for order in orders]))
    assert find(scores(ranked), "overall", "all", "R@5").value == pytest.approx(np.mean(shuffled), abs=0.01)


def test_many_classes_are_clustered_by_their_largest():
    classes = words(*(f"class {number}" for number in range(90)))
    queries = words(*(f"query {number}" for number in range(240)))
    labels = [number if number < 90 else number % 50 for number in range(240)]
    rankings = tuple(Ranking(query, classes, (label,)) for query, label in zip(queries, labels, strict=True))
    embedded = embedded_at_random(task := RankingTask("many", "classification", True, rankings), d=64)
    for query, label in zip(queries, labels, strict=True):
        embedded.vectors[embedded.row[query.content_id]] = np.eye(64)[label % 64]
    (score,) = clustering_scores(rank_all([task], embedded), embedded)
    assert (score.value, score.pool, score.n) == (1.0, 50, 200)
    assert 0.3 < score.chance < 0.9
