"""Similarity in the explorer: sorted data sets, two models on matched queries, AUROC pooled and within queries."""

import numpy as np
import pytest
from explorer_pages import figures, metrics, said

from workbench.bundles.bundle import open_bundle
from workbench.measures.overlap import auroc

BUNDLE = "000010-miniature"


@pytest.fixture
def bundle(run):
    return open_bundle(run / "bundles" / BUNDLE)


def test_data_sets_are_sorted_dots_with_their_stored_values(show, run, bundle):
    page = show(run.parent, view="similarity", dots_numbers="True")
    dots = figures(page)[0]
    means = bundle.rankings.groupby("dataset", observed=True)["hit"].mean().sort_values(ascending=False, kind="stable")
    np.testing.assert_allclose(sorted(dots["data"][0]["x"], reverse=True), 100 * means.to_numpy())
    assert set(dots["layout"]["yaxis"]["ticktext"]) == set(means.index)
    by_row = dict(zip(dots["data"][0]["y"], dots["data"][0]["x"], strict=True))
    assert [by_row[row] for row in sorted(by_row)] == sorted(by_row.values(), reverse=True)
    assert dots["data"][1]["name"] == "chance"
    table = page.dataframe[0].value
    assert table["good: queries"].tolist() == [6, 6, 6, 6]
    assert page.query_params["quantity"] == "P@1"


def test_auroc_within_queries_stands_beside_the_pooled_one(show, run, bundle):
    page = show(run.parent, view="similarity", quantity="auroc_hard")
    own, pooled_negatives, within = [], [], []
    for number in range(len(bundle.rankings)):
        similarity = bundle.query(number).similarity
        hard = [each.similarity for each in bundle.hardest(number)[:5]]
        own.append(similarity)
        pooled_negatives += hard
        within.append(np.mean([(similarity > each) + (similarity == each) / 2 for each in hard]))
    assert metrics(page)["AUROC against hard negatives"] == f"{100 * np.mean(within):.1f} %"
    pooled = auroc(np.array(own), np.array(pooled_negatives))
    assert f"pooled {100 * pooled:.1f} %" in said(page, "caption")
    stored = bundle.rankings["auroc"].mean()
    assert metrics(page)["AUROC against all negatives"] == f"{100 * stored:.1f} %"
    assert "the negatives of other queries" in said(page, "caption")
    assert [each["name"] for each in figures(page)[0]["data"]] == ["within queries", "all pairs pooled"]


def test_filters_change_every_number_and_the_histograms_say_where_they_come_from(show, run, bundle):
    page = show(run.parent, view="similarity", outcome="miss")
    missed = bundle.rankings["hit"].to_numpy() < 1
    assert f"**{missed.sum()} of 24 queries**" in said(page, "markdown")
    assert set(figures(page)[0]["data"][0]["x"]) == {0}
    assert "because the stored counts are by data set only" in said(page, "caption")
    assert f"Right answers and hardest negatives of all {missed.sum()} queries" in said(page, "caption")
    whole = show(run.parent, view="similarity", dataset="story")
    assert "Exact counts of every query" in said(whole, "caption")
    assert "6 queries" in said(whole, "caption")


def test_two_models_are_held_against_each_other_on_the_same_queries(show, run, small_runs, bundle):
    other = small_runs.write_run(run.parent, "other", name="infonce", dimensions=8)
    theirs = open_bundle(other / "bundles" / BUNDLE)
    page = show(run.parent, view="similarity", run="good", against=f"other/{BUNDLE}", quantity="margin")
    change = bundle.rankings["margin"].to_numpy() - theirs.rankings["margin"].to_numpy()
    assert f"Over all 24 matched queries: **{change.mean():.3f}**" in said(page, "markdown")
    dots, differences, overlap = figures(page)
    assert [each["name"] for each in dots["data"]] == ["good", "other"]
    by_dataset = [change[6 * place : 6 * place + 6].mean() for place in range(4)]
    np.testing.assert_allclose(sorted(differences["data"][0]["x"]), sorted(by_dataset))
    assert len(overlap["data"]) == 6
    assert "24 of 24 queries that both were asked" in said(page, "caption")


def test_another_evaluation_of_other_queries_is_told(show, run, small_runs):
    small_runs.write_run(run.parent, "other", tasks=small_runs.small_tasks(("clips",)))
    page = show(run.parent, view="similarity", run="good", against=f"other/{BUNDLE}", dataset="story")
    assert "was asked none of these" in page.info[0].value
    assert "was not evaluated on story" in page.info[1].value
    assert len(figures(page)[-1]["data"]) == 3


def test_nothing_to_look_at_is_said(show, run):
    page = show(run.parent, view="similarity", words="no such words anywhere")
    assert "No query passes" in page.info[0].value
    assert not figures(page)
