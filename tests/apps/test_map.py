"""The explorer's map: what it shows of good, odd and tiny bundles, its events, its honesty, and a UMAP made later."""

import json
from dataclasses import replace

import numpy as np
import pyarrow.parquet as pq
import pytest
import streamlit as st
from explorer_pages import figures, said

from apps.point_map.encoding import DIMMED, QUERY, RIGHT, SELECTED, WINNER, pack
from apps.point_map.events import MapEvent
from apps.views import cached_map, cached_words, map_cloud
from core.data.records import Item, RankingTask, Text
from core.evaluation.embedded import distinct_items
from workbench.bundles.bundle import open_bundle
from workbench.explore.ties import ties_of
from workbench.projection.projection import Layout

BUNDLE = "000010-miniature"


class Drawn:
    """Stands for the component: keeps what is drawn, and tells an event once."""

    def __init__(self):
        self.clouds, self.cards, self.pending = {}, {}, None

    def __call__(self, key, cloud, card=None, on_event=None):
        pack(key, cloud)  # as the component does: what cannot be drawn is refused
        self.clouds[key], self.cards[key] = cloud, card
        if self.pending is not None and on_event is not None:
            event, self.pending = self.pending, None
            on_event(event)
            st.rerun()
        return MapEvent()

    def tell(self, page, event):
        """Run the page as it is run after an event."""
        self.pending = event
        page.run()
        assert not page.exception

    def groups(self, key="map"):
        cloud = self.clouds[key]
        return [cloud.names[code] for code in cloud.groups]

    def flagged(self, flag, key="map"):
        return np.flatnonzero(self.clouds[key].flags & flag).tolist()


@pytest.fixture
def drawn(monkeypatch):
    """What the map draws, without a browser."""
    stand_in = Drawn()
    monkeypatch.setattr(map_cloud, "show_point_map", stand_in)
    return stand_in


def around(points):
    """A lasso around points."""
    low, high = points.min(axis=0) - 1e-3, points.max(axis=0) + 1e-3
    return np.array([low, [high[0], low[1]], high, [low[0], high[1]]])


def test_every_item_is_on_the_map_once_and_knows_its_row(show, run, drawn):
    page = show(run.parent, view="map")
    bundle = open_bundle(run / "bundles" / BUNDLE)
    assert drawn.clouds["map"].points.rows.tolist() == list(range(len(bundle.items)))
    assert drawn.groups() == bundle.items["modality"].astype(str).tolist()
    assert f"{len(bundle.items)} items" in said(page, "caption")
    assert "of the variance of all items" in said(page, "caption").replace("\\", "")
    assert not page.warning
    picture = int(np.flatnonzero(bundle.items["modality"] == "image")[0])
    card = drawn.cards["map"](picture)
    assert card.picture[:4] == b"RIFF"
    assert card.lines == ("image, candidate", f"row {picture}")
    assert not figures(page)  # measures are not computed until their tab is shown


@pytest.mark.parametrize(
    "colour", ["role", "data set", "meta-task", "answered", "hubs", "neighbours kept", "true shape"]
)
def test_colours(show, run, drawn, colour):
    page = show(run.parent, view="map", colour=colour, dataset="story" if colour.startswith("true") else "all")
    assert not page.warning
    assert page.query_params["colour"] == colour
    assert len(set(drawn.groups())) >= 2


def test_a_lasso_selects_for_every_view_and_a_click_draws_the_ties_of_an_item(show, run, drawn):
    page = show(run.parent, view="map")
    bundle = open_bundle(run / "bundles" / BUNDLE)
    points = bundle.layouts["pca"].points
    taken = np.flatnonzero(points[:, 0] > np.median(points[:, 0]))
    outline = around(points[taken])
    drawn.tell(page, MapEvent(polygon=outline, rows=taken))
    assert page.query_params["select"].startswith("lasso:pca:")
    assert drawn.flagged(SELECTED) == taken.tolist()
    assert f"{len(taken)} selected" in said(page, "markdown")
    assert f"{len(taken):,} items" in page.button(key="chip-selection").label
    assert "mean cosine" in said(page, "caption")
    drawn.tell(page, MapEvent(polygon=outline, rows=taken[3:7]))  # of the others the groups are hidden
    assert page.query_params["select"] == f"items:{','.join(map(str, taken[3:7]))}"
    query = bundle.query(2)
    drawn.tell(page, MapEvent(click=query.query))
    assert page.query_params["point"] == str(query.query)
    ties = ties_of(bundle, query.query)
    assert set(drawn.flagged(QUERY)) == {tie.query for tie in ties.drawn}
    assert query.positive in drawn.flagged(RIGHT)
    assert bundle.hardest(2)[0].item in drawn.flagged(WINNER)
    assert (query.query, query.positive, "right answer") in drawn.clouds["map"].lines
    cosine = bundle.vectors @ bundle.vectors[query.query]
    cosine[query.query] = -2
    near = np.argsort(-cosine, kind="stable")[:12]
    assert {end for _, end, kind in drawn.clouds["map"].lines if kind == "neighbour"} == set(near.tolist())
    assert f"cosine **{cosine[near[0]]:.3f}**" in said(page, "markdown")
    drawn.tell(page, MapEvent(cleared=True))
    assert "select" not in page.query_params
    page.button(key="point-forget").click().run()
    assert "point" not in page.query_params
    assert not drawn.clouds["map"].lines


