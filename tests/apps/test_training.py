"""The explorer's training view: numbers, curves, spikes and replays, for good, odd and broken runs."""

import json

import pytest
from explorer_pages import figures, metrics, said
from small_records import write_records


def titles(page):
    return [each["layout"]["title"]["text"] for each in figures(page)]


def rewrite(run, rows):
    (run / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))


def spiky(steps=120, spike=101, **more):
    rows = [
        {"step": step, "loss": 1 + step % 7 / 100, "infonce_loss": 0.5, "margin": 0.1, "gradient_norm": 2.0, **more}
        for step in range(1, steps + 1)
    ]
    rows[spike - 1]["loss"] = 30.0
    return rows


def test_a_good_run_with_records(show, run):
    write_records(run)
    page = show(run.parent, view="training", part="groups")
    assert not page.error
    assert not page.warning
    assert page.query_params["view"] == "training"
    assert metrics(page)["Loss"] == "0.300"
    assert metrics(page)["InfoNCE loss"] == "0.200"
    assert metrics(page)["Margin"] == "+0.100"
    loss, infonce, margin, norm, replay = titles(page)
    assert loss == "Loss: 3 to 0.3 over 10 steps"
    assert infonce == "InfoNCE loss: 2 to 0.2 over 10 steps"
    assert margin == "Margin: 0.01 to 0.1 over 10 steps"
    assert norm == "Gradient norm: not logged"
    assert replay.startswith("Share of the pull, ")
    assert "8 queries in 2 of 2 recorded steps" in said(page, "caption")
    assert "known of 100%" in said(page, "caption")
    assert "Drawn as logged, not smoothed" in said(page, "caption")
    assert "**LLaVE, alpha 9, tau 0.02**" in said(page, "markdown")
    assert "Step **10** of 10, run finished, 64 pairs a second" in said(page, "markdown")
    assert " left" not in said(page, "markdown")


def test_curves_and_smoothing_of_a_link(show, run):
    rows = [{"step": step, "hardest": 0.5, "positive": 0.8, "temperature": 0.05} for step in range(1, 31)]
    rows[9]["validation"], rows[29]["validation"] = {"all": 0.25}, {"all": 0.5}
    rewrite(run, rows)
    page = show(
        run.parent, view="training", curves="hardest/positive/temperature/validation", smoothing="0.9", across="pairs"
    )
    assert r"validation\, which is not here" in page.warning[0].value
    assert titles(page)[:3] == [
        "Hardest negative: 0.5 to 0.5 over 1,920 pairs",
        "Right answer: 0.8 to 0.8 over 1,920 pairs",
        "Temperature: 0.05 to 0.05 over 1,920 pairs",
    ]
    assert "exponential moving average with beta 0.90" in said(page, "caption")
    page.multiselect(key="curves").set_value(["validation/all"]).run()
    assert not page.exception
    assert page.query_params["curves"] == "validation:all"
    assert titles(page)[0] == "Validation P@1: 0.25 to 0.5 over 1,920 pairs"
    again = show(run.parent, view="training", curves="validation:all")
    assert titles(again)[0] == "Validation P@1: 0.25 to 0.5 over 30 steps"


def test_runs_are_laid_over_each_other(show, run, small_runs):
    other = run.parent / "other"
    small_runs.write_settings(other, name="infonce")
    small_runs.write_metrics(other, steps=6)
    page = show(run.parent, view="training", run="good", **{"with": "other/gone"})
    assert r"gone\, which is not here" in page.warning[0].value
    loss = figures(page)[0]
    assert [each["name"] for each in loss["data"]] == ["good", "other"]
    assert loss["data"][0]["line"]["color"] != loss["data"][1]["line"]["color"]
    assert loss["layout"]["title"]["text"] == "Loss: good 0.3, other 0.5"
    (table,) = [each.value for each in page.dataframe if "setting" in each.value]
    assert table.loc[table["setting"] == "objective.name", ["good", "other"]].to_numpy().tolist() == [
        ["llave", "infonce"]
    ]
    assert page.query_params["with"] == "other"
    page.selectbox(key="run").set_value("other").run()
    assert not page.exception
    assert not page.warning
    assert page.multiselect(key="with").value == []


def test_the_same_settings_are_said_to_be_the_same(show, run, small_runs):
    small_runs.write_settings(run.parent / "same")
    small_runs.write_metrics(run.parent / "same")
    page = show(run.parent, view="training", run="good", **{"with": "same"})
    assert "have the same settings" in said(page, "caption")


def test_a_spike_names_its_data_sets(show, run):
    write_records(run, (90,))
    rows = spiky(datasets={"edit": 32, "colour": 32})
    rows[89]["loss"] = 20.0
    del rows[89]["datasets"]
    rows.append({"step": 121, "skipped": "the loss is not finite"})
    rewrite(run, rows)
    page = show(run.parent, view="training")
    assert "Loss: 2 spikes, 1 step not finite, in 121 steps" in titles(page)
    table, blamed = [each.value for each in page.dataframe]
    assert table["step"].tolist() == [121, 101, 90]
    assert table["value"].tolist()[1:] == [30.0, 20.0]
    assert table["data sets"].tolist() == ["not recorded", "edit (32), colour (32)", "edit (of its recorded pairs)"]
    assert blamed["data set"].tolist() == ["edit", "colour"]
    assert blamed["spikes"].tolist() == [1, 1]
    assert blamed["steps"].tolist() == [119, 119]
    assert "robust z" in said(page, "caption")
    assert "not a proof" in said(page, "caption")
    page.selectbox(key="spikes_of").set_value("gradient_norm").run()
    assert not page.exception
    assert "Gradient norm: 0 spikes, 1 step not finite, in 121 steps" in titles(page)


