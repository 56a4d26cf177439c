"""The explorer's map: what it shows of good, odd and tiny bundles, its selection, and a UMAP that comes later."""

from concurrent.futures import Future
from dataclasses import replace

import numpy as np
import pytest
from explorer_pages import figures, said

from apps.views import cached_map
from core.data.records import Item, RankingTask, Text
from core.evaluation.embedded import distinct_items
from workbench.bundles.bundle import open_bundle
from workbench.projection.projection import Layout

BUNDLE = "000010-miniature"


def drawn(page):
    """The map's figure."""
    return figures(page)[0]


def ids(figure):
    """The items of each trace, by the group's name."""
    return {trace["name"]: points(trace["customdata"]) for trace in figure["data"]}


def points(values):
    if isinstance(values, dict):  # plotly's typed arrays
        import base64

        return np.frombuffer(base64.b64decode(values["bdata"]), dtype=values["dtype"]).tolist()
    return list(values)


def choose(page, *rows):
    """Select items as the browser would."""
    page.session_state["map"] = {
        "selection": {"points": [{"customdata": [row]} for row in rows], "box": [], "lasso": []}
    }
    page.run()
    assert not page.exception


def test_every_item_is_on_the_map_once_and_knows_its_row(show, run):
    page = show(run.parent, view="map")
    bundle = open_bundle(run / "bundles" / BUNDLE)
    placed = ids(drawn(page))
    assert sorted(row for rows in placed.values() for row in rows) == list(range(len(bundle.items)))
    for modality, rows in placed.items():
        assert set(bundle.items["modality"].iloc[rows]) == {modality}
    assert "Trustworthiness" in said(page, "caption")
    assert "PCA: the plane holds" in said(page, "caption")
    assert not page.warning


@pytest.mark.parametrize(
    "colour", ["role", "data set", "meta-task", "answered", "hubs", "neighbours kept", "true shape"]
)
def test_colours(show, run, colour):
    page = show(run.parent, view="map", colour=colour, dataset="story" if colour.startswith("true") else "all")
    assert not page.warning
    assert page.query_params["colour"] == colour
    assert len(ids(drawn(page))) >= 2


def test_the_measures_stand_beside_their_baselines(show, run):
    page = show(run.parent, view="map", dataset="look-alike")
    table = page.dataframe[0].value.set_index("measure")
    assert table.loc["alignment", "which is"] == "shuffled pairs"
    assert table.loc["uniformity", "here"] == pytest.approx(table.loc["uniformity", "here"])
    assert abs(float(table.loc["effective rank", "here"]) - float(table.loc["effective rank", "baseline"])) < 3
    assert table.loc["P@1", "which is"] == "chance"


def test_a_selection_is_listed_with_its_pictures(show, run):
    page = show(run.parent, view="map", dataset="look-alike")
    assert "Draw a lasso" in said(page, "caption")
    first = [rows[0] for rows in ids(drawn(page)).values()]
    choose(page, *first, first[0], 10**6)
    assert f"##### {len(first)} selected" in said(page, "markdown")
    bundle = open_bundle(run / "bundles" / BUNDLE)
    assert sorted(page.dataframe[1].value["text"]) == sorted(bundle.items["text"].iloc[first])
    assert "mean cosine" in said(page, "caption")


def test_a_selection_of_items_that_another_data_set_lacks_is_dropped(show, run):
    page = show(run.parent, view="map", dataset="look-alike")
    choose(page, *[rows[0] for rows in ids(drawn(page)).values()])
    page.selectbox(key="dataset").set_value("clips").run()
    assert not page.exception
    assert "Draw a lasso" in said(page, "caption")


def test_a_umap_is_made_only_when_asked_and_then_shown(show, run, monkeypatch):
    job: Future[Layout] = Future()
    asked = []

    def begin(vectors, neighbours, min_dist, seed):
        asked.append((vectors.shape, neighbours, min_dist, seed))
        return job

    monkeypatch.setattr(cached_map, "start_umap", begin)
    page = show(run.parent, view="map", layout="umap", neighbours="5", map_seed="2", dataset="story")
    assert not asked
    assert "PCA: the plane holds" in said(page, "caption")
    page.button(key="make").click().run()
    assert not page.exception
    count = sum(len(rows) for rows in ids(drawn(page)).values())
    assert asked == [((count, 16), 5, 0.1, 2)]
    assert "being made" in said(page, "info")
    page.run()
    assert len(asked) == 1
    job.set_result(Layout(np.arange(count), np.random.default_rng(0).normal(size=(count, 2)), "UMAP: made"))
    page.run()
    assert "UMAP: made" in said(page, "caption")
    again = show(run.parent, view="map", layout="umap", neighbours="15", dataset="story")
    assert again.button(key="make")


def test_a_umap_that_fails_says_why_and_can_be_tried_again(show, run, monkeypatch):
    job: Future[Layout] = Future()
    job.set_exception(RuntimeError("The map could not be made: no memory"))
    monkeypatch.setattr(cached_map, "start_umap", lambda *_: job)
    page = show(run.parent, view="map", layout="umap")
    page.button(key="make").click().run()
    assert "no memory" in page.error[0].value
    page.button(key="again").click().run()
    assert not page.error
    assert page.button(key="make")


@pytest.mark.parametrize("alike", [True, False])
def test_odd_vectors(show, small_runs, tmp_path, alike):
    tasks = small_runs.small_tasks()
    vectors = np.zeros((len(distinct_items(tasks)), 4), dtype=np.float32)
    if alike:
        vectors[:, 0] = 1
    small_runs.write_run(tmp_path, tasks=tasks, vectors=vectors)
    for colour in ("hubs", "neighbours kept", "modality"):
        page = show(tmp_path, view="map", colour=colour)
        assert not page.error
    if not alike:
        assert "have a zero vector" in said(page, "caption")


def test_one_query_with_one_candidate(show, small_runs, tmp_path):
    (task,) = small_runs.small_tasks(("look-alike",), queries=1)
    task = replace(task, rankings=tuple(replace(each, candidates=each.candidates[:1]) for each in task.rankings))
    small_runs.write_run(tmp_path, tasks=[task])
    page = show(tmp_path, view="map", colour="hubs")
    assert not page.error
    assert drawn(page)["layout"]["title"]["text"] == "Too few items to judge the map"


def test_items_without_known_truth_and_with_hostile_words(show, small_runs, tmp_path):
    words = "![x](http://elsewhere/x.png) <script>alert(1)</script> :red[no]"
    (task,) = small_runs.small_tasks(("look-alike",), queries=2)
    rankings = tuple(
        replace(each, asks=(), query=Item((Text(f"{words} {number}"),))) for number, each in enumerate(task.rankings)
    )
    small_runs.write_run(tmp_path, tasks=[RankingTask("own", "retrieval", False, rankings)])
    page = show(tmp_path, view="map")
    assert "elsewhere" not in said(page, "markdown", "caption", "warning")
    choose(page, *[row for rows in ids(drawn(page)).values() for row in rows])
    assert any(words in each.value for each in page.text)
    assert "elsewhere" not in said(page, "markdown", "caption", "warning")


@pytest.mark.parametrize(
    "address",
    [
        {"colour": "taste"},
        {"layout": "tsne"},
        {"layout": "umap", "neighbours": "7"},
        {"layout": "umap", "map_seed": "x"},
    ],
)
def test_a_bad_link_is_told(show, run, address):
    page = show(run.parent, view="map", **address)
    assert len(page.warning) == 1
    assert not page.error
