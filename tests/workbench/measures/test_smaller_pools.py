"""P@1 of smaller pools against every pool that can be drawn."""

from itertools import combinations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from core.evaluation.ranking import placement
from workbench.measures.smaller_pools import precision_by_pool, random_pool_precision


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 4), st.integers(0, 3), st.integers(0, 3), st.data())
def test_the_formula_is_the_mean_over_all_pools(above, tied, below, data):
    wrong = [0.9] * above + [0.5] * tied + [0.1] * below
    size = data.draw(st.integers(1, len(wrong) + 1))
    hits = []
    for drawn in combinations(wrong, size - 1):
        pool = torch.tensor([0.5, *drawn]).numpy()
        hits.append(placement(pool, torch.arange(size).numpy() == 0).hit(1))
    found = random_pool_precision(above, tied, len(wrong), size)
    assert found == pytest.approx(sum(hits) / len(hits), abs=1e-12)


def test_a_pool_must_fit():
    for size in (0, 6):
        with pytest.raises(ValueError, match=f"size = {size} is not in 1..5"):
            random_pool_precision(1, 0, 4, size)


def test_both_ways_by_hand():
    similarities = torch.tensor([[0.5, 0.9, 0.1, 0.2], [0.1, 0.3, 0.8, 0.2]])
    right = torch.tensor([[True, False, False, False], [False, False, True, False]])
    found = precision_by_pool(similarities, right, (1, 2, 4))
    assert found["random"] == pytest.approx([1.0, (2 / 3 + 1) / 2, 0.5])
    assert found["hardest"] == pytest.approx([1.0, 0.5, 0.5])


def test_the_whole_pool_is_the_evaluators_score_either_way():
    torch.manual_seed(0)
    similarities = torch.rand(20, 9).mul(5).round().div(5)
    right = torch.arange(9) == torch.randint(9, (20, 1))
    expected = (
        sum(placement(row.numpy(), own.numpy()).hit(1) for row, own in zip(similarities, right, strict=True)) / 20
    )
    found = precision_by_pool(similarities, right, (2, 5, 9))
    assert found["random"][-1] == pytest.approx(expected)
    assert found["hardest"][-1] == pytest.approx(expected)
    assert found["random"] == sorted(found["random"], reverse=True)


def test_two_right_answers_are_refused():
    with pytest.raises(ValueError, match="one right answer each"):
        precision_by_pool(torch.rand(1, 3), torch.tensor([[True, True, False]]), (2,))
