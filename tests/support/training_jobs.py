"""Real training jobs of the smallest model, started by torchrun, to be watched and killed by tests."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import warm_processes

from core.training.logs import read_metrics

ROOT = Path(__file__).parents[2]
TINY = (
    *("--model.width", "32", "--model.layers", "1", "--model.vision_layers", "1"),
    *("--batch", "16", "--data.block", "8", "--precision", "float32"),
)
Job = subprocess.Popen[str] | warm_processes.Watched
PATIENCE = 180.0
"""Seconds after which a job that should have done something by then has failed the test."""


def command(processes: int, *arguments: str, restarts: int = 0) -> list[str]:
    """The torchrun line of a tiny training; for 0 processes the same without torchrun."""
    if processes == 0:
        return [sys.executable, str(ROOT / "core/train.py"), *TINY, *arguments]
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc_per_node={processes}"]
    return [*launcher, f"--max-restarts={restarts}", str(ROOT / "core/train.py"), *TINY, *arguments]


def train(processes: int, *arguments: str, restarts: int = 0) -> subprocess.CompletedProcess[str]:
    """Run a job to its end."""
    return subprocess.run(
        command(processes, *arguments, restarts=restarts),
        capture_output=True,
        text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        check=False,
        timeout=PATIENCE,
    )


def train_warm(processes: int, *arguments: str) -> subprocess.CompletedProcess[str]:
    """What `train` does, sooner: the same ranks in warm processes, without torchrun itself."""
    program = [ROOT / "core/train.py", *TINY, *arguments]
    if processes == 0:
        return warm_processes.run(program, timeout_s=PATIENCE)
    return warm_processes.run_ranks(processes, program, PATIENCE)


@contextmanager
def job(processes: int, *arguments: str, restarts: int = 0) -> Iterator[subprocess.Popen[str]]:
    """A job in a process group of its own, which is killed at the end of the block if it still runs."""
    started = subprocess.Popen(
        command(processes, *arguments, restarts=restarts),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )
    with ended_at_last(started):
        yield started


@contextmanager
def warm_job(processes: int, *arguments: str) -> Iterator[warm_processes.Watched]:
    """What `job` does, sooner: torchrun itself in a warm process, which forks the ranks instead of starting Python."""
    program = [str(ROOT / "core/train.py"), *TINY, *arguments]
    started = warm_processes.Watched([*warm_torchrun(processes), *program] if processes else program)
    with ended_at_last(started):
        yield started


def warm_torchrun(processes: int) -> list[str]:
    """The launcher's module and options, before the program's whole path."""
    forking = ["--run-path", "--start-method=fork"]
    return ["-m", "torch.distributed.run", "--standalone", f"--nproc_per_node={processes}", *forking]


@contextmanager
def ended_at_last(started: Job) -> Iterator[None]:
    """Whatever happens in the block, nothing of the job runs after it."""
    try:
        yield
    finally:
        kill_all(started)
        assert started.stdout is not None
        started.stdout.close()


def ranks(started: Job) -> dict[int, psutil.Process]:
    """The job's training processes by rank."""
    children = psutil.Process(started.pid).children(recursive=True)
    if isinstance(started, warm_processes.Watched):  # forked: the kernel shows the environment of the first process
        return dict(enumerate(sorted(children, key=lambda each: (each.create_time(), each.pid))))
    found = {}
    for process in children:
        try:
            if "RANK" in (variables := process.environ()):
                found.setdefault(int(variables["RANK"]), process)
        except psutil.Error:
            continue
    return found


def kill_all(started: Job) -> None:
    """SIGKILL torchrun and every rank, at once. torchrun gives each rank a session of its own."""
    try:
        everyone = [psutil.Process(started.pid), *psutil.Process(started.pid).children(recursive=True)]
    except psutil.NoSuchProcess:
        return
    for process in everyone:
        try:
            process.send_signal(signal.SIGKILL)
        except psutil.NoSuchProcess:
            continue
    started.wait(timeout=30)
    psutil.wait_procs(everyone, timeout=30)


def wait_for(what: Callable[[], bool], started: Job, every: float = 0.002) -> bool:
    """Wait until something is so; False if the job ended before."""
    deadline = time.monotonic() + PATIENCE
    while not what():
        if started.poll() is not None:
            return False
        assert time.monotonic() < deadline, "the job neither did what the test waits for nor ended"
        time.sleep(every)
    return True


def steps_logged(run: Path) -> int:
    """How many lines metrics.jsonl has."""
    path = run / "metrics.jsonl"
    return path.read_bytes().count(b"\n") if path.is_file() else 0


def half_written(run: Path) -> list[Path]:
    """Temporary checkpoints."""
    return list((run / "checkpoints").glob(".[0-9]*"))


def curve(run: Path) -> list[tuple[int, float, float, float]]:
    """What of each step must not depend on how often the run was killed."""
    return [(row["step"], row["loss"], row["infonce_loss"], row["gradient_norm"]) for row in read_metrics(run)]
