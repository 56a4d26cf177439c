"""Sums over blocks of rows are those of all pools at once."""

import numpy as np
import pytest
from objective_cases import CASES

from workbench.bundles.bundle import open_bundle
from workbench.measures import effect_summary, hardness
from workbench.measures.effect_summary import correlations, summary


@pytest.fixture(scope="module")
def pools(written_run):
    bundle = open_bundle(written_run / "bundles" / "000010-miniature")
    return hardness.pools_of(bundle, bundle.numbers(None))


@pytest.mark.parametrize("objective", [case.objective for case in CASES.values()], ids=list(CASES))
def test_the_summary_is_that_of_all_pools_at_once(pools, monkeypatch, objective):
    monkeypatch.setattr(effect_summary, "PAIRS", 5 * pools.similarity.shape[1])
    found, whole = summary(objective, pools), hardness.effect(objective, pools)
    expected = hardness.mean_of(whole.effective_negatives)
    assert vars(found.effective) == pytest.approx(vars(expected), abs=1e-9)
    np.testing.assert_array_equal(found.resting, pools.wrong.any(axis=1) & ~whole.pulls)
    weights = whole.weight[pools.wrong]
    assert found.flat == (weights.max() == weights.min())
    shares = hardness.shares_by_hardness(pools, whole.share)
    assert found.shares.keys() == shares.keys()
    for level, (mean, alike) in shares.items():
        assert vars(found.shares[level][0]) == pytest.approx(vars(mean), abs=1e-9)
        assert found.shares[level][1] == pytest.approx(alike)
    np.testing.assert_allclose(correlations(objective, pools), hardness.rank_correlations(pools, whole.weight))


def test_no_pools(pools):
    nobody = pools.pick(np.empty(0, np.int64))
    found = summary(CASES["llave"].objective, nobody)
    assert (found.effective.n, len(found.resting), found.shares) == (0, 0, {})
    assert len(correlations(CASES["llave"].objective, nobody)) == 0
