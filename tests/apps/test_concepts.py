"""Concepts in the explorer: features of misses and hits, what training recorded, and twins."""

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from explorer_pages import figures, said

from workbench.bundles.bundle import open_bundle

BUNDLE = "000010-miniature"


@pytest.fixture
def bundle(run):
    return open_bundle(run / "bundles" / BUNDLE)


def test_a_feature_sets_the_filter_of_all_views(show, run, bundle):
    page = show(run.parent, view="concepts", concepts_least="5", concepts_kind="data set")
    missed = bundle.rankings["hit"].to_numpy() < 1
    assert f"**{missed.sum()}** of 24 queries are misses: {missed.mean():.1%}" in said(page, "markdown")
    names = bundle.rankings["dataset"].astype(str).to_numpy()
    said_of = said(page, "caption")
    for name in set(names):
        count = missed[names == name].sum()
        assert f"data set: {count} of 6 = **{count / 6:.1%}**" in said_of
        lift = count / 6 / missed.mean()
        assert f"lift **{lift:.2f}**" in said_of
    assert "Benjamini and Hochberg" in said_of
    assert len(figures(page)[0]["layout"]["yaxis"]["ticktext"]) == 4
    button = next(each for each in page.button if each.label == "story")
    button.click().run()
    assert not page.exception
    assert page.query_params["dataset"] == "story"
    assert page.query_params["view"] == "concepts"


def test_hits_and_words(show, run):
    page = show(run.parent, view="concepts", concepts_of="hits", concepts_least="5", concepts_kind="word of the query")
    assert "are hits" in said(page, "markdown")
    button = next(each for each in page.button if str(each.key).startswith("concept-look-"))
    button.click().run()
    assert page.query_params["view"] == "hard_negatives"
    assert page.query_params["outcome"] == "hit"
    assert page.query_params["words"]


def test_one_outcome_alone_cannot_be_compared(show, run):
    assert "All of the queries looked at are misses" in show(run.parent, view="concepts", outcome="miss").info[0].value


def test_what_another_model_finds(show, run, small_runs, bundle):
    other = small_runs.write_run(run.parent, "other", name="infonce", dimensions=8)
    theirs = open_bundle(other / "bundles" / BUNDLE).rankings["hit"].to_numpy() >= 1
    page = show(run.parent, view="concepts", run="good", against=f"other/{BUNDLE}", concepts_of="lost")
    lost = theirs & (bundle.rankings["hit"].to_numpy() < 1)
    assert f"**{lost.sum()}** of 24 queries are misses that other finds" in said(page, "markdown")


def test_nothing_recorded_is_said(show, run):
    page = show(run.parent, view="concepts", concepts_part="leakage")
    assert "No training pairs were recorded" in page.info[0].value


def test_trained_pairs_are_counted_and_selected(show, run, bundle):
    ids = bundle.items["item"].str.slice(0, 15).to_numpy()
    rows = bundle.rankings.iloc[:3]
    (run / "pairs").mkdir(exist_ok=True)
    table = pa.table({"query_id": ids[rows["query"]], "positive_id": ids[rows["positive"]]})
    pq.write_table(table, run / "pairs" / "000005-rank0.parquet")
    page = show(run.parent, view="concepts", concepts_part="leakage")
    assert "**Query and right answer were trained as a pair**: 3 of 24 queries (12.5%)" in said(page, "markdown")
    hits = bundle.rankings["hit"].to_numpy()
    assert f"of these 3: **{hits[:3].mean():.1%}**" in said(page, "caption")
    assert f"of the other 21: **{hits[3:].mean():.1%}**" in said(page, "caption")
    assert "cannot be checked" in said(page, "caption")
    page.button(key="leakage-select-trained pair").click().run()
    assert page.query_params["select"] == "queries:0,1,2"


def test_twins_are_looked_for_when_asked(show, run, bundle):
    page = show(run.parent, view="concepts", concepts_part="leakage", leakage_twins="True", leakage_model="True",
                leakage_cosine="0.9", leakage_pairs_model="True")  # fmt: skip
    close = {
        number
        for number in range(24)
        for each in bundle.hardest(number)
        if bundle.vectors[int(bundle.rankings["positive"].iloc[number])] @ bundle.vectors[each.item] >= 0.9
    }
    assert f"right answer**: {len(close)} of 24 queries" in said(page, "markdown")
    assert "Alike to this model only" in said(page, "caption")
    assert "Cropped or mirrored" in said(page, "caption")
