"""Scores over some queries are those of the evaluator where all are meant, and means by hand elsewhere."""

import numpy as np
import pytest

from workbench.bundles.bundle import open_bundle
from workbench.measures import retrieval


@pytest.fixture
def bundle(bundle_folder):
    return open_bundle(bundle_folder)


def test_over_all_queries_they_are_the_evaluators(bundle):
    found = {(each.scope, each.name): each for each in retrieval.scores_over(bundle, bundle.numbers(None))}
    assert set(found) == {*(("dataset", name) for name in bundle.datasets), ("overall", "all")}
    for (scope, name), each in found.items():
        stored = retrieval.score_of(bundle, scope, name)
        assert (each.value, each.n, each.pool) == pytest.approx((stored.value, stored.n, stored.pool))
        assert each.chance == pytest.approx(stored.chance)
        assert each.low == pytest.approx(stored.low, abs=0.2)  # other resamples of six queries


def test_over_some_queries_each_data_set_counts_alike(bundle):
    numbers = np.concatenate([bundle.numbers("shape"), bundle.numbers("story")[:2]])
    *parts, whole = retrieval.scores_over(bundle, numbers)
    hits = bundle.rankings["hit"].to_numpy()
    means = [hits[bundle.numbers("shape")].mean(), hits[bundle.numbers("story")[:2]].mean()]
    assert [each.value for each in parts] == pytest.approx(means)
    assert whole.value == pytest.approx(np.mean(means))
    assert [each.n for each in (*parts, whole)] == [6, 2, 8]
    assert retrieval.scores_over(bundle, numbers[:0]) == []
    assert retrieval.score_of(bundle, "overall", "none") is None
