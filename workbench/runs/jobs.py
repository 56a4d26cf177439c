"""Starting the miniature training in the background: a detached process that trains, evaluates, and logs to a file.

While it lives it holds a lock on `<root>/miniature-start.lock`, so that any page (or a second person) can tell, and
nothing is started twice.
"""

import fcntl
import json
import subprocess
import sys
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import core
from core.files.run_layout import CONFIG

NAME = "miniature"
PROCESSES = 2
CODE = Path(core.__file__).resolve().parent
DONE = "All done."
TAIL = 4000

Commands = Sequence[Sequence[str]]


class AlreadyRunning(RuntimeError):
    """The training is running already."""


@dataclass(frozen=True)
class Job:
    """Where the background training stands. failed: it ended before its last command was done. tail: its last lines."""

    running: bool
    failed: bool
    tail: str


def log_path(root: Path) -> Path:
    """Say where the training's output goes."""
    return root / f"{NAME}-start.log"


def lock_path(root: Path) -> Path:
    """Return the file that the training holds locked while it lives."""
    return root / f"{NAME}-start.lock"


def commands(root: Path) -> list[list[str]]:
    """Train the miniature (or go on where it stopped), then evaluate it."""
    run = root / NAME
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc_per_node={PROCESSES}"]
    begun = ["--config", str(run / CONFIG)] if (run / CONFIG).is_file() else []
    train = [*launch, str(CODE / "train.py"), *begun, "--output", str(run), "--resume", "true"]
    return [train, [sys.executable, str(CODE / "eval.py"), "--checkpoint", str(run)]]


def start(root: Path, steps: Commands | None = None) -> int:
    """Start the commands, by default training and evaluation, one after the other and detached; the process id.

    Raises:
        AlreadyRunning: they are running.
        OSError: the root folder cannot be written to.
    """
    root = root.resolve()
    root.mkdir(parents=True, exist_ok=True)
    with lock_path(root).open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise AlreadyRunning(f"{root / NAME} is being trained already; see {log_path(root)}.") from error
        with log_path(root).open("w") as log:
            # The child inherits the locked file; the lock is free again when the child has ended, however it ends.
            child = subprocess.Popen(
                [
                    sys.executable,
                    "-m",
                    "workbench.runs.jobs",
                    json.dumps([list(step) for step in steps or commands(root)]),
                ],
                cwd=CODE.parent,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                pass_fds=(lock.fileno(),),
            )
    threading.Thread(target=child.wait, daemon=True).start()  # so that it leaves no zombie
    return child.pid


def state(root: Path) -> Job | None:
    """Say where the training stands, or None where it was never started here."""
    path = log_path(root)
    if not path.is_file():
        return None
    running = locked(lock_path(root))
    text = path.read_bytes()[-TAIL:].decode(errors="replace")
    # A progress bar rewrites its line; only its last state is worth showing.
    lines = [line.rsplit("\r", 1)[-1] for line in text.rstrip("\r\n").split("\n")]
    return Job(running, not running and lines[-1] != DONE, "\n".join(lines))


def locked(path: Path) -> bool:
    """Tell whether a living process holds the lock."""
    if not path.is_file():
        return False
    with path.open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def main() -> int:
    """Run the commands given as JSON until one fails; 0 when all are done."""
    for command in json.loads(sys.argv[1]):
        print("$", *command, flush=True)
        status = subprocess.run(command, check=False).returncode
        if status:
            print(f"Stopped: the command above ended with status {status}.", flush=True)
            return status
    print(DONE, flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
