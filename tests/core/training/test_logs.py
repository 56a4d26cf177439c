"""metrics.jsonl survives kills and resumes; environment.json says what ran."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

from accelerate import Accelerator

from core.files.run_layout import METRICS
from core.training.logs import MetricsLog, commit, environment, read_metrics


def log(run, done: int, *steps: int) -> None:
    metrics = MetricsLog(run, done)
    for step in steps:
        metrics.write({"step": step, "loss": 1 / step})
    metrics.close()


def steps(run) -> list[int]:
    return [row["step"] for row in read_metrics(run)]


def test_lines_are_read_back_exactly(tmp_path):
    log(tmp_path / "run", 0, 1, 2, 3)
    assert read_metrics(tmp_path / "run") == [{"step": step, "loss": 1 / step} for step in (1, 2, 3)]
    assert read_metrics(tmp_path / "nowhere") == []


def test_a_resumed_run_drops_the_steps_it_does_again(tmp_path):
    log(tmp_path, 0, 1, 2, 3, 4, 5)
    log(tmp_path, 3, 4)
    assert steps(tmp_path) == [1, 2, 3, 4]
    log(tmp_path, 0)
    assert steps(tmp_path) == []


def test_a_last_line_cut_short_is_dropped_and_mended(tmp_path):
    log(tmp_path, 0, 1, 2, 3)
    path = tmp_path / METRICS
    path.write_bytes(path.read_bytes()[:-9])
    assert steps(tmp_path) == [1, 2]
    log(tmp_path, 3, 4)
    assert [json.loads(line)["step"] for line in path.read_text().splitlines()] == [1, 2, 4]
    assert path.read_text().endswith("\n")


KILLED = """
import os, signal
from pathlib import Path
from core.training.logs import MetricsLog
log = MetricsLog(Path.cwd(), 0)
for step in (1, 2, 3):
    log.write({"step": step})
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_killed_run_keeps_its_lines(tmp_path):
    root = Path(__file__).parents[3]
    found = subprocess.run([sys.executable, "-c", KILLED], cwd=tmp_path, env=os.environ | {"PYTHONPATH": str(root)})
    assert found.returncode == -signal.SIGKILL
    assert steps(tmp_path) == [1, 2, 3]


def test_the_environment_names_what_a_reader_needs_to_repeat_the_run():
    found = environment(Accelerator(cpu=True), seed=7)
    assert json.loads(json.dumps(found)) == found
    assert found["seed"] == 7
    assert found["processes"] == 1
    assert found["python"] == sys.version.split()[0]
    assert found["packages"]["torch"]


def test_outside_a_checkout_there_is_no_commit(monkeypatch):
    found = commit()
    assert found is None or len(found) == 40
    monkeypatch.setenv("PATH", "")
    assert commit() is None
