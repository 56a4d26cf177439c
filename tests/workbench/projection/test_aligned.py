"""Maps laid over one another: a known move is found again and undone; what no move explains is told."""

import numpy as np
import pandas as pd
import pytest

from workbench.projection.aligned import move_onto, shared_rows


def cloud(n=30):
    return np.random.default_rng(0).normal(size=(n, 2)) * [3, 1]


def test_a_turned_mirrored_scaled_and_shifted_map_comes_to_lie_on_its_origin():
    other = cloud()
    turn = np.array([[np.cos(1), np.sin(1)], [np.sin(1), -np.cos(1)]])
    own = 0.2 * other @ turn + [5, -7]
    own[4] = np.nan
    found = move_onto(own, other)
    assert found is not None
    assert found.shared == 29
    assert found.scale == pytest.approx(5)
    assert found.left == pytest.approx(0, abs=1e-9)
    kept = np.arange(30) != 4
    np.testing.assert_allclose(found.forth(own[kept]), other[kept], atol=1e-9)
    np.testing.assert_allclose(found.back(found.forth(own[kept])), own[kept], atol=1e-9)


def test_no_other_move_is_nearer_and_what_is_left_is_the_distance_that_stays():
    own, other = cloud(), cloud() + np.random.default_rng(1).normal(size=(30, 2))
    found = move_onto(own, other)
    assert found is not None
    far = np.square(found.forth(own) - other).sum()
    assert found.left == pytest.approx(far / np.square(other - other.mean(axis=0)).sum())
    for angle in np.linspace(0, 6, 25):
        turned = own @ np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
        assert np.square(turned - turned.mean(axis=0) - other + other.mean(axis=0)).sum() >= far - 1e-9


def test_too_few_or_equal_points_cannot_be_moved():
    assert move_onto(cloud(2), cloud(2)) is None
    assert move_onto(np.ones((5, 2)), cloud(5)) is None
    assert move_onto(cloud(5), np.full((5, 2), np.nan)) is None


def test_shared_items_are_those_of_one_id():
    own, other = shared_rows(pd.Series(["a", "b", "c"]), pd.Series(["c", "x", "a"]))
    assert (own.tolist(), other.tolist()) == ([0, 2], [2, 0])
