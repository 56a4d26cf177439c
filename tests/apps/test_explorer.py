"""The explorer's pages, run without a browser: every view on good, poor, odd and broken bundles, and by links."""

import json
import os
import shutil
import time
from dataclasses import replace

import numpy as np
import pytest
import streamlit as st
from explorer_pages import figures, metrics, said

from apps.views.captions import escaped, shortened
from core.data.records import Item, RankingTask, Text
from core.evaluation.embedded import distinct_items
from workbench.runs import jobs
from workbench.what_if.objective_words import LABELS

VIEWS = ("overview", "similarity", "hard_negatives", "pair_weights", "map", "modalities", "concepts")
BUNDLE = "000010-miniature"


def age(root):
    """Make every file of a run old, so that it does not count as running."""
    for path in root.rglob("*"):
        os.utime(path, (time.time() - 300,) * 2)


@pytest.mark.parametrize("view", VIEWS)
def test_every_view_of_a_good_bundle(show, run, view):
    page = show(run.parent, view=view)
    assert figures(page) or view in ("hard_negatives", "concepts", "map")
    assert not page.error
    assert not page.warning
    assert page.query_params["run"] == "good"
    assert page.query_params["bundle"] == BUNDLE
    assert page.query_params["view"] == view


def test_overview_shows_scores_with_interval_chance_and_numbers(show, run):
    page = show(run.parent)
    scores = json.loads((run / "bundles" / BUNDLE / "scores.json").read_text())
    inside = next(each for each in scores if each["name"] == "in distribution" and each["metric"] == "P@1")
    assert metrics(page)["Trained data sets: P@1"] == f"{100 * inside['value']:.1f} %"
    assert f"95 %: {100 * inside['low']:.1f} to {100 * inside['high']:.1f} %" in [each.delta for each in page.metric]
    assert f"chance {100 * inside['chance']:.1f} %  \n12 queries" in said(page, "caption")
    assert "Objective **LLaVE, alpha 9, tau 0.02**" in said(page, "markdown")
    assert "Suspected false negatives: none in 24 queries" in said(page, "markdown")
    assert len(figures(page)) == 2


def test_a_collapsed_space_suspects_nobody(show, small_runs, tmp_path):
    """All vectors alike, and nothing known of the truth: that follows from the collapse, and is not told of it."""
    (task,) = small_runs.small_tasks(("look-alike",))
    plain = RankingTask("own", "retrieval", False, tuple(replace(each, asks=()) for each in task.rankings))
    vectors = np.eye(4, dtype=np.float32)[np.zeros(len(distinct_items([plain])), dtype=int)]
    small_runs.write_run(tmp_path, tasks=[plain], vectors=vectors)
    words = said(show(tmp_path), "markdown")
    assert "The vectors have collapsed" in words
    assert "Suspected false negatives: not told of a space that has collapsed" in words


def test_a_hint_leads_to_its_view(show, run):
    page = show(run.parent)
    button = next(each for each in page.button if each.label == "Look: Hard negatives")
    button.click().run()
    assert not page.exception
    assert page.query_params["view"] == "hard_negatives"
    assert page.selectbox(key="dataset").value != "all"
    assert page.toggle(key="failures").value is True


@pytest.mark.parametrize("view", VIEWS)
def test_one_query(show, small_runs, tmp_path, view):
    tasks = [replace(task, rankings=task.rankings[:1]) for task in small_runs.small_tasks(("look-alike",))]
    small_runs.write_run(tmp_path, tasks=tasks)
    page = show(tmp_path, view=view, failures="False")
    assert not page.error
    if view in ("hard_negatives", "pair_weights"):
        page = show(tmp_path, view=view, failures="False", query="0")
        assert page.button(key="next").disabled
        assert page.button(key="previous").disabled


