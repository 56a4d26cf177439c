"""Placement against the enumeration of every order that ties allow."""

import itertools

import numpy as np
import pytest
import pytrec_eval
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from sklearn.metrics import label_ranking_average_precision_score, ndcg_score

from core.evaluation.ranking import TIE, all_tied, placement, placements

pools = st.lists(st.tuples(st.integers(-2, 2), st.booleans()), min_size=1, max_size=6)


def sorted_orders(similarities: list[int]) -> list[tuple[int, ...]]:
    """Every order of the candidates, by index, that is sorted by similarity."""
    return [
        order
        for order in itertools.permutations(range(len(similarities)))
        if all(similarities[a] >= similarities[b] for a, b in itertools.pairwise(order))
    ]


def by_enumeration(similarities: list[int], right: list[bool]) -> dict[int, float]:
    """Rank of the first right answer -> its share of all orders that are sorted by similarity."""
    ranks = []
    for order in itertools.permutations(range(len(right))):
        values = [similarities[index] for index in order]
        if values == sorted(values, reverse=True):
            ranks.append(next(rank for rank, index in enumerate(order, start=1) if right[index]))
    return {rank: ranks.count(rank) / len(ranks) for rank in ranks}


@given(pools)
@settings(deadline=None)
def test_placement_is_the_distribution_over_all_orders_of_the_ties(pool):
    similarities, right = map(list, zip(*pool, strict=True))
    assume(any(right))
    expected = by_enumeration(similarities, right)
    placed = placement(np.array(similarities, dtype=np.float32) / 2, np.array(right))
    found = {placed.first + u: chance for u, chance in enumerate(placed.chances)}
    assert found == pytest.approx(expected)
    assert placed.rank == pytest.approx(sum(rank * chance for rank, chance in expected.items()))
    assert placed.reciprocal == pytest.approx(sum(chance / rank for rank, chance in expected.items()))
    for k in range(8):
        assert placed.hit(k) == pytest.approx(sum(chance for rank, chance in expected.items() if rank <= k))


def test_right_answers_tie_within_the_tolerance_too():
    """Two right ones and a wrong one, apart by less than TIE: one of the two comes first in 2 of 3 orders."""
    similarities = np.array([0.5, 0.5 - TIE / 2, 0.5 - TIE / 4], dtype=np.float32)
    placed = placement(similarities, np.array([True, True, False]))
    assert placed.first == 1
    assert placed.chances == pytest.approx([2 / 3, 1 / 3])


@given(st.integers(2, 60), st.integers(0, 2**31))
@settings(deadline=None)
def test_without_ties_it_is_the_reciprocal_rank_of_sklearn(n, seed):
    generator = np.random.default_rng(seed)
    similarities = (generator.permutation(n) / n).astype(np.float32)
    right = np.zeros(n, dtype=bool)
    right[generator.integers(n)] = True
    theirs = label_ranking_average_precision_score(right[None].astype(int), similarities[None])
    assert placement(similarities, right).reciprocal == pytest.approx(theirs)


@given(st.integers(1, 100), st.integers(1, 100))
@settings(deadline=None)
def test_a_tie_of_all_gives_chance(r, w):
    right = np.arange(r + w) < r
    placed = placement(np.zeros(r + w, dtype=np.float32), right)
    assert placed.first == 1
    assert placed.chances.sum() == pytest.approx(1, abs=1e-12)
    assert placed.hit(1) == pytest.approx(r / (r + w), abs=1e-12)
    assert placed.rank == pytest.approx((r + w + 1) / (r + 1))  # the expected minimum of r of r + w places


@pytest.mark.parametrize(("gap", "hit"), [(0.0, 0.5), (TIE / 4, 0.5), (-TIE / 4, 0.5), (3 * TIE, 1.0), (-3 * TIE, 0.0)])
def test_rounding_ties_and_more_does_not(gap, hit):
    similarities = np.array([0.5 + gap, 0.5, -1.0], dtype=np.float32)
    assert placement(similarities, np.array([True, False, False])).hit(1) == hit


def test_products_of_equal_vectors_that_differ_by_rounding_are_ties():
    """Float32 matrix products of the same rows at other places of a matrix may differ in the last bits."""
    generator = np.random.default_rng(0)
    vector = generator.normal(size=257).astype(np.float32)
    vector /= np.linalg.norm(vector)
    similarities = np.array([np.float32(vector[order] @ vector[order]) for order in
                             (generator.permutation(257) for _ in range(50))])  # fmt: skip
    assert placement(similarities, np.arange(50) == 7).hit(1) == pytest.approx(1 / 50)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("place", [0, 1])
def test_a_similarity_that_is_not_finite_is_refused(bad, place):
    similarities = np.array([0.1, 0.2], dtype=np.float32)
    similarities[place] = bad
    with pytest.raises(ValueError, match="not finite"):
        placement(similarities, np.array([True, False]))


def test_a_pool_without_a_right_answer_is_refused():
    with pytest.raises(ValueError, match="right marks no candidate"):
        placement(np.zeros(2, dtype=np.float32), np.array([False, False]))


