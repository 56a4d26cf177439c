"""core/eval.py from the command line: a table and a bundle, or one line that says what is wrong."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import warm_processes
import yaml

from core import eval as command
from core.config.command_line import plain
from core.config.settings import TrainSettings
from core.objectives.settings import ObjectiveSettings

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def run(tiny, tmp_path_factory):
    """A run with one checkpoint, trained with InfoNCE."""
    folder = tmp_path_factory.mktemp("run")
    tiny.save(folder / "checkpoints" / "000007")
    settings = TrainSettings(objective=ObjectiveSettings("infonce", temperature=0.05))
    (folder / "config.yaml").write_text(yaml.safe_dump(plain(settings)))
    return folder


def evaluate(*arguments: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "error::UserWarning:core"}
    line = [sys.executable, str(ROOT / "core" / "eval.py"), *arguments]
    return subprocess.run(line, capture_output=True, text=True, env=environment, timeout=300, check=False)


@pytest.mark.slow
def test_a_checkpoint_is_scored_and_its_bundle_written(run):
    done = evaluate("--checkpoint", str(run), "--suite.queries", "3", "--suite.datasets", '["shape", "clips"]')
    assert done.returncode == 0, done.stderr
    (folder,) = (run / "bundles").glob("000007-miniature-*")
    assert f"Bundle: {folder}" in done.stdout
    for name in ("overall", "in distribution", "out of distribution", "classification", "video", "shape", "clips"):
        assert name in done.stdout
    assert "Traceback" not in done.stderr
    manifest = json.loads((folder / "manifest.json").read_text())
    assert (manifest["step"], manifest["checkpoint"]) == (7, str(run / "checkpoints" / "000007"))
    assert ObjectiveSettings(**manifest["objective"]) == ObjectiveSettings("infonce", temperature=0.05)
    assert manifest["suite"]["queries"] == 3
    datasets = pq.read_table(folder / "rankings.parquet")["dataset"].to_pylist()
    assert datasets == ["shape"] * 3 + ["clips"] * 3
    weights = pq.read_table(folder / "negatives.parquet")["weight"].to_pylist()
    assert set(weights) == {1.0}  # InfoNCE weighs every negative alike


def refused(monkeypatch, capsys, *arguments: str) -> tuple[int, str]:
    monkeypatch.setattr(sys, "argv", ["eval.py", *arguments])
    status = command.main()
    captured = capsys.readouterr()
    assert captured.out == ""
    return status, captured.err


def test_a_path_without_a_checkpoint_is_one_line(tmp_path, monkeypatch, capsys):
    status, error = refused(monkeypatch, capsys, "--checkpoint", str(tmp_path / "nowhere"))
    assert status == 1
    assert error.startswith(f"error: {tmp_path / 'nowhere'} is neither a checkpoint")
    assert error.count("\n") == 1


@pytest.mark.slow
def test_a_path_without_a_checkpoint_ends_the_program_with_status_1(tmp_path):
    done = warm_processes.run([ROOT / "core/eval.py", "--checkpoint", tmp_path / "nowhere"])
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1


def test_an_unknown_data_set_lists_the_known_ones(run, monkeypatch, capsys):
    named = ("--checkpoint", str(run), "--suite.queries", "1", "--suite.datasets", '["colours"]')
    status, error = refused(monkeypatch, capsys, *named)
    assert status == 1
    assert "'colours' is unknown; there are shape, colour, background, digits," in error


def test_a_bundle_over_a_file_is_refused_and_the_file_kept(run, tmp_path, monkeypatch, capsys):
    path = tmp_path / "notes.txt"
    path.write_text("mine")
    small = ("--suite.queries", "1", "--suite.datasets", '["shape"]')
    status, error = refused(monkeypatch, capsys, "--checkpoint", str(run), *small, "--out", str(path))
    assert status == 1
    assert "notes.txt is a file" in error
    assert path.read_text() == "mine"


@pytest.mark.parametrize(("arguments", "message"), [
    (["--suite.queries", "0"], "suite.queries = 0 is outside"),
    (["--suite.name", "folder"], "suite.path is missing"),
    (["--suite.quereis", "3"], "quereis"),
])  # fmt: skip
def test_bad_settings_end_with_status_2(arguments, message, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["eval.py", "--checkpoint", str(tmp_path), *arguments])
    with pytest.raises(SystemExit) as ended:
        command.main()
    assert ended.value.code == 2
    assert message in capsys.readouterr().err
