"""`torchrun core/train.py` as a user runs it: the same losses on one and two processes, files, Ctrl-C and resume."""

import json
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest
import warm_processes
from training_jobs import ROOT, command, train, train_warm

from core.training.logs import read_metrics


def losses(run: Path) -> list[float]:
    return [row["loss"] for row in read_metrics(run)]


@pytest.mark.slow
def test_one_and_two_processes_give_the_same_losses(tmp_path: Path) -> None:
    """float64, equal global batch, 20 steps: 1e-9 relative."""
    for processes, start in ((1, train_warm), (2, train)):
        settings = ["--output", str(tmp_path / str(processes)), "--precision", "float64", "--steps", "20"]
        done = start(processes, *settings)
        assert done.returncode == 0, done.stderr
    one, two = losses(tmp_path / "1"), losses(tmp_path / "2")
    assert len(one) == len(two) == 20
    assert one == pytest.approx(two, rel=1e-9)
    assert abs(one[0] - one[-1]) > 0.1


@pytest.mark.slow
def test_ctrl_c_saves_says_how_to_go_on_and_resuming_equals_an_unbroken_run(tmp_path: Path) -> None:
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    steps = ["--steps", "40", "--save_every", "1000"]
    assert train_warm(2, "--output", str(whole), *steps).returncode == 0
    job = subprocess.Popen(
        command(2, "--output", str(broken), *steps),
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )
    deadline = time.monotonic() + 120
    while len(read_metrics(broken)) < 5 and time.monotonic() < deadline:
        time.sleep(0.05)
    os.killpg(job.pid, signal.SIGINT)
    _, errors = job.communicate(timeout=120)
    done = len(read_metrics(broken))
    assert 5 <= done < 40
    assert (broken / f"checkpoints/{done:06d}/model.safetensors").is_file()
    assert f"Stopped after step {done} of 40; saved. Go on with: torchrun --nproc_per_node=2" in errors
    resumed = train_warm(2, "--config", str(broken / "config.yaml"), "--resume", "true")
    assert resumed.returncode == 0, resumed.stderr
    assert losses(broken) == losses(whole)


@pytest.mark.slow
def test_the_same_training_reads_mmeb_files_and_a_folder_of_pictures(tmp_path: Path) -> None:
    export = ["-m", "core.data.miniature.export", "--out", tmp_path / "mmeb", "--pairs_per_dataset", "24"]
    assert warm_processes.run(export, folder=ROOT).returncode == 0
    done = train_warm(
        2,
        "--output",
        str(tmp_path / "a"),
        "--steps",
        "2",
        "--data.source",
        "mmeb",
        "--data.path",
        str(tmp_path / "mmeb"),
    )
    assert done.returncode == 0, done.stderr
    pictures = sorted((tmp_path / "mmeb").rglob("*.png"))[:20]
    folder = tmp_path / "mine"
    folder.mkdir()
    lines = []
    for number, picture in enumerate(pictures):
        (folder / f"{number}.png").write_bytes(picture.read_bytes())
        lines.append(json.dumps({"file_name": f"{number}.png", "text": f"my picture number {number}"}) + "\n")
    (folder / "metadata.jsonl").write_text("".join(lines))
    mine = ["--steps", "2", "--data.source", "folder", "--data.path", str(folder)]
    done = train_warm(1, "--output", str(tmp_path / "b"), *mine)
    assert done.returncode == 0, done.stderr
    assert len(losses(tmp_path / "a")) == len(losses(tmp_path / "b")) == 2
    (folder / "3.png").write_bytes(b"not a picture")
    stopped = train_warm(1, "--output", str(tmp_path / "c"), *mine)
    assert stopped.returncode != 0
    assert "3.png" in stopped.stderr
    assert "--data.on_bad_item skip" in stopped.stderr
    assert losses(tmp_path / "c") == []
    skipped = train_warm(1, "--output", str(tmp_path / "d"), *mine, "--data.on_bad_item", "skip")
    assert skipped.returncode == 0, skipped.stderr
    assert "3.png" in (tmp_path / "d/skipped.jsonl").read_text()


def test_a_wrong_setting_ends_with_its_name_and_range(tmp_path: Path) -> None:
    done = warm_processes.run([ROOT / "core/train.py", "--output", tmp_path / "x", "--objective.alpha", "-1"])
    assert done.returncode == 2
    assert "objective.alpha = -1.0 is outside [0, 100]" in done.stderr
    assert not (tmp_path / "x").exists()
