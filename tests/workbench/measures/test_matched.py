"""Matching two evaluations: the same query of the same data set, and as many candidates."""

from dataclasses import replace

import numpy as np
import pytest

from workbench.bundles.bundle import open_bundle
from workbench.explore.selection import UnknownSelection, selected
from workbench.measures import matched


@pytest.fixture
def bundle(bundle_folder):
    return open_bundle(bundle_folder)


@pytest.fixture
def other(small_runs, tmp_path):
    """Two of the four data sets in another order, with other vectors; those of story have smaller pools."""
    tasks = [*small_runs.small_tasks(("clips",)), *small_runs.small_tasks(("story",), pool=5)]
    small_runs.write_small_bundle(tmp_path / "other", tasks, dimensions=8)
    return open_bundle(tmp_path / "other")


def test_queries_are_matched_by_content(bundle, other):
    found = matched.matched(bundle, other)
    assert bundle.rankings["dataset"].iloc[found.own].tolist() == ["clips"] * 6
    for own, there in zip(found.own, found.other, strict=True):
        own_item, other_item = bundle.rankings["query"].iloc[own], other.rankings["query"].iloc[there]
        assert bundle.items["item"].iloc[own_item] == other.items["item"].iloc[other_item]
    assert found.other_pool == 6
    assert len(found.among(bundle.numbers("shape")).own) == 0
    assert found.among(found.own[:2]).own.tolist() == found.own[:2].tolist()


def test_a_query_asked_twice_is_matched_in_order(bundle):
    rankings = bundle.rankings.copy()
    rankings.loc[1, "query"] = rankings.loc[0, "query"]
    twice = replace(bundle, rankings=rankings)
    found = matched.matched(twice, twice)
    assert found.own.tolist() == found.other.tolist() == list(range(24))


def test_the_difference_is_ours_minus_theirs(bundle, other):
    found = matched.matched(bundle, other)
    own, there = bundle.rankings["hit"].to_numpy()[found.own], other.rankings["hit"].to_numpy()[found.other]
    change = matched.difference(bundle, other, found)
    assert change.value == pytest.approx(own.mean() - there.mean())
    assert (change.gains, change.losses) == ((own > there).sum(), (own < there).sum())
    turned = change.turned
    assert (turned.value, turned.low, turned.high) == (-change.value, -change.high, -change.low)
    assert (turned.before, turned.gains) == (change.after, change.losses)


def test_won_and_lost_queries_can_be_selected(bundle, other):
    hit = other.rankings["hit"].to_numpy().copy()
    found = matched.matched(bundle, other)
    own = bundle.rankings["hit"].to_numpy()[found.own]
    hit[found.other] = np.array([1 - own[0], *own[1:]])
    changed = replace(other, rankings=other.rankings.assign(hit=hit))
    kind, opposite = ("won", "lost") if own[0] > 0.5 else ("lost", "won")

    def select(rule):
        return selected(bundle, rule, lambda layout: None, lambda name: changed if name == "run/other" else None)

    assert select(f"{kind}:run/other").queries.tolist() == [found.own[0]]
    assert select(f"{opposite}:run/other").queries.tolist() == []
    with pytest.raises(UnknownSelection, match="chosen under Against"):
        select("lost:run/another")
