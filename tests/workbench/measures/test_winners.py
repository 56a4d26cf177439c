"""Hubs: wins against the turn that each candidate would have."""

from dataclasses import replace

import numpy as np
import pytest

from workbench.bundles.bundle import open_bundle
from workbench.measures import winners


@pytest.fixture
def bundle(bundle_folder):
    return open_bundle(bundle_folder)


def hubbed(bundle):
    """One item wins all six queries of shape, and nothing else wins anywhere."""
    shape = (bundle.rankings["dataset"] == "shape").to_numpy()
    pools = [set(bundle.candidates.of(number).tolist()) for number in np.flatnonzero(shape)]
    rights = {int(each) for number in np.flatnonzero(shape) for each in bundle.candidates.right[number]}
    shared = sorted(set.intersection(*pools))
    hub = next((item for item in shared if item not in rights), shared[0])
    negatives = bundle.negatives.copy()
    first = negatives["place"] == 1
    own = first & shape[negatives["ranking"]]
    negatives.loc[own, "negative"] = hub
    negatives.loc[first, "above_positive"] = own[first]
    return replace(bundle, negatives=negatives), hub


def test_wins_and_turns_are_counted_query_by_query(bundle):
    changed, hub = hubbed(bundle)
    table = winners.hub_table(changed, changed.numbers(None))
    offers = [
        number
        for number in bundle.numbers("shape")
        if hub in bundle.candidates.of(int(number)) and hub not in bundle.candidates.right[int(number)]
    ]
    assert table[["dataset", "item", "wins"]].values.tolist() == [["shape", hub, 6]]
    assert table["pools"].iloc[0] == len(offers)
    assert table["expected"].iloc[0] == pytest.approx(sum(1 / bundle.candidates.sizes[number] for number in offers))
    assert len(winners.hubs(changed, changed.numbers(None))) == 1


def test_only_the_queries_that_are_looked_at_count(bundle):
    changed, _ = hubbed(bundle)
    assert winners.hub_table(changed, changed.numbers("story")).empty
    assert winners.hubs(changed, changed.numbers("shape")[:4]).empty


def test_winners_are_the_failures(bundle):
    failing = np.flatnonzero(bundle.rankings["hit"] < 1)
    found = winners.winners(bundle)
    assert sorted(found["ranking"]) == failing.tolist()
    assert found["item"].tolist() == bundle.rankings["hardest"].iloc[found["ranking"]].tolist()
    hardness = winners.true_hardness_of_winner(bundle)
    assert np.isnan(np.delete(hardness, failing)).all()
