"""Overview: what is wrong with its base and its cure, the difference to another evaluation, and the table of runs."""

import json
from dataclasses import replace

import numpy as np
import pytest
from explorer_pages import figures, metrics, said

from core.evaluation.embedded import distinct_items
from workbench.bundles.bundle import open_bundle
from workbench.measures import matched

BUNDLE = "000010-miniature"


def near(small_runs, noise, seed):
    """Vectors of the small tasks where queries lie near their answers, more or less."""
    tasks = small_runs.small_tasks()
    items = distinct_items(tasks)
    row = {item.content_id: number for number, item in enumerate(items)}
    generator = np.random.default_rng(seed)
    vectors = generator.normal(size=(len(items), 16))
    for task in tasks:
        for each in task.rankings:
            answer = vectors[row[each.candidates[0].content_id]]
            vectors[row[each.query.content_id]] = answer + noise * generator.normal(size=16)
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


@pytest.fixture
def root(small_runs, tmp_path):
    """Two runs that differ in the objective alone."""
    small_runs.write_run(tmp_path, "good", vectors=near(small_runs, 1.5, 0))
    small_runs.write_run(tmp_path, "plain", name="infonce", vectors=near(small_runs, 0.9, 1))
    return tmp_path


def bundle_of(root, run):
    return open_bundle(root / run / "bundles" / BUNDLE)


def test_the_difference_to_another_evaluation_and_what_a_cure_changed(show, root):
    page = show(root, run="good", against=f"plain/{BUNDLE}")
    assert not page.warning
    own, other = bundle_of(root, "good"), bundle_of(root, "plain")
    found = matched.matched(own, other)
    change = matched.difference(own, other, found)
    assert metrics(page)["All data sets: P@1 less theirs"] == f"{100 * change.value:+.1f} points"
    deltas = [each.delta for each in page.metric]
    assert any(f"95 % {100 * change.low:+.1f} to {100 * change.high:+.1f}" in each for each in deltas)
    assert "24 of 24 queries have a partner there" in said(page, "caption")
    words = said(page, "markdown")
    assert "A run that differs in this alone: **plain**" in words
    assert f"What it changed: P@1 {100 * change.after:.1f} % -> {100 * change.before:.1f} %" in words
    lost = page.button(key="select-lost")
    assert lost.label == f"{len(matched.lost(own, other, found))} answered worse here"
    lost.click().run()
    assert not page.exception
    assert page.query_params["select"] == f"lost:plain/{BUNDLE}"
    rows = matched.lost(own, other, found)
    assert f"{len(rows)} of 24 queries" in said(page, "markdown")
    assert next(iter(metrics(page))) == "Queries that pass: P@1"
    hits = own.rankings.iloc[rows]
    assert (
        metrics(page)["Queries that pass: P@1"]
        == f"{100 * hits.groupby('dataset', observed=True)['hit'].mean().mean():.1f} %"
    )


def test_every_finding_has_a_base_and_a_command_or_a_reason(show, root):
    page = show(root, run="good", dataset="story")
    words, code = said(page, "markdown"), said(page, "code")
    story = bundle_of(root, "good").rankings.query("dataset == 'story'")
    assert f"of the {(story['hit'] < 1).sum()} failures looked at" in words
    assert f"P@1 over {len(story)} of 24 queries" in said(page, "caption")
    assert len(figures(page)[0]["data"][0]["x"]) == 1
    assert f"core/train.py --config {root / 'good' / 'config.yaml'}" in code
    assert f"python core/eval.py --checkpoint {root / 'good'}-" in code


def test_all_runs_are_one_table_and_a_row_opens_its_run(show, root):
    page = show(root, run="good")
    table = next(each.value for each in page.dataframe if "objective.name" in each.value)
    assert table["run"].tolist() == ["good", "plain"]
    assert table["open"].tolist() == ["here", ""]
    scores = json.loads((root / "plain" / "bundles" / BUNDLE / "scores.json").read_text())
    whole = next(each for each in scores if each["scope"] == "overall" and each["metric"] == "P@1")
    assert table["P@1 all"].iloc[1] == pytest.approx(100 * whole["value"])
    cures = next(each.value for each in page.dataframe if "cure" in each.value)
    assert cures["before"].iloc[0] == pytest.approx(100 * bundle_of(root, "good").rankings["hit"].mean())


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"objective": None}, "Evaluated here, **trained elsewhere**: how is not known"),
        ({}, "Objective **LLaVE, alpha 9, tau 0.02**"),
    ],
)
def test_where_vectors_come_from_has_its_own_words(show, run, small_runs, fields, words):
    small_runs.rewrite_manifest(run / "bundles" / BUNDLE, **fields)
    page = show(run.parent)
    assert words in said(page, "markdown")
    known = not fields
    assert ("Trained data sets: P@1" in metrics(page)) == known
    names = [trace["name"] for trace in figures(page)[0]["data"]]
    assert names == (["trained data sets", "new data sets", "chance"] if known else ["data sets", "chance"])


def test_no_query_that_passes_is_said(show, root):
    page = show(root, run="good", words="no such words anywhere")
    assert "No query passes" in said(page, "info")
    assert not page.error


def test_hostile_words_of_a_hub_are_shown_as_they_are(show, small_runs, tmp_path):
    (task,) = small_runs.small_tasks(("look-alike",))
    plain = replace(task, name="![x](http://elsewhere)", rankings=task.rankings)
    small_runs.write_run(tmp_path, "odd *run*", tasks=[plain])
    page = show(tmp_path)
    assert "![x](http" not in said(page, "markdown", "caption")
