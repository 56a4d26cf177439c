"""Pools of a lesson's model: its own cosines, and the miniature's truth."""

import numpy as np
import pytest

from core.data.records import true_hardness
from workbench.lessons import classroom
from workbench.lessons.pools import trained_pools


def test_pools_hold_the_models_cosines_and_the_truth():
    pools = trained_pools("infonce", "image-to-caption", 3, 1)
    rankings = classroom.task("image-to-caption", 3, 1).rankings
    queries, targets = classroom.pair_vectors("infonce", "image-to-caption", 3, 1)
    np.testing.assert_allclose(pools.similarity[pools.positive], (queries * targets).sum(dim=1), atol=1e-5)
    last = rankings[2]
    vectors = classroom.trained("infonce").embed(last.candidates).numpy()
    np.testing.assert_allclose(pools.similarity[2], vectors @ queries[2].numpy(), atol=1e-5)
    expected = [true_hardness(last.asks, last.candidates[0], item) for item in last.candidates]
    assert pools.hardness[2, 1:].tolist() == expected[1:]
    assert np.isnan(pools.hardness[:, 0]).all()
    assert pools.positive.sum(axis=1).tolist() == [1, 1, 1]
    assert not (pools.wrong & pools.positive).any()
    assert pools.candidates.min() >= 0


def test_short_pools_are_padded():
    pools = trained_pools("infonce", "colour-of", 2, 0)
    sizes = [len(each.candidates) for each in classroom.task("colour-of", 2, 0).rankings]
    assert ((pools.candidates >= 0).sum(axis=1)).tolist() == sizes
    assert pools.wrong.sum(axis=1).tolist() == [size - 1 for size in sizes]


def test_unknown_models_are_named():
    with pytest.raises(ValueError, match="nosuch"):
        trained_pools("nosuch", "colour-of", 2, 0)
