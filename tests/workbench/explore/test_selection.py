"""Selections by rule, against plain loops; and rules that name nothing."""

import numpy as np
import pytest

from workbench.bundles.bundle import open_bundle
from workbench.explore.selection import (
    MOST_VERTICES,
    NOTHING,
    UnknownSelection,
    items_rule,
    lasso_rule,
    queries_rule,
    selected,
)


@pytest.fixture(scope="module")
def bundle(small_runs, tmp_path_factory):
    run = small_runs.write_run(tmp_path_factory.mktemp("selection"))
    return open_bundle(next((run / "bundles").iterdir()))


def no_map(layout: str) -> None:
    return None


def test_nothing_is_selected_by_no_rule(bundle):
    assert selected(bundle, "", no_map) is NOTHING
    assert not NOTHING


def test_items_select_the_queries_that_ask_with_them_or_are_answered_by_them(bundle):
    rows = [0, 1, 40, 40, 7]
    found = selected(bundle, "items:" + ",".join(map(str, rows)), no_map)
    assert found.items.tolist() == [0, 1, 40, 7]
    queries = map(bundle.query, range(len(bundle.rankings)))
    assert found.queries.tolist() == [each.number for each in queries if {each.query, each.positive} & set(rows)]


def test_queries_select_their_items(bundle):
    found = selected(bundle, queries_rule([3, 1]), no_map)
    assert found.queries.tolist() == [1, 3]
    assert set(found.items) == {row for number in (1, 3) for row in
                                (bundle.query(number).query, bundle.query(number).positive)}  # fmt: skip


def test_a_winner_selects_the_queries_that_it_wrongly_comes_first_for(bundle):
    numbers = range(len(bundle.rankings))
    first = {number: bundle.hardest(number)[0] for number in numbers}
    winner = next(each.item for each in first.values() if each.above_positive)
    found = selected(bundle, f"winner:{winner}", no_map)
    assert found.queries.tolist() == [n for n, each in first.items() if each.above_positive and each.item == winner]
    assert len(found.queries)


def test_near_selects_by_cosine_the_item_itself_first(bundle):
    cosine = bundle.vectors @ bundle.vectors[5]
    cosine[5] = 2
    assert selected(bundle, "near:5:7", no_map).items.tolist() == np.argsort(-cosine, kind="stable")[:7].tolist()


def test_a_lasso_selects_what_lies_within_and_a_long_one_is_thinned(bundle):
    points = bundle.layouts["pca"].points
    middle = float(np.median(points[:, 0]))
    rule = lasso_rule("pca", [(middle, -9), (9, -9), (9, 9), (middle, 9)])
    found = selected(bundle, rule, lambda layout: points if layout == "pca" else None)
    kept = float(f"{middle:.5g}")
    assert set(found.items) == set(np.flatnonzero(points[:, 0] > kept)) - set(np.flatnonzero(points[:, 0] == kept))
    circle = [(np.cos(angle), np.sin(angle)) for angle in np.linspace(0, 6.28, 1000)]
    assert len(lasso_rule("pca", circle).split(";")) <= MOST_VERTICES


@pytest.mark.parametrize(
    "rule",
    ["items:", "items:-1", "items:1e3", "items:99999", "items:1,x", "queries:24", "queries:0x1", "near:1", "near:1:x",
     "winner:1,2", "winner:", "lasso:pca:1,2;3", "lasso:umap:0,0;1,0;1,1", "lasso:pca:0,0;1,0;nan,1", "magic:1",
     "lasso:pca:0,0;1,1", "items:" + "9" * 400],
)  # fmt: skip
def test_a_rule_that_names_nothing_is_refused(bundle, rule):
    points = bundle.layouts["pca"].points
    with pytest.raises(UnknownSelection):
        selected(bundle, rule, lambda layout: points if layout == "pca" else None)


@pytest.mark.parametrize("spell", [items_rule, queries_rule])
def test_more_rows_than_an_address_holds_are_refused(spell):
    assert spell(range(200)).count(",") == 199
    with pytest.raises(UnknownSelection, match="201"):
        spell(range(201))