def test_filters_dim_queries_and_a_data_set_shows_its_own_items(show, run, drawn):
    bundle = open_bundle(run / "bundles" / BUNDLE)
    show(run.parent, view="map", outcome="miss")
    hits = bundle.rankings.loc[bundle.rankings["hit"] >= 1, "query"]
    missed = bundle.rankings.loc[bundle.rankings["hit"] < 1, "query"]
    assert drawn.flagged(DIMMED) == sorted(set(hits) - set(missed))
    show(run.parent, view="map", dataset="story", select="items:0,1,2")
    numbers = bundle.numbers("story")
    used = {*bundle.rankings["query"].iloc[numbers], *bundle.candidates.union(numbers, len(bundle.items))}
    assert drawn.clouds["map"].points.count == len(used)
    assert not drawn.flagged(DIMMED)


def test_words_name_the_parts_of_the_map_and_select_them(show, run, drawn):
    page = show(run.parent, view="map", cell_words="True", cells="6")
    assert len(drawn.clouds["map"].labels) <= 6
    assert cached_words.without_marks("[image] a [video]b").split() == ["a", "b"]
    sizes = [int(page.button(key=f"cell-{each}").label.rpartition("(")[2][:-1]) for each in range(6)]
    assert sum(sizes) == drawn.clouds["map"].points.count
    page.button(key="cell-2").click().run()
    assert len(drawn.flagged(SELECTED)) == sizes[2]


def test_trust_stands_on_a_tab_of_its_own_beside_its_baselines(show, run, drawn):
    page = show(run.parent, view="map", map_tab="trust", dataset="look-alike")
    assert not drawn.clouds
    table = page.dataframe[0].value.set_index("measure")
    assert table.loc["alignment", "which is"] == "shuffled pairs"
    assert abs(float(table.loc["effective rank", "here"]) - float(table.loc["effective rank", "baseline"])) < 3
    assert table.loc["P@1", "which is"] == "chance"
    assert table.loc["P@1", "over"] == "6 queries"
    assert {"Trustworthiness", "Continuity"} <= {each.label for each in page.metric}
    assert len(figures(page)) == 1


class Job:
    """Stands for a UMAP that is being made."""

    def __init__(self, *asked):
        self.asked, self.layout, self.failed, self.cancelled = asked, None, None, False

    def done(self):
        return self.layout is not None or self.failed is not None

    def failure(self):
        return self.failed

    def result(self):
        return self.layout

    def cancel(self):
        self.cancelled = True


@pytest.fixture
def jobs(monkeypatch):
    """The UMAPs that are begun."""
    begun = []

    def begin(*asked):
        begun.append(Job(*asked))
        return begun[-1]

    monkeypatch.setattr(cached_map, "UmapJob", begin)
    return begun


def test_a_umap_is_announced_made_when_asked_and_then_shown_and_selects(show, run, drawn, jobs):
    page = show(run.parent, view="map", layout="made", neighbours="5", map_seed="2", dataset="story")
    assert not jobs
    assert "in about 20 seconds on one core. Until then, PCA" in said(page, "caption")
    page.button(key="make").click().run()
    assert not page.exception
    _, rows, settings = jobs[0].asked
    assert (len(rows), settings) == (drawn.clouds["map"].points.count, (5, 0.1, 2))
    assert "being made" in said(page, "info")
    page.run()
    assert len(jobs) == 1
    points = np.random.default_rng(0).normal(size=(len(rows), 2)).astype(np.float32)
    jobs[0].layout = Layout(rows, points, "UMAP: made")
    page.run()
    assert "UMAP: made" in said(page, "caption").replace("\\", "")
    drawn.tell(page, MapEvent(polygon=around(points), rows=np.arange(len(rows))))
    assert page.query_params["select"].startswith("lasso:umap-5-0.1-2-")
    assert len(drawn.flagged(SELECTED)) == len(rows)
    again = show(run.parent, view="map", layout="made", neighbours="15", dataset="story")
    assert again.button(key="make")


def test_a_umap_can_be_cancelled_and_one_that_fails_says_why_and_can_be_tried_again(show, run, drawn, jobs):
    page = show(run.parent, view="map", layout="made")
    page.button(key="make").click().run()
    page.button(key="cancel-map").click().run()
    assert jobs[0].cancelled
    page.button(key="make").click().run()
    jobs[1].failed = "The map could not be made: no memory"
    page.run()
    assert "no memory" in page.error[0].value
    page.button(key="again").click().run()
    assert not page.error
    assert page.button(key="make")