def test_one_query_is_replayed_step_by_step(show, run):
    write_records(run, (10, 20, 400))
    page = show(run.parent, view="training", part="query")
    assert not page.warning
    moment, course = titles(page)[-2:]
    assert moment == "Step 10: the right answer is 4. of 4 recorded"
    assert course == "Rank among the recorded: 4 at step 10, 1 at 400"
    assert "Only the heaviest negatives of recorded steps are known" in said(page, "caption")
    assert "Query: " in said(page, "markdown")
    assert len(page.selectbox(key="recorded_query").options) == 4
    page.select_slider(key="at").set_value(400).run()
    assert not page.exception
    assert page.query_params["at"] == "400"
    assert titles(page)[-2] == "Step 400: the right answer is 1. of 4 recorded"
    assert "3 of these 3 were recorded at step 20 too" in said(page, "caption")
    (negatives,) = [each.value for each in page.dataframe if "negative_id" in each.value]
    assert negatives["similarity"].tolist() == pytest.approx([0.8, 0.7, 0.6])
    assert all(negatives["negative"])  # the miniature names them
    query = page.selectbox(key="recorded_query").value
    again = show(run.parent, view="training", part="query", recorded_query=query, at="20")
    assert titles(again)[-2].startswith("Step 20: ")


def test_a_data_set_is_chosen_where_steps_are_mixed(show, run):
    write_records(run, (10,), ("edit",))
    write_records(run, (20,), ("colour",))
    page = show(run.parent, view="training", part="groups")
    assert "choose a data set" in said(page, "caption")
    page.selectbox(key="recorded").set_value("colour").run()
    assert not page.exception
    assert page.query_params["recorded"] == "colour"
    assert "choose a data set" not in said(page, "caption")
    assert "4 queries in 1 of 2 recorded steps" in said(page, "caption")


def test_the_seed_of_the_run_decides_what_is_known(show, run):
    write_records(run)
    settings = run / "config.yaml"
    settings.write_text(settings.read_text().replace("\nseed: 0", "\nseed: 1"))
    assert "seed: 1" in settings.read_text()
    page = show(run.parent, view="training", part="groups")
    assert "their true difference is not known" in said(page, "caption")


@pytest.mark.parametrize("part", ["groups", "query"])
def test_a_run_without_records_says_how_to_get_them(show, run, part):
    page = show(run.parent, view="training", part=part)
    assert len(figures(page)) == 4
    assert "--record.every 100" in page.info[0].value


@pytest.mark.parametrize("part", ["groups", "query"])
def test_a_broken_record_is_named(show, run, part):
    write_records(run)
    (run / "pairs" / "000010-rank0.parquet").write_bytes(b"no")
    page = show(run.parent, view="training", part=part)
    assert r"000010\-rank0\.parquet" in page.warning[0].value
    assert len(figures(page)) == 5
    (run / "pairs" / "000020-rank0.parquet").write_bytes(b"no")
    page.run()
    assert not page.exception
    assert "None of the recorded pairs can be read" in said(page, "info")


def test_a_record_that_grows_is_read_again(show, run):
    write_records(run, (10,))
    page = show(run.parent, view="training", part="groups")
    assert "4 queries in 1 of 1 recorded steps" in said(page, "caption")
    write_records(run, (20, 30))
    page.run()
    assert "12 queries in 3 of 3 recorded steps" in said(page, "caption")


def test_a_run_that_was_never_evaluated(show, tmp_path, small_runs):
    folder = tmp_path / "young"
    small_runs.write_settings(folder, steps=100)
    small_runs.write_metrics(folder, steps=4)
    write_records(folder)
    page = show(tmp_path, view="training", part="groups")
    assert not page.error
    assert "Step **4** of 100, run running, 64 pairs a second, about 1 min 36 s left" in said(page, "markdown")
    assert len(figures(page)) == 5


def test_a_run_without_settings_or_log(show, tmp_path):
    (tmp_path / "empty" / "checkpoints").mkdir(parents=True)
    page = show(tmp_path, view="training")
    assert not page.error
    assert r"config\.yaml is missing" in page.warning[0].value
    assert "No step has been logged" in said(page, "info")
    assert "Step **0** of an unknown number" in said(page, "markdown")


def test_imported_vectors_have_no_training(show, run):
    for name in ("config.yaml", "metrics.jsonl", "environment.json"):
        (run / name).unlink()
    page = show(run.parent, view="training")
    assert "were imported" in page.info[0].value
    assert not figures(page)


def test_strange_numbers_in_the_log(show, run):
    with (run / "metrics.jsonl").open("a") as file:
        file.write('{"step": 11, "loss": NaN}\n{"step": 12, "loss": Infinity, "infonce_loss": 4}\n{"step": 13, "lo\n')
        file.write('{"step": 14, "loss": "much", "margin": null}\n{"step": 15, "lo')
    page = show(run.parent, view="training")
    assert not page.error
    assert "Loss" not in metrics(page)
    assert "1 line of its log cannot be read" in said(page, "warning")
    assert titles(page)[:2] == ["Loss: 3 to 0.3 over 10 steps", "InfoNCE loss: 2 to 4 over 12 steps"]
    assert "Loss: 0 spikes, 2 steps not finite, in 13 steps" in titles(page)
