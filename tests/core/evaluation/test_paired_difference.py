"""The paired difference of two scores, against the sentence in numpy."""

import numpy as np
import pytest

from core.evaluation.metrics import paired_difference


def test_it_is_the_mean_over_groups_and_resamples_pairs():
    generator = np.random.default_rng(1)
    before = generator.integers(0, 2, 300).astype(float)
    after = np.where(generator.random(300) < 0.1, 1 - before, before)
    groups = np.repeat(["small", "large"], [60, 240])
    found = paired_difference(before, after, groups)
    change = after - before
    assert found.value == pytest.approx((change[:60].mean() + change[60:].mean()) / 2)
    assert found.after - found.before == pytest.approx(found.value)
    assert (found.n, found.gains, found.losses) == (300, int((change > 0).sum()), int((change < 0).sum()))
    drawn = [
        np.mean([generator.choice(part, len(part)).mean() for part in (change[:60], change[60:])]) for _ in range(4000)
    ]
    assert found.low == pytest.approx(np.quantile(drawn, 0.025), abs=0.01)
    assert found.high == pytest.approx(np.quantile(drawn, 0.975), abs=0.01)


def test_queries_that_do_not_change_have_no_interval():
    same = np.array([0.0, 1.0, 0.5])
    found = paired_difference(same, same, [1, 1, 2])
    assert (found.value, found.low, found.high, found.gains, found.losses) == (0, 0, 0, 0, 0)


@pytest.mark.parametrize("counts", [(0, 0, 0), (2, 3, 2), (2, 2, 3)])
def test_as_many_of_each_are_needed(counts):
    with pytest.raises(ValueError, match=f"not {counts[0]}, {counts[1]} and {counts[2]}"):
        paired_difference(*(np.zeros(count) for count in counts))