def with_maps(folder, small_runs, **further):
    """Give a bundle a stored UMAP: its PCA, turned, scaled and shifted."""
    table = pq.read_table(folder / "projection.parquet")
    x, y = (table.column(name).to_numpy() for name in ("pca_x", "pca_y"))
    pq.write_table(
        table.append_column("umap_x", [3 * y + 1]).append_column("umap_y", [3 * x]), folder / "projection.parquet"
    )
    told = json.loads((folder / "manifest.json").read_text())["projections"]
    told["pca"] |= further
    small_runs.rewrite_manifest(folder, projections={**told, "umap": {"made": "UMAP: stored", "share": None}})


def test_a_stored_umap_is_shown_and_laid_over_another_evaluation(show, run, small_runs, drawn):
    other = small_runs.write_run(run.parent, run="other") / "bundles" / BUNDLE
    with_maps(other, small_runs)
    own = run / "bundles" / BUNDLE
    with_maps(own, small_runs)
    page = show(run.parent, view="map", run="good", layout="umap", against=f"other/{BUNDLE}", aligned="over")
    assert "0% of their spread is not explained" in said(page, "caption").replace("\\", "")
    mine, theirs = (drawn.clouds[key].points for key in ("map", "map-other"))
    np.testing.assert_allclose(mine.placed, theirs.placed, atol=1e-4)
    points = open_bundle(own).layouts["umap"].points
    taken = np.flatnonzero(points[:, 1] > np.median(points[:, 1]))
    drawn.tell(page, MapEvent(polygon=around(points[taken]), rows=taken))
    assert page.query_params["select"].startswith("lasso:umap:")
    assert drawn.flagged(SELECTED) == taken.tolist()
    assert drawn.flagged(SELECTED, "map-other") == taken.tolist()


def test_a_plane_without_variance_is_no_map(show, run, small_runs, drawn):
    with_maps(run / "bundles" / BUNDLE, small_runs, share=0.0021)
    page = show(run.parent, view="map")
    assert "PCA is not offered as a map: its plane holds 0.21%" in page.info[0].value
    assert page.query_params["layout"] == "umap"
    assert "UMAP: stored" in said(page, "caption").replace("\\", "")


@pytest.mark.parametrize("alike", [True, False])
def test_odd_vectors(show, small_runs, tmp_path, drawn, alike):
    tasks = small_runs.small_tasks()
    vectors = np.zeros((len(distinct_items(tasks)), 4), dtype=np.float32)
    if alike:
        vectors[:, 0] = 1
    small_runs.write_run(tmp_path, tasks=tasks, vectors=vectors)
    page = show(tmp_path, view="map", colour="hubs")
    assert "PCA is not offered" in page.info[0].value
    assert "The space is collapsed" in page.warning[0].value
    assert "mostly real" not in said(page)
    assert page.dataframe[0].value["measure"].tolist()  # the measures are shown instead
    assert not drawn.clouds


def test_one_query_with_one_candidate(show, small_runs, tmp_path, drawn):
    (task,) = small_runs.small_tasks(("look-alike",), queries=1)
    task = replace(task, rankings=tuple(replace(each, candidates=each.candidates[:1]) for each in task.rankings))
    small_runs.write_run(tmp_path, tasks=[task])
    page = show(tmp_path, view="map", colour="hubs", point="0")
    assert not page.error
    assert drawn.clouds["map"].points.count == 2
    page.session_state["map_tab"] = "trust"
    page.run()
    assert "Too few items to judge the map" in said(page, "caption")


def test_items_without_known_truth_and_with_hostile_words(show, small_runs, tmp_path, drawn):
    words = "![x](http://elsewhere/x.png) <script>alert(1)</script> :red[no]"
    (task,) = small_runs.small_tasks(("look-alike",), queries=2)
    rankings = tuple(
        replace(each, asks=(), query=Item((Text(f"{words} {number}"),))) for number, each in enumerate(task.rankings)
    )
    small_runs.write_run(tmp_path, tasks=[RankingTask("own", "retrieval", False, rankings)])
    page = show(tmp_path, view="map", cell_words="True", select="queries:0,1", point="0")
    assert any(words in each.value for each in page.text)
    assert "elsewhere" not in said(page, "markdown", "caption", "warning")
    assert not any("![x]" in each.label or "<script" in each.label for each in page.button)


@pytest.mark.parametrize(
    "address",
    [
        {"colour": "taste"},
        {"layout": "tsne"},
        {"layout": "made", "neighbours": "7"},
        {"layout": "made", "map_seed": "x"},
        {"point": "-1"},
        {"point": "99999"},
        {"select": "lasso:umap-15-0.1-0:0,0;1,0;1,1"},
    ],
)
def test_a_bad_link_is_told(show, run, drawn, address):
    page = show(run.parent, view="map", **address)
    assert len(page.warning) == 1
    assert not page.error