@pytest.mark.parametrize("view", VIEWS)
def test_vectors_that_are_all_alike(show, small_runs, tmp_path, view):
    tasks = small_runs.small_tasks()
    vectors = np.zeros((len(distinct_items(tasks)), 4), dtype=np.float32)
    vectors[:, 0] = 1
    small_runs.write_run(tmp_path, tasks=tasks, vectors=vectors)
    page = show(tmp_path, view=view)
    assert not page.error
    if view == "overview":
        assert "collapsed" in said(page, "markdown")
    if view == "similarity":
        assert metrics(page)["AUROC against all negatives"] == "50.0 %"


@pytest.mark.parametrize("view", VIEWS)
def test_queries_whose_candidates_are_all_right(show, small_runs, tmp_path, view):
    tasks = small_runs.small_tasks(("look-alike",), queries=2)
    tasks = [
        replace(task, rankings=tuple(replace(each, candidates=each.candidates[:1]) for each in task.rankings))
        for task in tasks
    ]
    small_runs.write_run(tmp_path, tasks=tasks)
    page = show(tmp_path, view=view, failures="False")
    assert not page.error


@pytest.mark.parametrize("view", VIEWS)
def test_items_without_known_truth(show, small_runs, tmp_path, view):
    (task,) = small_runs.small_tasks(("look-alike",))
    plain = RankingTask("own", "retrieval", False, tuple(replace(each, asks=()) for each in task.rankings))
    small_runs.write_run(tmp_path, tasks=[plain])
    page = show(tmp_path, view=view, failures="False", query="0")
    assert not page.error
    if view == "hard_negatives":
        assert "True difference not known" in said(page, "caption")
    if view == "pair_weights":
        assert metrics(page)["Does weight follow true hardness?"] == "not known"


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize(
    ("name", "content"),
    [("scores.json", b"[]"), ("items.parquet", b"PAR1"), ("manifest.json", b"{"), ("thumbnails.parquet", None)],
)
def test_a_broken_bundle_is_named_and_how_to_mend_it(show, run, view, name, content):
    path = run / "bundles" / BUNDLE / name
    path.unlink() if content is None else path.write_bytes(content)
    page = show(run.parent, view=view)
    assert name.replace(".", r"\.") in page.error[0].value
    assert f"python core/eval.py --checkpoint {run}" in said(page, "code")


