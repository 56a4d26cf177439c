"""What a map says of items: each group read once more from the rankings, item by item."""

import numpy as np
import pytest

from workbench.bundles.bundle import open_bundle
from workbench.measures import geometry, hubness
from workbench.projection import map_items
from workbench.projection.map_items import first_uses, groups_by, shown_items
from workbench.projection.projection import Quality, pca_layout


@pytest.fixture
def bundle(bundle_folder):
    return open_bundle(bundle_folder)


def named(bundle, column, dataset=None):
    """The group of each shown item, by its row."""
    rows = shown_items(bundle, dataset)
    found = groups_by(bundle, column, rows, lambda: first_uses(bundle, dataset))
    assert set(found.codes) == set(range(len(found.names)))
    return {int(row): found.names[code] for row, code in zip(rows, found.codes, strict=True)}


@pytest.mark.parametrize("dataset", [None, "story"])
def test_items_know_their_roles_and_their_first_use(bundle, dataset):
    numbers = bundle.numbers(dataset)
    asks, offered = {}, {}
    for number in numbers[::-1]:
        asks[int(bundle.rankings["query"].iat[number])] = number
        offered |= dict.fromkeys(bundle.candidates.of(int(number)).tolist(), number)
    columns = {name: named(bundle, name, dataset) for name in map_items.PLAIN}
    assert set(columns["role"]) == ({*asks, *offered} if dataset else set(range(len(bundle.items))))
    for row, role in columns["role"].items():
        expected = {(True, True): "both", (True, False): "query", (False, True): "candidate"}
        assert role == expected.get((row in asks, row in offered), "not used")
        first = bundle.rankings.iloc[asks.get(row, offered.get(row))]
        assert columns["data set"][row] == first["dataset"]
        assert columns["meta-task"][row] == first["meta_task"]
        right = "right first" if first["hit"] >= 1 else "wrong first"
        assert columns["answered"][row] == (right if row in asks else "no query")
        assert columns["modality"][row] == bundle.items["modality"].iat[row]


def test_known_truth_is_a_column_an_attribute(bundle):
    columns = map_items.colour_columns(bundle)
    assert {*map_items.PLAIN, map_items.HUBS, map_items.KEPT} < set(columns)
    for name in bundle.attribute_table.columns:
        assert f"true {name}" in columns
        found = named(bundle, f"true {name}")
        assert all(value == bundle.attributes(row).get(name, "unknown") for row, value in found.items())
    with pytest.raises(ValueError, match="column = 'taste'"):
        named(bundle, "taste")
    with pytest.raises(ValueError, match="attribute = 'taste'"):
        named(bundle, "true taste")


def test_hub_groups_are_ordered_by_count():
    found = hubness.Hubness(np.array([0.0, 1, 3, 10, 1, 1]), 1, 16, 0, 0, 10)
    groups = map_items.hub_groups(np.array([10, 11, 12, 13, 99]), np.array([10, 11, 12, 13, 14, 15]), found)
    assert groups.codes.tolist() == [0, 1, 2, 3, 4]
    assert [name.split()[0] for name in groups.names] == ["near", "up", "above", "hub:", "not"]
    nobody = map_items.hub_groups(
        np.array([1, 2]), np.array([], dtype=int), hubness.Hubness(np.zeros(0), 1, 0, 0, 0, 0)
    )
    assert nobody.names == ("not counted",)


def test_kept_groups_are_by_quarters():
    layout = pca_layout(geometry.isotropic(6, 3))
    found = Quality(0.9, 0.9, np.array([0.0, 0.3, 0.5, 1.0]), np.array([0, 2, 3, 5]), 2)
    groups = map_items.kept_groups(layout, found)
    assert [groups.names[code] for code in groups.codes] == [
        "0-25 % kept", "not measured", "25-50 % kept", "50-75 % kept", "not measured", "75-100 % kept",
    ]  # fmt: skip
