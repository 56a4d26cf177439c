"""Real jobs killed without warning: what is resumed equals what was never broken, and nobody waits for the dead.

Where torchrun itself is part of what is said, it starts Python for each rank, as on a machine of users; elsewhere it
forks them from a process that has imported torch.
"""

import json
import random
import signal
import time
from pathlib import Path

import pytest
from safetensors.torch import load_file
from training_jobs import curve, half_written, job, kill_all, ranks, steps_logged, train_warm, wait_for, warm_job

from core.checkpoints.listing import checkpoints

pytestmark = pytest.mark.slow

STEPS = 60
SETTINGS = ("--steps", str(STEPS), "--save_every", "5", "--record.every", "10", "--keep_latest", "0")


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of two processes that nobody disturbed."""
    run = tmp_path_factory.mktemp("unbroken") / "run"
    done = train_warm(2, "--output", str(run), *SETTINGS)
    assert done.returncode == 0, done.stderr
    assert len(curve(run)) == STEPS
    return run


def files(run: Path) -> set[str]:
    """The run's files by name."""
    return {path.relative_to(run).as_posix() for path in run.rglob("*") if path.is_file()}


def same_weights(one: Path, other: Path) -> bool:
    """Whether two runs ended with the same weights and optimizer state, bit for bit."""
    for name in ("model.safetensors", "optimizer.safetensors"):
        a, b = (load_file(run / f"checkpoints/{STEPS:06d}" / name) for run in (one, other))
        if a.keys() != b.keys() or not all(a[key].equal(b[key]) for key in a):
            return False
    return True


def test_killed_at_random_instants_and_while_it_saves_the_run_equals_the_unbroken_one(
    unbroken: Path, tmp_path: Path
) -> None:
    run, chance = tmp_path / "run", random.Random(3)
    arguments = ("--output", str(run), *SETTINGS)
    with warm_job(2, *arguments) as started:
        assert wait_for(lambda: steps_logged(run) >= chance.randint(6, 12), started)
        time.sleep(chance.random() * 0.1)
        kill_all(started)
    reached = steps_logged(run)
    assert 6 <= reached < STEPS
    for attempt in range(3):
        with warm_job(2, *arguments, "--resume") as started:
            enough = len(checkpoints(run)) + attempt
            assert wait_for(lambda enough=enough: len(checkpoints(run)) > enough, started)
            assert wait_for(lambda: bool(half_written(run)), started, every=0)
            kill_all(started)
        if half_written(run):
            break
    assert half_written(run), "the kill never hit a checkpoint in the making"
    assert checkpoints(run)[-1].step < STEPS
    done = train_warm(2, *arguments, "--resume")
    assert done.returncode == 0, done.stderr
    assert curve(run) == curve(unbroken)
    assert same_weights(run, unbroken)
    assert files(run) == files(unbroken)


def test_a_job_that_loses_a_process_ends_soon_and_says_so_and_one_process_goes_on(
    unbroken: Path, tmp_path: Path
) -> None:
    """Resumed on one process instead of two, the curve is the same up to rounding, and rank 1's later records go."""
    run = tmp_path / "run"
    arguments = ("--output", str(run), *SETTINGS)
    with job(2, *arguments) as started:
        assert wait_for(lambda: steps_logged(run) >= 23, started)
        ranks(started)[1].send_signal(signal.SIGKILL)
        killed = time.monotonic()
        output, _ = started.communicate(timeout=60)
        assert time.monotonic() - killed < 30
    assert started.returncode != 0
    assert "error: process 0: Another process of this job has died or hangs; see its output above." in output
    assert "gloo" not in output.split("ChildFailedError")[0]
    reached = checkpoints(run)[-1].step
    assert 20 <= reached < STEPS
    (run / "pairs/000050-rank1.parquet").touch()
    done = train_warm(1, *arguments, "--resume")
    assert done.returncode == 0, done.stderr
    found, expected = curve(run), curve(unbroken)
    assert found[:reached] == expected[:reached]
    assert [row[1] for row in found] == pytest.approx([row[1] for row in expected], rel=1e-3)
    assert json.loads((run / "environment.json").read_text())["processes"] == 1
    later = {path.name for path in (run / "pairs").iterdir() if int(path.name[:6]) > reached}
    assert later == {f"{step:06d}-rank0.parquet" for step in range(10, STEPS + 1, 10) if step > reached}


def test_torchrun_starts_again_by_itself_also_when_the_process_that_saves_dies(unbroken: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    with job(2, "--output", str(run), *SETTINGS, restarts=1) as started:
        assert wait_for(lambda: steps_logged(run) >= 23, started)
        ranks(started)[0].send_signal(signal.SIGKILL)
        output, _ = started.communicate(timeout=120)
    assert started.returncode == 0, output
    assert curve(run) == curve(unbroken)
    assert same_weights(run, unbroken)
    assert files(run) == files(unbroken)


def test_a_process_that_hangs_is_given_up(tmp_path: Path) -> None:
    run = tmp_path / "run"
    with warm_job(2, "--output", str(run), *SETTINGS, "--collective_timeout_s", "20") as started:
        assert wait_for(lambda: steps_logged(run) >= 3, started)
        hung = ranks(started)[1]
        hung.send_signal(signal.SIGSTOP)
        alive = ranks(started)[0]
        stopped = time.monotonic()
        assert wait_for(lambda: not alive.is_running() or alive.status() == "zombie", started, every=0.1)
        assert time.monotonic() - stopped < 45
        hung.send_signal(signal.SIGKILL)
        output, _ = started.communicate(timeout=60)
    assert started.returncode != 0
    assert "error: process 0: Another process of this job has died or hangs; see its output above." in output
