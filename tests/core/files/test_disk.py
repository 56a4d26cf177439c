"""Real processes whose disk is full: what they say, what they leave, and that they go on once there is space."""

import resource
from pathlib import Path

import psutil
import pytest
import warm_processes
from training_jobs import ROOT, curve, half_written, train_warm, wait_for, warm_job

from core.checkpoints.checkpoint import damage
from core.checkpoints.listing import checkpoints
from core.files.atomic import LEFT_OVER

SETTINGS = ("--steps", "100", "--save_every", "10", "--record.every", "1000", "--keep_latest", "0")


def fill_the_disk(process: psutil.Process, largest: int) -> None:
    """From now on the process can write no file larger than so many bytes."""
    process.rlimit(resource.RLIMIT_FSIZE, (largest, largest))


def broken_off(run: Path, largest: int, *arguments: str) -> str:
    """Train, fill the disk after the first checkpoint, and return what the job said at its end."""
    with warm_job(0, "--output", str(run), *SETTINGS, *arguments) as started:
        assert wait_for(lambda: len(checkpoints(run)) > 0, started)
        fill_the_disk(psutil.Process(started.pid), largest)
        output, _ = started.communicate(timeout=120)
    assert started.returncode != 0
    assert "Traceback" not in output
    return output


@pytest.mark.slow
def test_a_full_disk_is_named_nothing_half_is_left_and_the_run_goes_on(tmp_path: Path) -> None:
    run = tmp_path / "run"
    output = broken_off(run, 50_000)
    assert "error: " in output
    assert "cannot be written" in output
    assert f"{run}/checkpoints/0000" in output
    assert "There is no space left for it; free some and go on with --resume." in output
    kept = checkpoints(run)
    assert kept
    assert all(damage(each) is None for each in kept)
    assert half_written(run) == []
    assert not [path for path in run.rglob(".*") if LEFT_OVER.fullmatch(path.name)]
    done = train_warm(0, "--output", str(run), *SETTINGS, "--resume")
    assert done.returncode == 0, done.stderr
    assert [row[0] for row in curve(run)] == list(range(1, 101))


@pytest.mark.slow
def test_a_log_that_cannot_grow_is_named_and_has_whole_lines(tmp_path: Path) -> None:
    run = tmp_path / "run"
    output = broken_off(run, 4_100, "--save_every", "40")
    assert f"error: {run}/metrics.jsonl: cannot be written (File too large). There is no space left" in output
    lines = (run / "metrics.jsonl").read_text()
    assert lines.endswith("}\n")


def test_an_output_below_a_file_is_refused_before_training(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    done = warm_processes.run([ROOT / "core/train.py", "--output", tmp_path / "file/run", "--model.width", "32"])
    assert done.returncode == 1
    assert f"error: {tmp_path}/file/run/config.yaml: cannot be written (Not a directory)." in done.stderr
    assert "Traceback" not in done.stderr