@given(pools)
@settings(deadline=None)
def test_ndcg_and_average_precision_are_means_over_all_orders_of_the_ties(pool):
    similarities, right = map(list, zip(*pool, strict=True))
    assume(any(right))
    gains, precisions = [], []
    for order in sorted_orders(similarities):
        places = [place for place, index in enumerate(order, start=1) if right[index]]
        gains.append(sum(1 / np.log2(place + 1) for place in places if place <= 3))
        precisions.append(np.mean([(count + 1) / place for count, place in enumerate(places)]))
    ideal = sum(1 / np.log2(place + 1) for place in range(1, min(3, sum(right)) + 1))
    placed = placement(np.array(similarities, dtype=np.float32) / 2, np.array(right))
    assert placed.ndcg(3) == pytest.approx(np.mean(gains) / ideal)
    assert placed.average_precision == pytest.approx(np.mean(precisions))


@given(pools)
@settings(deadline=None)
def test_ndcg_is_that_of_sklearn_which_averages_over_ties(pool):
    similarities, right = map(np.array, zip(*pool, strict=True))
    assume(right.any() and len(right) > 1)
    theirs = ndcg_score(right[None].astype(float), similarities[None].astype(float), k=5)
    assert placement(similarities.astype(np.float32), right).ndcg(5) == pytest.approx(theirs)


@given(st.integers(2, 60), st.integers(1, 4), st.integers(0, 2**31))
@settings(deadline=None, max_examples=50)
def test_without_ties_all_is_as_trec_eval_has_it(n, rights, seed):
    generator = np.random.default_rng(seed)
    similarities = (generator.permutation(n) / n).astype(np.float32)
    right = np.zeros(n, dtype=bool)
    right[generator.permutation(n)[:rights]] = True
    relevant = {"q": {f"d{i}": int(right[i]) for i in range(n)}}
    measures = {"map", "recip_rank", "ndcg_cut.5", "success.1,5,10"}
    run = {"q": {f"d{i}": float(similarities[i]) for i in range(n)}}
    theirs = pytrec_eval.RelevanceEvaluator(relevant, measures).evaluate(run)["q"]
    placed = placement(similarities, right)
    mine = {
        "map": placed.average_precision,
        "recip_rank": placed.reciprocal,
        "ndcg_cut_5": placed.ndcg(5),
        **{f"success_{k}": placed.hit(k) for k in (1, 5, 10)},
    }
    assert mine == pytest.approx(theirs)


@given(st.lists(pools.filter(lambda pool: any(right for _, right in pool)), min_size=1, max_size=8))
@settings(deadline=None)
def test_many_queries_at_once_are_each_placed_as_alone(listed):
    flat = [each for pool in listed for each in pool]
    similarities = np.array([value for value, _ in flat], dtype=np.float32) / 2
    right = np.array([own for _, own in flat])
    found = placements(similarities, right, [len(pool) for pool in listed])
    ends = np.cumsum([len(pool) for pool in listed])[:-1]
    expected = [placement(*each) for each in zip(np.split(similarities, ends), np.split(right, ends), strict=True)]
    for one, other in zip(found, expected, strict=True):
        assert (one.first, one.chances.tolist(), one.places) == (other.first, other.chances.tolist(), other.places)


def test_rounding_ties_alike_in_both_forms():
    generator = np.random.default_rng(0)
    steps = generator.integers(-30, 30, size=(200, 40))
    similarities = (0.5 + steps * TIE / 10).astype(np.float32)
    right = np.zeros((200, 40), dtype=bool)
    right[np.arange(200), generator.integers(40, size=200)] = True
    found = placements(similarities.ravel(), right.ravel(), [40] * 200)
    for one, values, marks in zip(found, similarities, right, strict=True):
        assert (one.first, one.places) == (placement(values, marks).first, placement(values, marks).places)


@given(st.integers(1, 40), st.integers(0, 40))
@settings(deadline=None)
def test_a_tie_of_all_is_made_from_counts(r, w):
    one, other = all_tied(r, w), placement(np.zeros(r + w, dtype=np.float32), np.arange(r + w) < r)
    assert (one.first, one.chances.tolist(), one.places) == (other.first, other.chances.tolist(), other.places)


def test_large_ties_are_exact():
    """C(n, r) of thousands is no float; the chances still sum to 1 and fall as they should."""
    placed = all_tied(1000, 30_000)
    assert placed.chances.sum() == pytest.approx(1, abs=1e-9)
    assert placed.rank == pytest.approx(31_001 / 1001)


def test_of_many_queries_one_without_a_right_answer_or_a_number_is_refused():
    right = np.array([True, False, False, False])
    with pytest.raises(ValueError, match="right marks no candidate"):
        placements(np.zeros(4, dtype=np.float32), right, [2, 2])
    with pytest.raises(ValueError, match="not finite"):
        placements(np.array([0, np.nan, 0, 0], dtype=np.float32), right, [3, 1])
