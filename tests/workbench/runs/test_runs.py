"""Runs are listed whatever state they are in."""

import os
import shutil
import time

import pytest

from core.config.settings import TrainSettings
from workbench.runs.runs import list_runs, read_run


def aged(run, seconds):
    for path in run.iterdir():
        if path.is_file():
            os.utime(path, (time.time() - seconds,) * 2)


def test_a_finished_run(run, bundle_folder):
    (found,) = list_runs(run.parent)
    assert (found.name, found.state, found.done, found.planned) == ("good", "finished", 10, 10)
    assert (found.problem, found.bundles, found.processes) == ("", (bundle_folder,), 2)
    assert found.last["step"] == 10
    assert found.objective is not None
    assert (found.objective.name, found.objective.alpha) == ("llave", 9.0)


@pytest.mark.parametrize(("seconds", "state"), [(5, "running"), (300, "stopped")])
def test_a_run_before_its_last_step(tmp_path, small_runs, seconds, state):
    run = tmp_path / "run"
    small_runs.write_settings(run, steps=100)
    small_runs.write_metrics(run, steps=40)
    aged(run, seconds)
    found = read_run(run)
    assert (found.state, found.done, found.planned) == (state, 40, 100)
    assert found.seconds_left == pytest.approx(60 * TrainSettings().batch / 64)
    assert found.resume_command == (
        f"torchrun --standalone --nproc_per_node=2 core/train.py --config {run / 'config.yaml'} --resume true"
    )


def test_a_line_cut_short_is_left_out(tmp_path, small_runs):
    small_runs.write_settings(tmp_path / "run", steps=10)
    small_runs.write_metrics(tmp_path / "run", steps=9)
    with (tmp_path / "run" / "metrics.jsonl").open("a") as file:
        file.write('{"step": 10, "lo')
    assert read_run(tmp_path / "run").done == 9


@pytest.mark.parametrize(
    ("break_it", "problem"),
    [
        (lambda run: (run / "config.yaml").unlink(), "config.yaml is missing"),
        (lambda run: (run / "config.yaml").write_text("steps: ["), "config.yaml cannot be read (ParserError)"),
        (lambda run: (run / "config.yaml").write_bytes(b"\xff\xfe\x00"), "config.yaml cannot be read"),
        (lambda run: (run / "config.yaml").write_text("a: 1"), "config.yaml holds no settings of a run"),
        (lambda run: (run / "metrics.jsonl").unlink(), "no step has been logged yet"),
        (lambda run: (run / "metrics.jsonl").write_bytes(b"\xff\xff"), "no step has been logged yet"),
    ],
)
def test_a_half_written_run(tmp_path, small_runs, break_it, problem):
    run = tmp_path / "run"
    small_runs.write_settings(run, steps=100)
    small_runs.write_metrics(run, steps=40)
    break_it(run)
    (found,) = list_runs(tmp_path, now=time.time() + 300)
    assert found.state == "half-written"
    assert found.problem.startswith(problem)


def test_a_run_with_foreign_settings_still_lists(tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "config.yaml").write_text("steps: many\nobjective: {name: other}\n")
    (tmp_path / "run" / "environment.json").write_text("[]")
    (tmp_path / "run" / "metrics.jsonl").write_text('{"step": "x"}\n{"loss": 1}\n')
    (found,) = list_runs(tmp_path, now=time.time() + 300)
    assert (found.done, found.planned, found.objective, found.processes) == (0, None, None, 1)


def test_only_runs_inside_the_root_are_listed(run, tmp_path):
    root = run.parent
    shutil.copytree(run, tmp_path / "outside")
    (root / "link").symlink_to(tmp_path / "outside")
    (root / "again").symlink_to(run)
    (root / "empty").mkdir()
    (root / ".hidden").mkdir()
    (root / ".hidden" / "config.yaml").touch()
    (root / "note.txt").touch()
    assert [found.name for found in list_runs(root)] == ["again", "good"]
    assert list_runs(tmp_path / "nowhere") == []
