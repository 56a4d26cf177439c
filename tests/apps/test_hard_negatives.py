"""The view Hard negatives: groups of failures, the queries of a group, one query, and the ways on from there."""

import numpy as np
import PIL.Image
import pytest
from explorer_pages import said

from core.data.images.image_files import FileImage
from core.data.records import Image, Item, Ranking, RankingTask, Text
from workbench.bundles.bundle import open_bundle
from workbench.explore.failure_groups import failure_groups, groupings

VIEW = {"view": "hard_negatives"}


@pytest.fixture
def bundle(run):
    return open_bundle(run / "bundles" / "000010-miniature")


def labels(page):
    """The labels of all buttons."""
    return [each.label for each in page.button]


def test_groups_then_queries_then_one_query_and_back(show, run, bundle):
    missed = bundle.numbers(None)[bundle.rankings["hit"].to_numpy() < 1]
    page = show(run.parent, **VIEW, by="attributes")
    found = failure_groups(bundle, missed, "attributes")
    assert f"**{len(missed)} failures** in **{len(found.table)} groups**" in said(page, "markdown")
    row = found.table.iloc[0]
    assert f"{row['queries']:,} failures, {row['share']:.1%} of all {len(missed)}  \npull {row['pull']:.1%}" in said(
        page, "caption"
    )
    page.button(key="group-0").click().run()
    assert not page.exception
    assert page.query_params["group"] == row["group"]
    assert f"**{row['queries']} queries**, smallest margin first" in said(page, "markdown")
    members = found.of(row["group"])
    first = int(members[np.argmin(bundle.rankings["margin"].to_numpy()[members])])
    page.button(key=f"open-{first}").click().run()
    assert not page.exception
    assert page.query_params["query"] == str(first)
    assert f"query **1** of {row['queries']}, smallest margin first" in said(page, "markdown")
    assert page.button(key="previous").disabled
    page.button(key="list").click().run()
    assert "query" not in page.query_params
    page.button(key="back").click().run()
    assert "group" not in page.query_params
    assert page.button(key="group-0")


def test_every_grouping_is_shown_without_and_with_what_did_not_fail(show, run, bundle):
    page = show(run.parent, **VIEW)
    for by in groupings(bundle):
        page.selectbox(key="by").set_value(by).run()
        assert not page.exception
        assert not page.warning
        assert page.button(key="group-0")
    page.toggle(key="failures").set_value(False).run()
    assert not page.exception
    assert f"**{len(bundle.rankings)} queries** in" in said(page, "markdown")
    assert "of them failures" in said(page, "caption")


def test_lists_are_paged_on_the_server(show, run, bundle):
    page = show(run.parent, **VIEW, by="none", failures="False", sort="order")
    opened = [int(each.key.removeprefix("open-")) for each in page.button if (each.key or "").startswith("open-")]
    assert opened == list(range(20))
    page.pagination(key="queries_page").set_value(2).run()
    opened = [int(each.key.removeprefix("open-")) for each in page.button if (each.key or "").startswith("open-")]
    assert opened == list(range(20, len(bundle.rankings)))
    assert page.query_params["queries_page"] == "2"


def test_a_link_opens_a_query_and_its_neighbours_follow(show, run, bundle):
    page = show(run.parent, **VIEW, query="3", failures="False", sort="order")
    query = bundle.query(3)
    assert f"{query.rank:g} of {query.size}" in [each.value for each in page.metric]
    places = [each.split("**")[1] for each in said(page, "markdown").splitlines() if "similarity **" in each]
    assert [each for each in places if each.endswith(".")] == [f"{place}." for place in range(1, query.size + 1)]
    page.button(key="next").click().run()
    assert page.query_params["query"] == "4"
    page.button(key="previous").click().run()
    assert page.query_params["query"] == "3"
    assert "not in the list" not in said(page, "caption")
    page.toggle(key="failures").set_value(True).run()
    listed = bundle.rankings["hit"].iat[3] < 1
    assert ("its first answer is right" in said(page, "caption")) != listed