def test_a_truncated_table_with_a_right_hash_is_named(show, run, small_runs):
    folder = run / "bundles" / BUNDLE
    content = (folder / "rankings.parquet").read_bytes()
    (folder / "rankings.parquet").write_bytes(content[: len(content) // 2])
    small_runs.rewrite_manifest(folder)
    assert r"rankings\.parquet" in show(run.parent).error[0].value


def test_a_bundle_that_changed_on_disk_is_read_again(show, run, small_runs):
    page = show(run.parent)
    folder = run / "bundles" / BUNDLE
    shutil.rmtree(folder)
    small_runs.write_small_bundle(folder, small_runs.small_tasks(("clips",)), dimensions=8)
    page.run()
    assert not page.exception
    assert "Vectors of **8** numbers" in said(page, "markdown")


@pytest.mark.parametrize("view", VIEWS)
def test_a_checkpoint_of_other_dimension_beside_it(show, run, small_runs, view):
    small_runs.write_run(run.parent, "other", name="infonce", dimensions=8)
    page = show(run.parent, view=view, run="good", against=f"other/{BUNDLE}")
    assert not page.error
    assert not page.warning
    if view == "similarity":
        titles = [each["text"] for each in figures(page)[-1]["layout"]["annotations"]]
        assert titles[0].startswith("good, LLaVE, alpha 9, tau 0.02: ")
        assert titles[1].startswith("other, InfoNCE, tau 0.02: ")


def test_a_data_set_that_the_other_run_lacks(show, run, small_runs):
    small_runs.write_run(run.parent, "other", tasks=small_runs.small_tasks(("clips",)))
    page = show(run.parent, view="similarity", run="good", against=f"other/{BUNDLE}", dataset="story")
    assert "was not evaluated on story" in page.info[-1].value
    assert len(figures(page)[-1]["data"]) == 3


def test_similarity_holds_the_bundles_counts(show, run):
    page = show(run.parent, view="similarity", dataset="story")
    positive = figures(page)[-1]["data"][0]
    assert positive["name"] == "right answers"
    assert "within queries, 6 queries, their 5 hardest" in said(page, "caption")


def test_hard_negatives_are_filtered_and_sorted(show, run):
    page = show(run.parent, view="hard_negatives", dataset="look-alike", failures="False", by="none")

    def margins():
        found = [each.split("margin **")[1] for each in said(page, "markdown").splitlines() if "margin **" in each]
        return [float(each.partition("*")[0]) for each in found]

    every = margins()
    assert len(every) == 6
    assert every == sorted(every)
    page.toggle(key="failures").set_value(True).run()
    assert margins() == [each for each in every if each < 0]


def test_paging_through_queries(show, run):
    page = show(run.parent, view="hard_negatives", failures="False", dataset="clips", sort="order", query="18")
    page.button(key="next").click().run()
    assert page.query_params["query"] == "19"
    page.button(key="previous").click().run()
    assert page.query_params["query"] == "18"


def test_a_link_brings_back_the_same_page(show, run):
    page = show(
        run.parent, view="pair_weights", dataset="story", alpha="3.5", tau="0.05", objective="llave", query="14"
    )
    assert not page.warning
    assert page.selectbox(key="dataset").value == "story"
    assert page.query_params["query"] == "14"
    assert page.slider(key="alpha").value == 3.5
    assert page.select_slider(key="tau").value == 0.05
    address = dict(page.query_params.items())
    again = show(run.parent, **address)
    assert metrics(again) == metrics(page)
    assert figures(again) == figures(page)


@pytest.mark.parametrize(
    ("view", "address"),
    [
        ("overview", {"run": "../../etc"}),
        ("overview", {"bundle": "nothing"}),
        ("nowhere", {}),
        ("similarity", {"dataset": "[x](http://elsewhere)"}),
        ("similarity", {"quantity": "magic"}),
        ("modalities", {"modal_centring": "2"}),
        ("concepts", {"concepts_part": "none"}),
        ("hard_negatives", {"query": "999"}),
        ("hard_negatives", {"query": "-1", "sort": "colour"}),
        ("hard_negatives", {"failures": "perhaps"}),
        ("pair_weights", {"alpha": "nan"}),
        ("pair_weights", {"alpha": "1e9", "tau": "zero"}),
        ("pair_weights", {"objective": "magic"}),
        ("pair_weights", {"objective": "siglip", "bias": "inf"}),
        ("pair_weights", {"objective": "hard_debiased", "beta": "9", "prior": "1"}),
    ],
)
def test_a_bad_link_is_told_and_the_rest_shown(show, run, view, address):
    page = show(run.parent, view=view, **address)
    warnings = said(page, "warning")
    for name, value in address.items():
        assert f"{name} = {escaped(value)}" in warnings or value in LABELS
    assert not page.error
    assert page.query_params["view"] == (view if view in VIEWS else "overview")


def test_changing_the_view_keeps_the_data_set(show, run):
    page = show(run.parent, view="similarity")
    page.selectbox(key="dataset").set_value("clips").run()
    page.radio(key="view").set_value("overview").run()
    page.radio(key="view").set_value("hard_negatives").run()
    assert not page.exception
    assert page.selectbox(key="dataset").value == "clips"


def test_captions_are_shown_as_they_are(show, small_runs, tmp_path):
    words = "![x](http://elsewhere/x.png) <script>alert(1)</script> :red[no] $x$"
    (task,) = small_runs.small_tasks(("look-alike",), queries=1)
    ranking = task.rankings[0]
    hostile = replace(ranking, query=Item((Text(words),)))
    small_runs.write_run(tmp_path, tasks=[replace(task, rankings=(hostile,))])
    for view in ("hard_negatives", "pair_weights"):
        page = show(tmp_path, view=view, failures="False", query="0")
        assert words in [each.value for each in page.text]
        assert "elsewhere" not in said(page, "markdown", "caption", "warning")


def test_an_unreadable_picture_has_a_placeholder(show, run, small_runs):
    import pandas as pd

    path = run / "bundles" / BUNDLE / "thumbnails.parquet"
    table = pd.read_parquet(path)
    table["webp"] = [b"no picture"] * len(table)
    table.to_parquet(path)
    small_runs.rewrite_manifest(path.parent)
    page = show(run.parent, view="hard_negatives", failures="False", query="0")
    assert "that cannot be shown" in said(page, "caption")


@pytest.mark.parametrize(
    "make", [lambda root: None, lambda root: root.mkdir(), lambda root: (root / "x").mkdir(parents=True)]
)
def test_an_empty_root_offers_to_train(show, tmp_path, make, monkeypatch):
    root = tmp_path / "runs"
    make(root)
    page = show(root)
    assert page.title[0].value == "Nothing trained yet"
    started = []
    monkeypatch.setattr(jobs, "start", started.append)
    page.button(key="start").click().run()
    assert not page.exception
    assert started == [root]


def test_the_started_training_shows_its_progress(show, tmp_path, small_runs, monkeypatch):
    monkeypatch.setattr(jobs, "state", lambda root: jobs.Job(running=True, failed=False, tail="step 4 of 10"))
    page = show(tmp_path)
    assert "step 4 of 10" in said(page, "code")
    small_runs.write_settings(tmp_path / "miniature", steps=10)
    small_runs.write_metrics(tmp_path / "miniature", steps=4)
    page = show(tmp_path, run="miniature")
    assert metrics(page)["Margin to the hardest"] == "+0.040"
    assert not [each for each in page.button if each.key == "start"]


def test_a_failed_start_shows_its_log_and_can_be_tried_again(show, tmp_path, monkeypatch):
    monkeypatch.setattr(jobs, "state", lambda root: jobs.Job(running=False, failed=True, tail="error: no disk"))
    page = show(tmp_path)
    assert "error: no disk" in said(page, "code")
    assert page.button(key="start")


def test_a_root_that_cannot_be_written_to(show, tmp_path):
    (tmp_path / "file").touch()
    page = show(tmp_path / "file" / "runs")
    page.button(key="start").click().run()
    assert not page.exception
    assert "Not a directory" in page.error[0].value


@pytest.mark.parametrize("view", VIEWS)
def test_a_half_written_run_says_how_to_go_on(show, tmp_path, small_runs, view):
    run = tmp_path / "half"
    small_runs.write_settings(run, steps=100)
    small_runs.write_metrics(run, steps=40)
    with (run / "metrics.jsonl").open("a") as file:
        file.write('{"step": 41, "lo')
    age(tmp_path)
    page = show(tmp_path, view=view)
    assert f"core/train.py --config {run / 'config.yaml'} --resume true" in said(page, "code")


def test_a_run_without_settings_says_so(show, tmp_path, small_runs):
    small_runs.write_settings(tmp_path / "half")
    (tmp_path / "half" / "config.yaml").write_text("steps: [")
    age(tmp_path)
    page = show(tmp_path)
    assert "half-written" in page.warning[0].value
    assert "it can be deleted" in said(page, "markdown")


def test_a_running_run_shows_its_steps(show, tmp_path, small_runs):
    small_runs.write_settings(tmp_path / "busy", steps=100)
    small_runs.write_metrics(tmp_path / "busy", steps=40)
    page = show(tmp_path)
    assert "is training" in page.info[0].value
    assert metrics(page)["Loss"] == "0.075"


def test_it_refuses_to_serve_other_machines(show, run):
    st.config.set_option("server.address", "0.0.0.0")
    page = show(run.parent)
    assert "has no password" in page.error[0].value
    assert not page.metric


def test_escaping():
    assert escaped("a *b*\n[c](d) :e: <f>") == r"a \*b\* \[c\]\(d\) \:e\: \<f\>"
    assert shortened("x" * 100) == "x" * 67 + "..."
