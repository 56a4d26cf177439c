"""Placement against the enumeration of every order that ties allow."""

import itertools

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from sklearn.metrics import label_ranking_average_precision_score

from core.evaluation.ranking import TIE, placement

pools = st.lists(st.tuples(st.integers(-2, 2), st.booleans()), min_size=1, max_size=6)


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
