"""Candidates of shared pools, against plain lists."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.bundles.candidates import Candidates, Lists, lists_of

ITEMS = 9


@st.composite
def offers(draw):
    """Pools, and queries with a pool each, of which they leave some out and hold others for right."""
    pools = draw(st.lists(st.lists(st.integers(0, ITEMS - 1), min_size=2, unique=True), min_size=1, max_size=3))
    queries = []
    for _ in range(draw(st.integers(1, 5))):
        pool = draw(st.integers(0, len(pools) - 1))
        mixed = draw(st.permutations(pools[pool]))
        right = draw(st.integers(1, len(mixed) - 1))
        absent = draw(st.integers(0, len(mixed) - right))
        queries.append((pool, mixed[:right], mixed[right : right + absent]))
    return pools, queries


@given(offers())
def test_who_is_offered_is_who_is_in_the_pool_and_not_left_out(made):
    pools, queries = made
    candidates = Candidates(
        np.array([pool for pool, _, _ in queries]), lists_of(pools), lists_of(absent for _, _, absent in queries),
        lists_of(right for _, right, _ in queries),
    )  # fmt: skip
    offered = [[row for row in pools[pool] if row not in absent] for pool, _, absent in queries]
    assert [candidates.of(number).tolist() for number in range(len(queries))] == offered
    assert candidates.sizes.tolist() == [len(each) for each in offered]
    numbers, worth = np.arange(len(queries))[::2], 1.0 + np.arange(len(queries))[::2]
    chosen = [offered[number] for number in numbers]
    assert candidates.union(numbers, ITEMS).tolist() == sorted({row for each in chosen for row in each})
    total, wrong = np.zeros(ITEMS), np.zeros(ITEMS)
    for number, value in zip(numbers, worth, strict=True):
        total[offered[number]] += value
        wrong[[row for row in offered[number] if row not in queries[number][1]]] += value
    np.testing.assert_allclose(candidates.offered(numbers, ITEMS, worth), total)
    np.testing.assert_allclose(candidates.offered_as_wrong(numbers, ITEMS, worth), wrong, atol=1e-12)


def test_lists_are_numbered_from_0_and_end():
    lists = lists_of([[4, 5], [], [6]])
    assert ([each.tolist() for each in map(lists.__getitem__, range(3))], len(lists)) == ([[4, 5], [], [6]], 3)
    assert (lists.lengths.tolist(), lists.owners.tolist()) == ([2, 0, 1], [0, 0, 2])
    for outside in (-1, 3):
        with pytest.raises(IndexError):
            lists[outside]
    assert len(Lists(np.zeros(1, np.int64), np.empty(0, np.int32))) == 0
