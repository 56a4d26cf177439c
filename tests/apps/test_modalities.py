"""Modalities in the explorer: scores by kind, gaps, and what changing the stored vectors would do."""

import numpy as np
import pytest
from explorer_pages import figures, metrics, said

from workbench.bundles.bundle import open_bundle
from workbench.explore.filters import modality_pairs

BUNDLE = "000010-miniature"


@pytest.fixture
def bundle(run):
    return open_bundle(run / "bundles" / BUNDLE)


def test_the_matrix_holds_means_by_modality_with_their_queries(show, run, bundle):
    page = show(run.parent, view="modalities", modal_quantity="MRR")
    pairs = modality_pairs(bundle, bundle.numbers(None))
    reciprocal = 1 / bundle.rankings["rank"].to_numpy()
    heat = figures(page)[0]["data"][0]
    for pair in set(pairs):
        query, answer = pair.split(" > ")
        words = heat["text"][heat["y"].index(query)][heat["x"].index(answer)]
        expected = reciprocal[pairs == pair]
        assert words == f"{100 * expected.mean():.1f} %<br>{len(expected)} queries"
    table = page.dataframe[0].value
    assert table["queries"].sum() == len(pairs)
    assert "mean of 1 / rank" in said(page, "caption").lower()
    gaps = page.dataframe[1].value
    rows = bundle.rankings
    sides = [bundle.vectors[np.unique(rows[name].to_numpy())].mean(axis=0) for name in ("query", "positive")]
    assert gaps.iloc[0]["gap"] == f"{np.linalg.norm(sides[0] - sides[1]):.3f}"


@pytest.mark.parametrize(("change", "slider"), [("prefix", "modal_prefix"), ("csls", "modal_neighbours"), ("int8", "")])
def test_a_change_shows_before_and_after_on_the_same_queries(show, run, bundle, change, slider):
    page = show(run.parent, view="modalities", modal_change=change)
    before = bundle.rankings.groupby("dataset", observed=True)["hit"].mean().mean()
    assert metrics(page)["P@1 as stored"] == f"{100 * before:.1f} %"
    assert "All 24 queries" in said(page, "caption")
    table = page.dataframe[2].value
    assert table["queries"].sum() == 24
    np.testing.assert_allclose(table["changed"] - table["P@1 as stored"], table["difference"], atol=1e-9)
    assert (table["from"] <= table["difference"]).all()
    assert (table["difference"] <= table["to"]).all()
    if slider == "modal_prefix":
        assert page.query_params[slider] == "8"
        page.select_slider(key=slider).set_value(16).run()
        assert metrics(page)["Difference, points"] == "+0.0"
    assert not page.exception


def test_nothing_moved_changes_nothing(show, run):
    page = show(run.parent, view="modalities", modal_centring="0.0")
    assert metrics(page)["Difference, points"] == "+0.0"
    page.toggle(key="modal_probe").set_value(True).run()
    assert "AUROC of a logistic regression" in said(page, "markdown")


def test_the_other_model_stands_beside_it(show, run, small_runs):
    small_runs.write_run(run.parent, "other", name="infonce", dimensions=8)
    page = show(run.parent, view="modalities", run="good", against=f"other/{BUNDLE}")
    assert page.dataframe[0].value["matched queries"].sum() == 24
    assert "minus other" in said(page, "caption")
