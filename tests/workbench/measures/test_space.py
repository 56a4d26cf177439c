"""The state of a bundle's space: each number is that of its measure, and its baseline what a random bundle gives."""

import numpy as np
import pytest

from core.evaluation.embedded import distinct_items
from workbench.bundles.bundle import open_bundle
from workbench.measures import geometry, hubness, space
from workbench.projection import map_items
from workbench.projection.projection import Quality, pca_layout


@pytest.fixture
def bundle(bundle_folder):
    return open_bundle(bundle_folder)


@pytest.mark.parametrize("dataset", [None, "look-alike", "shape"])
def test_random_vectors_are_like_their_baselines(bundle, dataset):
    found = {each.name: each for each in space.space(bundle, dataset)}
    for name in ("uniformity", "effective rank", "participation ratio"):
        assert found[name].value == pytest.approx(found[name].baseline, rel=0.25)
    assert found["alignment"].value == pytest.approx(found["alignment"].baseline, abs=0.6)
    assert found["mean cosine"].value == pytest.approx(0, abs=0.1)
    assert found["probe of the side"].baseline == 0.5
    for each in found.values():
        each.form.format(each.value)
        assert each.meaning.endswith(".")


def test_p_at_1_is_that_of_the_evaluator(bundle):
    for dataset in (None, "story"):
        found = {each.name: each for each in space.space(bundle, dataset)}
        rows = bundle.rankings if dataset is None else bundle.rankings.loc[bundle.rankings["dataset"] == dataset]
        assert found["P@1"].value == pytest.approx(rows["hit"].mean())
        assert found["P@1"].baseline == pytest.approx(rows["chance"].mean())


def test_a_gap_between_queries_and_candidates_is_seen_and_closed(small_runs, tmp_path):
    """Queries equal to their answers but for one direction, in which candidates differ: closing it finds them again."""
    tasks = small_runs.small_tasks(("look-alike",))
    items = distinct_items(tasks)
    row = {item.content_id: number for number, item in enumerate(items)}
    vectors = np.random.default_rng(0).normal(size=(len(items), 12))
    vectors[:, 0] = 1.5 * np.random.default_rng(1).normal(size=len(items)) - 4
    for ranking in tasks[0].rankings:
        query, answer = (row[each.content_id] for each in (ranking.query, ranking.candidates[0]))
        vectors[query] = vectors[answer]
        vectors[query, 0] = 4
    unit = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    small_runs.write_small_bundle(tmp_path / "bundle", tasks, unit)
    found = {each.name: each for each in space.space(open_bundle(tmp_path / "bundle"), None)}
    assert found["gap"].value > 0.9 > 0.6 > found["gap"].baseline
    assert found["probe of the side"].value == 1
    assert found["P@1, gap closed"].value == 1 > found["P@1"].value


def test_within_and_across():
    vectors = np.array([[1.0, 0], [1, 0], [0, 1], [0, 1]])
    assert space.within_and_across(vectors, [0, 1], [2, 3]) == (1, 0)
    assert np.isnan(space.within_and_across(vectors, [0], [1, 2])).all()


def test_items_know_their_roles(bundle):
    table = map_items.item_table(bundle, None)
    assert table.index.tolist() == list(range(len(bundle.items)))
    queries, candidates = (
        set(bundle.rankings["query"]),
        {row for number in range(len(bundle.rankings)) for row in bundle.candidates.of(number).tolist()},
    )
    for row, item in table.iterrows():
        expected = {(True, True): "both", (True, False): "query", (False, True): "candidate"}
        assert item["role"] == expected[row in queries, row in candidates]
        assert (item["answered"] == "no query") == (row not in queries)
        assert item["text"] == bundle.words(row)
    first = bundle.rankings.drop_duplicates("query").set_index("query")
    assert (table.loc[list(queries), "answered"] == "right first").sum() == (first["hit"] >= 1).sum()
    assert table.loc[first.index, "data set"].tolist() == first["dataset"].tolist()


def test_known_truth_is_a_column_an_attribute(bundle):
    table = map_items.item_table(bundle, "story")
    row = next(row for row in table.index if bundle.attributes(row))
    for name, value in bundle.attributes(row).items():
        assert table.loc[row, f"true {name}"] == value
    nothing = next(row for row in table.index if not bundle.attributes(row))
    assert set(table.filter(like="true ").loc[nothing]) == {"unknown"}
    assert set(map_items.PLAIN) < set(map_items.colour_columns(table))


def test_hub_groups_are_ordered_by_count():
    found = hubness.Hubness(np.array([0.0, 1, 3, 10, 1, 1]), 1, 16, 0, 0, 10)
    groups = map_items.hub_groups(np.array([10, 11, 12, 13, 99]), np.array([10, 11, 12, 13, 14, 15]), found)
    assert [group[0] for group in groups] == ["0", "1", "2", "3", "n"]


def test_kept_groups_are_by_quarters():
    layout = pca_layout(geometry.isotropic(6, 3))
    found = Quality(0.9, 0.9, np.array([0.0, 0.3, 0.5, 1.0]), np.array([0, 2, 3, 5]), 2)
    assert map_items.kept_groups(layout, found) == [
        "0-25 % kept", "not measured", "25-50 % kept", "50-75 % kept", "not measured", "75-100 % kept",
    ]  # fmt: skip


def test_a_selection_is_by_id_and_survives_nonsense():
    event = {
        "selection": {"points": [{"customdata": [5]}, {"customdata": 3}, {"customdata": [5]}, {"customdata": [77]}, {}]}
    }
    assert map_items.selected_rows(event, [3, 4, 5]) == [5, 3]
    for odd in (None, {}, {"selection": None}, {"selection": {"points": [None, {"customdata": "x"}]}}):
        assert map_items.selected_rows(odd, [3]) == []
