"""Counts over all pools equal a walk over every pool, and the truth of the miniature is read rightly."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.data.miniature.benchmark import SOURCES, ranking_task
from core.data.records import Item, Ranking, Text
from workbench.measures.pool_size import chance_of_any, differing_attributes, expected_hardest


@given(st.integers(2, 8), st.integers(1, 8), st.integers(0, 1000))
def test_counts_equal_a_walk_over_all_pools(columns, pool, seed):
    rng = np.random.default_rng(seed)
    similarity = rng.normal(size=(3, columns))
    negative, marked = np.ones((3, columns), dtype=bool), rng.random((3, columns)) < 0.4
    negative[1, 0] = False
    if pool > columns - 1:
        with pytest.raises(ValueError, match="pool = "):
            expected_hardest(similarity, negative, pool)
        return
    hardest, chance = expected_hardest(similarity, negative, pool), chance_of_any(marked, negative, pool)
    for row in range(3):
        pools = list(combinations(np.flatnonzero(negative[row]), pool))
        assert hardest[row] == pytest.approx(np.mean([similarity[row, list(each)].max() for each in pools]), abs=1e-12)
        assert chance[row] == pytest.approx(np.mean([marked[row, list(each)].any() for each in pools]), abs=1e-12)


def test_large_pools_do_not_overflow_and_the_largest_has_one_outcome():
    similarity = np.arange(5000.0)[None] / 5000
    negative = np.ones((1, 5000), dtype=bool)
    assert expected_hardest(similarity, negative, 5000)[0] == pytest.approx(4999 / 5000)
    assert expected_hardest(similarity, negative, 1)[0] == pytest.approx(similarity.mean())
    # the mean of the largest of k of 1..M is k (M + 1) / (k + 1)
    assert expected_hardest(similarity, negative, 255)[0] * 5000 + 1 == pytest.approx(255 * 5001 / 256, rel=1e-9)
    assert chance_of_any(similarity == 0, negative, 1000)[0] == pytest.approx(0.2)


def test_differing_attributes_of_the_miniature():
    source = next(each for each in SOURCES if each.name == "caption-to-image")
    rankings = ranking_task(source, 0, 30).rankings
    found = differing_attributes(rankings)
    assert found.shape == (30, 30)
    assert not found.diagonal().any()
    for i, j in ((0, 1), (3, 7)):
        own, other = (rankings[place].candidates[0].attributes for place in (i, j))
        assert found[i, j] == sum(own.get(name) != other.get(name) for name in rankings[i].asks if name in own)


def test_unknown_truth_is_refused():
    item = Item((Text("a photo"),))
    with pytest.raises(ValueError, match="miniature"):
        differing_attributes([Ranking(item, (item,), (0,), ())])
