"""The what-if of the view Pair weights: every objective, with the numbers it starts from."""

import pytest
from explorer_pages import figures, metrics, said

from core.objectives.settings import ObjectiveSettings
from workbench.what_if.objective_words import LABELS, WEIGHTS
from workbench.what_if.what_if import PUBLISHED, setting_of, trained_setting


def test_pair_weights_follow_the_sliders(show, run):
    page = show(run.parent, view="pair_weights", dataset="look-alike")
    assert {each.delta for each in page.metric if each.label == "Effective negatives"} == {"as trained"}
    page.select_slider(key="tau").set_value(0.1).run()
    before = metrics(page)
    page.slider(key="alpha").set_value(0.0).run()
    assert not page.exception
    after = metrics(page)
    assert float(after["Effective negatives"]) > float(before["Effective negatives"])
    assert after["Does weight follow true hardness?"] == "all weigh the same"
    assert page.query_params["alpha"] == "0"
    page.selectbox(key="objective").set_value("infonce").run()
    assert page.slider(key="strength").disabled
    assert "InfoNCE has none" in page.slider(key="strength").label
    page.select_slider(key="tau").set_value(0.1).run()
    assert metrics(page)["Effective negatives"] == after["Effective negatives"]
    page.select_slider(key="tau").set_value(0.2).run()
    assert float(metrics(page)["Effective negatives"]) > float(after["Effective negatives"])


def shown_numbers(page):
    """The what-if's numbers by the keys of their widgets."""
    widgets = [*page.slider, *page.select_slider, *page.number_input]
    return {each.key: each.value for each in widgets if each.key != "strength"}


@pytest.mark.parametrize("name", LABELS)
def test_every_objective_starts_from_its_published_numbers(show, run, name):
    page = show(run.parent, view="pair_weights", dataset="look-alike")
    page.selectbox(key="objective").set_value("relative" if name == "llave" else "llave").run()
    page.select_slider(key="tau").set_value(0.2).run()
    page.selectbox(key="objective").set_value(name).run()
    assert not page.exception
    assert not page.warning
    numbers = setting_of(name, PUBLISHED[name]).numbers
    assert shown_numbers(page) == {"tau": numbers.pop("temperature"), **numbers}
    assert page.query_params["objective"] == name
    assert LABELS[name] in page.selectbox(key="objective").options
    assert len(figures(page)) == 3
    assert WEIGHTS[name] in said(page, "caption")
    weighs = setting_of(name, PUBLISHED[name]).strength is not None or name == "focal"
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
    assert {each.delta for each in page.metric if each.delta} == {"as trained"}
    numbers = trained_setting(objective).numbers
    assert shown_numbers(page) == {"tau": numbers.pop("temperature"), **numbers}
    page.selectbox(key="objective").set_value("infonce").run()
    page.selectbox(key="objective").set_value(objective.name).run()
    assert {each.delta for each in page.metric if each.delta} == {"as trained"}


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
