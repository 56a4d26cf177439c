"""The explorer's training view: numbers, curves and the replay, for good, odd and broken runs."""

from explorer_pages import figures, metrics, said
from small_records import write_records


def test_a_good_run_with_records(show, run):
    write_records(run)
    page = show(run.parent, view="training")
    assert not page.error
    assert not page.warning
    assert page.query_params["view"] == "training"
    assert metrics(page)["Loss"] == "0.300"
    assert metrics(page)["InfoNCE loss"] == "0.200"
    assert metrics(page)["Margin"] == "+0.100"
    course, hardest, replay = figures(page)
    assert hardest["layout"]["title"]["text"] == "No similarity of negatives has been logged"
    assert course["layout"]["title"]["text"].startswith("Over 10 steps the margin went from")
    assert replay["layout"]["title"]["text"].startswith("Share of the pull, ")
    assert "8 queries in 2 of 2 recorded steps" in said(page, "caption")
    assert "known of 100%" in said(page, "caption")
    assert "**LLaVE, alpha 9, tau 0.02**, step **10** of 10, run finished" in said(page, "markdown")


def test_a_data_set_is_chosen_where_steps_are_mixed(show, run):
    write_records(run, (10,), ("edit",))
    write_records(run, (20,), ("colour",))
    page = show(run.parent, view="training")
    assert "choose a data set" in said(page, "caption")
    page.selectbox(key="dataset").set_value("colour").run()
    assert not page.exception
    assert page.query_params["dataset"] == "colour"
    assert "choose a data set" not in said(page, "caption")
    assert "4 queries in 1 of 2 recorded steps" in said(page, "caption")


def test_the_seed_of_the_run_decides_what_is_known(show, run):
    write_records(run)
    settings = run / "config.yaml"
    settings.write_text(settings.read_text().replace("\nseed: 0", "\nseed: 1"))
    assert "seed: 1" in settings.read_text()
    assert "their true difference is not known" in said(show(run.parent, view="training"), "caption")


def test_a_run_without_records_says_how_to_get_them(show, run):
    page = show(run.parent, view="training")
    assert len(figures(page)) == 2
    assert "--record.every 100" in page.info[0].value


def test_a_broken_record_is_named(show, run):
    write_records(run)
    (run / "pairs" / "000010-rank0.parquet").write_bytes(b"no")
    page = show(run.parent, view="training")
    assert r"000010\-rank0\.parquet" in page.warning[0].value
    assert len(figures(page)) == 3
    (run / "pairs" / "000020-rank0.parquet").write_bytes(b"no")
    page.run()
    assert not page.exception
    assert "None of the recorded pairs can be read" in said(page, "info")


def test_a_record_that_grows_is_read_again(show, run):
    write_records(run, (10,))
    page = show(run.parent, view="training")
    assert "4 queries in 1 of 1 recorded steps" in said(page, "caption")
    write_records(run, (20, 30))
    page.run()
    assert "12 queries in 3 of 3 recorded steps" in said(page, "caption")


def test_a_run_that_was_never_evaluated(show, tmp_path, small_runs):
    folder = tmp_path / "young"
    small_runs.write_settings(folder, steps=100)
    small_runs.write_metrics(folder, steps=4)
    write_records(folder)
    page = show(tmp_path, view="training")
    assert not page.error
    assert "step **4** of 100, run running" in said(page, "markdown")
    assert len(figures(page)) == 3


def test_a_run_without_settings_or_log(show, tmp_path):
    (tmp_path / "empty" / "checkpoints").mkdir(parents=True)
    page = show(tmp_path, view="training")
    assert not page.error
    assert r"config\.yaml is missing" in page.warning[0].value
    assert figures(page)[0]["layout"]["title"]["text"] == "No step has been logged"


def test_imported_vectors_have_no_training(show, run):
    for name in ("config.yaml", "metrics.jsonl", "environment.json"):
        (run / name).unlink()
    page = show(run.parent, view="training")
    assert "were imported" in page.info[0].value
    assert not figures(page)


def test_strange_numbers_in_the_log(show, run):
    with (run / "metrics.jsonl").open("a") as file:
        file.write('{"step": 11, "loss": "much", "margin": null}\n')
    page = show(run.parent, view="training")
    assert not page.error
    assert "Loss" not in metrics(page)
