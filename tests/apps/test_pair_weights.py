"""The view Pair weights: two objectives beside one another, what each starts from, and what the recorder kept."""

import base64

import numpy as np
import pytest
from explorer_pages import figures, metrics, said
from small_records import record_rows, write_records

from core.objectives.settings import ObjectiveSettings
from workbench.bundles.bundle import open_bundle
from workbench.what_if.objective_words import LABELS, WEIGHTS
from workbench.what_if.what_if import PUBLISHED, setting_of, trained_setting


def test_it_begins_where_it_teaches(show, run):
    """The trained LLaVE against InfoNCE at the same tau, on the failed query of the median margin."""
    page = show(run.parent, view="pair_weights")
    assert (page.selectbox(key="objective").value, page.selectbox(key="that").value) == ("llave", "infonce")
    assert page.toggle(key="same_tau").value is True
    assert "This is as trained." in said(page, "caption")
    rankings = open_bundle(run / "bundles" / "000010-miniature").rankings
    missed = rankings.loc[rankings["hit"] < 1].sort_values("margin", kind="stable")
    ordered = rankings.sort_values("margin", kind="stable").index.tolist()
    median = missed.index[len(missed) // 2]
    assert f"query **{ordered.index(median) + 1}** of {len(rankings)}" in said(page, "markdown")
    assert "query" not in page.query_params
    curve = figures(page)[0]
    assert [trace["name"] for trace in curve["data"]][:2] == ["this: LLaVE", "that: InfoNCE"]
    that = np.frombuffer(base64.b64decode(curve["data"][1]["y"]["bdata"]))
    np.testing.assert_allclose(that, np.ones(100))
    assert [line["y0"] for line in curve["layout"]["shapes"] if line.get("y0") == line.get("y1")] == [1]
    assert "not over a batch of the training" in said(page, "caption")


def test_pair_weights_follow_the_sliders(show, run):
    page = show(run.parent, view="pair_weights", dataset="look-alike")
    page.select_slider(key="tau").set_value(0.1).run()
    before = metrics(page)
    page.slider(key="alpha").set_value(0.0).run()
    assert not page.exception
    after = metrics(page)
    assert float(after["Effective negatives"]) > float(before["Effective negatives"])
    assert after["Does weight follow true hardness?"] == "all weigh the same"
    assert page.query_params["alpha"] == "0"
    same = next(each for each in page.metric if each.label == "Effective negatives")
    assert same.delta == f"that: {same.value}"  # InfoNCE, whose tau moved along
    page.selectbox(key="objective").set_value("infonce").run()
    assert page.slider(key="strength").disabled
    assert "InfoNCE has none" in page.slider(key="strength").label
    assert page.select_slider(key="tau").value == 0.1
    assert metrics(page)["Effective negatives"] == after["Effective negatives"]
    page.select_slider(key="tau").set_value(0.2).run()
    assert float(metrics(page)["Effective negatives"]) > float(after["Effective negatives"])


def shown_numbers(page):
    """This objective's numbers by the keys of their widgets."""
    widgets = [*page.slider, *page.select_slider, *page.number_input]
    named = {each.key: each.value for each in widgets}
    return {key: value for key, value in named.items() if key != "strength" and not key.startswith("that")}


@pytest.mark.parametrize("name", LABELS)
def test_another_objective_moves_nothing_but_what_it_must_and_says_so(show, run, name):
    page = show(run.parent, view="pair_weights", dataset="look-alike", tau="0.2", alpha="4")
    page.selectbox(key="objective").set_value("relative" if name == "llave" else "llave").run()
    page.selectbox(key="objective").set_value(name).run()
    assert not page.exception
    assert not page.warning
    numbers = setting_of(name, PUBLISHED[name]).numbers
    strength = setting_of(name, PUBLISHED[name]).strength
    kept = {"tau": 0.2} | ({strength: 4.0} if strength and name != "hard_debiased" else {})
    assert shown_numbers(page) == {field: value for field, value in numbers.items() if field != "temperature"} | kept
    told = said(page, "caption")
    for field in numbers.keys() - kept.keys() - {"temperature"}:
        assert f"was set to {numbers[field]:g}, the published one" in told
    assert ("was set to" in told) == bool(numbers.keys() - kept.keys() - {"temperature"})
    assert page.query_params["objective"] == name
    assert LABELS[name] in page.selectbox(key="objective").options
    assert len(figures(page)) == 3
    assert WEIGHTS[name] in told
    weighs = strength is not None or name == "focal"
    assert (metrics(page)["Does weight follow true hardness?"] != "all weigh the same") == weighs
    flat = figures(page)[0]["layout"]["title"]["text"] == "Every negative weighs about the same"
    assert flat != weighs
    assert 0 <= float(metrics(page)["P(right answer)"]) <= 1
    address = dict(page.query_params.items())
    assert metrics(show(run.parent, **address)) == metrics(page)


TRAINED = (
    ObjectiveSettings(name="focal", margin=0.5, temperature=0.04),
    ObjectiveSettings(name="siglip", bias=-3.0, temperature=0.15),
    ObjectiveSettings(name="hard_debiased", beta=5.0, prior=0.2, temperature=0.6),
    ObjectiveSettings(name="amplifier", beta=40.0, temperature=0.03),
)


@pytest.mark.parametrize("objective", TRAINED, ids=lambda each: each.name)
def test_a_what_if_begins_as_trained(show, small_runs, tmp_path, objective):
    small_runs.write_run(tmp_path, tasks=small_runs.small_tasks(("look-alike",)), objective=objective)
    page = show(tmp_path, view="pair_weights")
    assert "This is as trained." in said(page, "caption")
    numbers = trained_setting(objective).numbers
    assert shown_numbers(page) == {"tau": numbers.pop("temperature"), **numbers}
    before = metrics(page)
    page.selectbox(key="objective").set_value("infonce").run()
    assert f"Trained with {LABELS[objective.name]}" in said(page, "caption")
    page.selectbox(key="objective").set_value(objective.name).run()
    assert "This is as trained." in said(page, "caption")
    assert metrics(page) == before


def test_nothing_is_called_trained_where_that_is_not_known(show, run, small_runs):
    small_runs.rewrite_manifest(run / "bundles" / "000010-miniature", objective=None)
    page = show(run.parent, view="pair_weights")
    assert "is not known here, so nothing below is as trained" in said(page, "caption")
    assert "is as trained." not in said(page, "caption").replace("nothing below is as trained.", "")
    assert (page.selectbox(key="objective").value, page.selectbox(key="that").value) == ("llave", "infonce")
    assert "as trained" not in str(figures(page))


def test_the_other_objective_has_numbers_of_its_own(show, run):
    page = show(
        run.parent, view="pair_weights", dataset="look-alike", that="relative", same_tau="False", that_tau="0.1"
    )
    assert page.slider(key="that_beta").value == PUBLISHED["relative"].beta
    assert (page.select_slider(key="tau").value, page.select_slider(key="that_tau").value) == (0.02, 0.1)
    before = [each.delta for each in page.metric]
    page.slider(key="that_beta").set_value(20.0).run()
    assert [each.delta for each in page.metric] != before
    assert page.query_params["that_beta"] == "20"
    assert page.slider(key="alpha").value == 9.0


def test_all_queries_are_computed_only_when_shown(show, run, monkeypatch):
    from workbench.measures import effect_summary

    asked = []
    summary = effect_summary.summary
    monkeypatch.setattr(effect_summary, "summary", lambda *given: asked.append(given) or summary(*given))
    page = show(run.parent, view="pair_weights", all_queries="False")
    assert (len(asked), len(figures(page))) == (0, 2)
    page.toggle(key="all_queries").set_value(True).run()
    assert (len(asked), len(figures(page))) == (2, 3)


def test_weights_over_training_batches_are_those_recorded(show, run):
    assert "over" not in {each.key for each in show(run.parent, view="pair_weights").get("button_group")}
    write_records(run, (10, 20), ("edit", "colour"))
    page = show(run.parent, view="pair_weights", over="batches")
    assert "weights over its batch" in said(page, "caption")
    assert "Step 20" in said(page, "caption")
    assert "**8 recorded queries**" in said(page, "markdown")
    page.select_slider(key="recorded_step").set_value(10).run()
    page.button(key="recorded-0").click().run()
    assert not page.exception
    rows = record_rows(10, "edit")
    rows = rows.loc[rows["query_id"] == page.query_params["recorded_query"]]
    shown = page.dataframe[0].value
    for column in ("place", "similarity", "weight", "probability", "share"):
        np.testing.assert_allclose(shown[column], rows[column])
    page.button(key="back").click().run()
    assert "recorded_query" not in page.query_params
    page = show(run.parent, view="pair_weights", over="batches", dataset="shape")
    assert "of this data set" in page.info[0].value


def test_own_numbers_change_what_is_shown(show, run):
    for name, key, value in (("focal", "margin", 1.5), ("siglip", "bias", 0.0), ("hard_debiased", "prior", 0.0)):
        page = show(run.parent, view="pair_weights", dataset="look-alike", objective=name)
        before = metrics(page)
        page.number_input(key=key).set_value(value).run()
        assert not page.exception
        assert metrics(page)["Loss of this query"] != before["Loss of this query"]
        assert float(page.query_params[key]) == value


def test_negatives_that_do_not_pull_are_told(show, small_runs, tmp_path):
    tasks = small_runs.small_tasks(("look-alike",))
    small_runs.write_run(tmp_path, tasks=tasks)
    page = show(tmp_path, view="pair_weights", objective="debiased", prior="0.95", tau="0.005")
    resting = [each for each in said(page, "caption").splitlines() if "nothing pulls" in each]
    assert len(resting) in (1, 2)
    assert "of 6 queries" in resting[-1]


def test_what_the_what_if_leaves_aside_is_told(show, small_runs, tmp_path):
    small_runs.write_run(tmp_path, objective=ObjectiveSettings(reward="average", exclude_above=0.1))
    words = said(show(tmp_path, view="pair_weights"), "caption")
    assert "an average of the model" in words
    assert "left out by their similarity" in words