def test_a_right_answer_far_down_is_shown_at_its_rank(show, small_runs, tmp_path):
    words = [Item((Text(f"text {number}" + " word" * 100 * (number == 1)),)) for number in range(41)]
    angles = np.linspace(0, 1.5, 41)
    vectors = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
    task = RankingTask("own", "retrieval", True, (Ranking(words[0], tuple(words[1:]), (29,)),))
    small_runs.write_run(tmp_path, tasks=[task], vectors=vectors)
    page = show(tmp_path, **VIEW, query="0")
    captions = said(page, "caption")
    assert f"ranks 13 to 29: 17 more, similarity {np.cos(angles[13]):.3f} to {np.cos(angles[29]):.3f}" in captions
    assert "ranks 31 to 40: 10 more" in captions
    cards = {each.split("**")[1]: each for each in said(page, "markdown").splitlines() if each.startswith("**")}
    assert ":green-badge[right answer]" in cards["30."]
    assert ":red-badge[above the right answer]" in cards["12."]
    shown = [each.value for each in page.text]
    assert any(each.startswith("text 1 word") and each.endswith(" ...") and len(each) < 200 for each in shown)
    assert words[1].text in shown  # the whole of it, on demand


def test_ways_on_lead_to_every_view(show, run):
    page = show(run.parent, **VIEW, query="3", failures="False")
    ways = [("Its pair weights", {"view": "pair_weights", "query": "3"}),
            ("On the map", {"view": "map", "select": "queries:3"})]  # fmt: skip
    for words, address in ways:
        page = show(run.parent, **VIEW, query="3", failures="False")
        page.menu_button(key="menu-question").click(words).run()
        assert not page.exception
        assert {name: page.query_params[name] for name in address} == address
    page = show(run.parent, **VIEW, query="3", failures="False")
    item = open_bundle(run / "bundles" / "000010-miniature").query(3).positive
    page.menu_button(key="menu-answer").click("Nearest to this").run()
    assert page.query_params["select"] == f"near:{item}:50"


def test_a_picture_is_shown_large_from_its_file_or_says_where_it_was(show, small_runs, tmp_path):
    names = ("red", "lime", "blue")
    for name in names:
        PIL.Image.new("RGB", (300, 200), name).save(tmp_path / f"{name}.png")
    pictures = [Item((Image(FileImage(tmp_path / f"{name}.png")),)) for name in names]
    task = RankingTask("own", "retrieval", True, (Ranking(Item((Text("red"),)), tuple(pictures), (0,)),))
    small_runs.write_run(tmp_path / "runs", tasks=[task])
    page = show(tmp_path / "runs", **VIEW, query="0", failures="False")
    page.button(key="large-answer-0").click().run()
    assert not page.exception
    assert "The original: " in said(page, "caption")
    (tmp_path / "red.png").unlink()
    page.button(key="large-answer-0").click().run()
    assert "The original is no longer at" in said(page, "caption").replace("\\", "")


def test_a_drawn_clip_plays_from_its_thumbnail(show, small_runs, tmp_path):
    small_runs.write_run(tmp_path, tasks=small_runs.small_tasks(("clips",)))
    page = show(tmp_path, **VIEW, query="0", failures="False")
    key = next(each.key for each in page.button if each.label == "Play it")
    page.button(key=key).click().run()
    assert not page.exception
    assert "names no file of it" in said(page, "caption").replace("\\", "")
    assert "frames, in order of time" in said(page, "caption")


@pytest.mark.parametrize("address", [{"group": "nobody"}, {"query": "999"}, {"page": "7", "by": "winner"}])
def test_a_link_to_what_is_not_there_is_told(show, run, address):
    page = show(run.parent, **VIEW, **address)
    assert any(f"{name} = {value}" in page.warning[0].value for name, value in address.items())
    assert page.button(key="group-0")


def test_empty_lists_say_why(show, small_runs, tmp_path):
    texts = [Item((Text(words),)) for words in ("query", "right", "wrong")]
    vectors = np.array([[1, 0], [1, 0], [0, 1]], dtype=np.float32)
    task = RankingTask("own", "retrieval", True, (Ranking(texts[0], tuple(texts[1:]), (0,)),))
    small_runs.write_run(tmp_path, tasks=[task], vectors=vectors)
    assert "No failure here" in show(tmp_path, **VIEW).success[0].value
    page = show(tmp_path, **VIEW, words="nowhere")
    assert "No query passes" in page.info[0].value
