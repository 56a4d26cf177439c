"""Real jobs of several processes: the same bits as one, and an end with a message when one dies."""

import hashlib
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
import warm_processes
from training_jobs import Job, kill_all, ranks, warm_torchrun

from benchmarks.mmeb_files import write_mmeb_eval
from core.data.mmeb.datasets import DATASETS

ROOT = Path(__file__).parents[3]
PATIENCE = 240.0
SURROUNDINGS = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore"}
MOVED = re.compile(r"encoding: [^\r\n]*\| [1-9][0-9]*/[0-9]+ ")


def launch(*arguments: str) -> subprocess.Popen[str]:
    """Start torchrun itself with two processes, in a session of its own."""
    launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2"]
    return subprocess.Popen(
        [sys.executable, *launcher, str(ROOT / "core/eval.py"), *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
        env=SURROUNDINGS,
    )


def launch_warm(*arguments: str) -> warm_processes.Watched:
    """The same in a warm process, which forks the ranks."""
    return warm_processes.Watched([*warm_torchrun(2), str(ROOT / "core/eval.py"), *arguments], SURROUNDINGS)


def evaluate(processes: int, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command to its end, by as many ranks; by 0 processes without a group."""
    program = [ROOT / "core/eval.py", *arguments]
    if processes == 0:
        return warm_processes.run(program, timeout_s=PATIENCE)
    return warm_processes.run_ranks(processes, program, PATIENCE)


@pytest.fixture(scope="module")
def checkpoint(tiny, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("model")
    tiny.save(folder)
    return folder


def arguments(checkpoint: Path, out: Path, *more: str) -> tuple[str, ...]:
    suite = ("--suite.queries", "4", "--suite.datasets", '["shape", "clips", "edit", "story"]')
    return ("--checkpoint", str(checkpoint), "--out", str(out), *suite, "--portion", "16", *more)


def digests(bundle: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in bundle.iterdir()}


@pytest.mark.slow
def test_one_two_and_three_processes_give_the_same_bits(checkpoint, tmp_path):
    for processes in (0, 2, 3):
        done = evaluate(processes, *arguments(checkpoint, tmp_path / str(processes)))
        assert done.returncode == 0, done.stderr
        assert done.stdout.count("Bundle: ") == 1
        assert done.stderr.count("| 0/") == 1  # one bar begins
    alone, two, three = (digests(tmp_path / name) for name in ("0", "2", "3"))
    assert alone == two == three
    assert {"report.md", "report.html", "report.json", "scores.json", "embeddings.safetensors"} <= {*alone}


@pytest.mark.slow
def test_all_of_mmeb_by_one_and_two_processes_and_again_from_the_cache(checkpoint, tmp_path):
    """The 36 data sets in their published layout: same scores, every mean shown, and nothing encoded twice."""
    write_mmeb_eval(tmp_path / "files", 3, 2)
    cache = str(tmp_path / "vectors")
    suite = ("--suite.name", "mmeb", "--suite.path", str(tmp_path / "files"), "--checkpoint", str(checkpoint))
    alone = evaluate(0, *suite, "--out", str(tmp_path / "0"))
    together = evaluate(2, *suite, "--out", str(tmp_path / "2"), "--cache", cache)
    again = evaluate(0, *suite, "--out", str(tmp_path / "again"), "--cache", cache)
    for done in (alone, together, again):
        assert done.returncode == 0, done.stderr
        assert "MMEB: precision at 1, %" in done.stdout
        assert "VLM2Vec Qwen2-VL-7B" in done.stdout
    assert digests(tmp_path / "0") == digests(tmp_path / "2") == digests(tmp_path / "again")
    assert "| 0/" not in again.stderr.split("encoding:")[1]
    scores = json.loads((tmp_path / "0" / "scores.json").read_text())
    assert len({each["name"] for each in scores if each["scope"] == "dataset"}) == 36
    clustered = {each["name"] for each in scores if each["metric"] == "V-measure"}
    assert clustered == {each.name for each in DATASETS if each.meta_task == "classification"}
    own = json.loads((tmp_path / "0" / "report.json").read_text())["tables"][0]["rows"][0]
    assert "-" not in own[:-1]


@pytest.mark.slow
def test_a_user_error_is_told_once_and_ends_all(checkpoint, tmp_path):
    done = evaluate(2, *arguments(checkpoint, tmp_path / "out")[:-2], "--suite.datasets", '["shapes"]')
    assert done.returncode != 0
    assert done.stderr.count("'shapes' is unknown") == 1
    assert "died" not in done.stderr


@pytest.mark.slow
@pytest.mark.parametrize(("victim", "start"), [(0, launch_warm), (1, launch)], ids=["0", "1"])
def test_a_dying_process_ends_the_job_and_what_was_encoded_is_kept(checkpoint, tmp_path, victim, start):
    """Killed in the middle: the rest says so; started again, the job encodes only what was not on the disk."""
    cache = ("--cache", str(tmp_path / "vectors"), "--portion", "8", "--batch", "1")
    told = (*arguments(checkpoint, tmp_path / "out", *cache), "--suite.queries", "60")
    started = start(*told)
    try:
        wait_for_encoding(started)
        ranks(started)[victim].send_signal(signal.SIGKILL)
        output = started.communicate(timeout=PATIENCE)[0]
    finally:
        kill_all(started)
    assert started.returncode != 0
    # Whoever hears of it first tells: the process that waits for the lost one, or torchrun, which then ends the other.
    told_by = (f"process {1 - victim}: Another process of this job has died", "stopped by a termination signal")
    assert any(words in output for words in told_by), output
    assert not (tmp_path / "out").exists()
    if victim == 1:  # the first process writes what it has; killed itself, it loses 20 s of work
        assert len([*(tmp_path / "vectors").rglob("*.safetensors")]) == 1
        again = evaluate(0, *told)
        assert again.returncode == 0, again.stderr
        assert "| 0/" not in again.stderr.split("encoding:")[1]


def wait_for_encoding(started: Job) -> None:
    """Read the job's output until its bar has moved: there are vectors to keep. It begins with "0/..., ?item/s"."""
    assert started.stdout is not None
    deadline, seen = time.monotonic() + PATIENCE, ""
    while not MOVED.search(seen):
        assert time.monotonic() < deadline, seen
        letter = started.stdout.read(1)
        assert letter, seen
        seen += letter
    assert psutil.pid_exists(started.pid)
