"""The training view in a real browser: it follows a run that goes on without a click, and rests when it has ended."""

import json

import pytest
from served_explorer import served_explorer

pytestmark = pytest.mark.slow


def log_steps(run, steps):
    with (run / "metrics.jsonl").open("a") as file:
        for step in steps:
            numbers = {"loss": 1 / step, "infonce_loss": 1 / step, "margin": step / 1000, "pairs_per_second": 64.0}
            file.write(json.dumps({"step": step, **numbers}) + "\n")


def test_a_run_that_goes_on_is_followed_until_it_ends(chromium, tmp_path, small_runs):
    run = tmp_path / "runs" / "young"
    small_runs.write_settings(run, steps=60)
    log_steps(run, range(1, 5))
    with served_explorer(run.parent) as address:
        page = chromium.new_page(viewport={"width": 1440, "height": 900})
        page.set_default_timeout(60_000)
        faults = []
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.goto(f"{address}/?view=training")
        page.get_by_text("Step 4 of 60, run running").wait_for()
        page.locator(".js-plotly-plot").first.wait_for()
        log_steps(run, range(5, 31))
        page.get_by_text("Step 30 of 60, run running").wait_for()
        page.get_by_text("InfoNCE loss: 0.5 to 0.0345 over 30 steps").wait_for()
        log_steps(run, range(31, 61))
        page.get_by_text("Step 60 of 60, run finished").wait_for()
        page.get_by_text("InfoNCE loss: 0.292 to 0.0174 over 60 steps").wait_for()
        assert page.locator('[data-testid="stException"]').count() == 0
        assert faults == []
        page.close()
