"""What is drawn of an item: read once more from the rankings and the stored negatives, query by query."""

import numpy as np
import pytest

from workbench.bundles.bundle import open_bundle
from workbench.explore import ties
from workbench.explore.ties import Tie, ties_of


@pytest.fixture
def bundle(bundle_folder):
    return open_bundle(bundle_folder)


def test_every_item_has_the_ties_of_its_queries(bundle):
    queries = [bundle.query(number) for number in range(len(bundle.rankings))]
    hardest = [bundle.hardest(number)[0] for number in range(len(queries))]
    for item in range(len(bundle.items)):
        found = ties_of(bundle, item)
        asks = [each for each in queries if each.query == item]
        expected = {
            Tie(each.query, each.positive, "right answer") for each in queries if item in (each.query, each.positive)
        }
        expected |= {Tie(item, hardest[each.number].item, "hardest negative") for each in asks}
        fooled = [each for each in queries if hardest[each.number].item == item and each.margin < 0]
        expected |= {Tie(each.query, item, "hardest negative") for each in fooled}
        assert set(found.drawn) == expected
        assert (found.asks, found.fools) == (len(asks), len(fooled))
        assert found.answers == sum(each.positive == item for each in queries)


def test_no_more_than_ten_of_a_kind_are_drawn(bundle, monkeypatch):
    monkeypatch.setattr(ties, "MOST", 1)
    counts = np.bincount(bundle.rankings["positive"])
    item = int(counts.argmax())
    found = ties_of(bundle, item)
    assert found.answers == counts[item]
    assert sum(each.kind == "right answer" and each.answer == item for each in found.drawn) == 1
