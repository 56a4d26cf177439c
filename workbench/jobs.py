"""Starting the miniature training in the background: a detached process that trains, evaluates, and logs to a file.

While it lives it holds a lock on `<root>/<name>-start.lock`, so that any page (or a second person) can tell, and
nothing is started twice.
"""

import fcntl
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import core
from core.logs import CONFIG

NAME = "miniature"
PROCESSES = 2
CODE = Path(core.__file__).resolve().parent


class AlreadyRunning(RuntimeError):
    """The training is running already."""


@dataclass(frozen=True)
class Job:
    """Where a background training stands. started: there is a log. tail: its last lines. failed: it ended by an error."""

    started: bool
    running: bool
    failed: bool
    tail: str


def log_path(root: Path) -> Path:
    """Where the training's output goes."""
    return root / f"{NAME}-start.log"


def lock_path(root: Path) -> Path:
    """The file that the training holds locked while it lives."""
    return root / f"{NAME}-start.lock"


def commands(root: Path) -> list[list[str]]:
    """Train the miniature (go on where it stopped, if it was begun), then evaluate it."""
    run = root / NAME
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc_per_node={PROCESSES}"]
    begun = ["--config", str(run / CONFIG)] if (run / CONFIG).is_file() else []
    train = [*launch, str(CODE / "train.py"), *begun, "--output", str(run), "--resume", "true"]
    return [train, [sys.executable, str(CODE / "eval.py"), "--checkpoint", str(run)]]


def start(root: Path, steps: list[list[str]] | None = None) -> int:
    """Start the commands (by default, training and evaluation) one after the other, detached; the process id.

    Raises:
        AlreadyRunning: they are running.
        OSError: the root folder cannot be written to.
    """
    root.mkdir(parents=True, exist_ok=True)
    with lock_path(root).open("a") as lock, log_path(root).open("w") as log:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise AlreadyRunning(f"{root / NAME} is being trained already; see {log_path(root)}.") from error
        # The lock belongs to the open file, which the child inherits: it is free again when the last heir ends.
        driver = [sys.executable, "-m", "workbench.jobs", *("\0".join(step) for step in steps or commands(root))]
        driver = [part.replace("\0", SEPARATOR) for part in driver]
        child = subprocess.Popen(
            driver,
            cwd=CODE.parent,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            pass_fds=(lock.fileno(),),
        )
    return child.pid
