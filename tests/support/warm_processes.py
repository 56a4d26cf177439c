"""Python programs in processes of their own that find torch and transformers imported.

Importing them is most of what a tiny program does. A server of multiprocessing imports them once and forks itself for
each program: a process as any other, which can be killed and lost, with memory, environment and output of its own.
What a test says of starting Python itself (options, launchers, what is imported) needs a process from scratch.
"""

import os
import runpy
import subprocess
import sys
import tempfile
import threading
import weakref
from collections.abc import Mapping, Sequence
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from multiprocessing.context import ForkServerProcess
from pathlib import Path

from torch.distributed import TCPStore

PRELOADED = (
    "torch.distributed",
    "torch.distributed.launcher.api",
    "accelerate",
    "ipykernel.kernelapp",
    "jsonargparse",
    "peft",
    "plotly.graph_objects",
    "pyarrow.parquet",
    "sklearn.cluster",
    "transformers.models.llava_onevision.modeling_llava_onevision",
    "transformers.models.qwen2.modeling_qwen2",
    "transformers.models.siglip.modeling_siglip",
)
FORKS = get_context("forkserver")
FORKS.set_forkserver_preload(list(PRELOADED))


class Program:
    """`python FILE ARGUMENTS`, or -m or -c, in a warm process, started; its output goes to files."""

    def __init__(
        self, arguments: Sequence[str | Path], environment: Mapping[str, str] = os.environ, folder: Path | None = None
    ) -> None:
        self.arguments = [str(each) for each in arguments]
        self.place = tempfile.TemporaryDirectory(prefix="warm-")
        self.files = [Path(self.place.name) / name for name in ("stdout.txt", "stderr.txt")]
        for path in self.files:
            path.touch()
        self.process = started(self.arguments, environment, folder, self.files)

    def ended(self, timeout_s: float) -> subprocess.CompletedProcess[str]:
        """What it printed and its status, once it has ended.

        Raises:
            TimeoutExpired: it has not, and was killed.
        """
        self.process.join(timeout_s)
        status = self.process.exitcode
        if status is None:
            self.process.kill()
            self.process.join()
        stdout, stderr = (path.read_text(errors="replace") for path in self.files)
        self.place.cleanup()
        if status is None:
            raise subprocess.TimeoutExpired(self.arguments, timeout_s, stdout, stderr)
        return subprocess.CompletedProcess(self.arguments, status, stdout, stderr)


class Watched:
    """The same, to be watched while it runs: its output comes through one pipe, under the names of subprocess.Popen."""

    def __init__(
        self, arguments: Sequence[str | Path], environment: Mapping[str, str] = os.environ, folder: Path | None = None
    ) -> None:
        self.arguments = [str(each) for each in arguments]
        reader, writer = FORKS.Pipe(duplex=False)
        with reader, writer:
            self.process = started(self.arguments, environment, folder, [writer, writer])
            self.stdout = os.fdopen(os.dup(reader.fileno()), errors="replace")
        weakref.finalize(self, self.stdout.close)  # a test that fails on its way must not leave it to the collector
        assert self.process.pid is not None
        self.pid = self.process.pid

    @property
    def returncode(self) -> int | None:
        """Its status, None while it runs."""
        return self.process.exitcode

    def poll(self) -> int | None:
        """Say its status, None while it runs."""
        return self.process.exitcode

    def wait(self, timeout: float) -> None:
        """Wait for its end.

        Raises:
            TimeoutExpired: it has not ended.
        """
        self.process.join(timeout)
        if self.process.exitcode is None:
            raise subprocess.TimeoutExpired(self.arguments, timeout)

    def communicate(self, timeout: float) -> tuple[str, None]:
        """Read the rest of what it and its children print, and wait for its end.

        Raises:
            TimeoutExpired: one of them still runs.
        """
        rest: list[str] = []
        reading = threading.Thread(target=lambda: rest.append(self.stdout.read()), daemon=True)
        reading.start()
        reading.join(timeout)
        if not rest:
            raise subprocess.TimeoutExpired(self.arguments, timeout)
        self.wait(timeout)
        self.stdout.close()
        return rest[0], None


def started(
    arguments: list[str], environment: Mapping[str, str], folder: Path | None, outputs: Sequence[Path | Connection]
) -> ForkServerProcess:
    """Start `execute` in a process of its own."""
    process = FORKS.Process(target=execute, args=(arguments, dict(environment), folder or Path.cwd(), outputs))
    process.start()
    return process


def run(
    arguments: Sequence[str | Path],
    environment: Mapping[str, str] = os.environ,
    folder: Path | None = None,
    timeout_s: float = 300,
) -> subprocess.CompletedProcess[str]:
    """What subprocess.run does with [sys.executable, *arguments] and captured text."""
    return Program(arguments, environment, folder).ended(timeout_s)


def run_together(programs: Sequence[Program], timeout_s: float = 300) -> list[subprocess.CompletedProcess[str]]:
    """Wait for programs that work together; when one fails, the others are killed, as torchrun does.

    Raises:
        TimeoutExpired: none of those left ended within timeout_s of the one before; all were killed.
    """
    left = {program.process.sentinel: program.process for program in programs}
    late = False
    while left and not late and not any(program.process.exitcode for program in programs):
        ended = wait(list(left), timeout_s)
        for each in ended:
            left.pop(each).join()  # pyright: ignore[reportArgumentType]
        late = not ended
    for process in left.values():
        process.kill()
    done = [program.ended(30) for program in programs]
    if late:
        raise subprocess.TimeoutExpired(programs[0].arguments, timeout_s, "\n".join(each.stdout for each in done))
    return done


def run_ranks(world: int, arguments: Sequence[str | Path], timeout_s: float = 300) -> subprocess.CompletedProcess[str]:
    """What `torchrun --nproc_per_node=WORLD` does with a program to its end, without the launcher: the same store,
    held by this process, and the same variables for each rank."""
    store = TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False)
    address = {
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(store.port),
        "TORCHELASTIC_USE_AGENT_STORE": "True",
        "WORLD_SIZE": str(world),
        "LOCAL_WORLD_SIZE": str(world),
    }
    ranks = [
        Program(arguments, os.environ | address | {"RANK": str(rank), "LOCAL_RANK": str(rank)}) for rank in range(world)
    ]
    done = run_together(ranks, timeout_s)
    return subprocess.CompletedProcess(
        ranks[0].arguments,
        next((each.returncode for each in done if each.returncode), 0),
        "".join(each.stdout for each in done),
        "".join(each.stderr for each in done),
    )


def execute(
    arguments: list[str], environment: dict[str, str], folder: Path, outputs: Sequence[Path | Connection]
) -> None:
    """The process itself: its output and surroundings first, then FILE, -m MODULE or -c TEXT as Python runs them."""
    for number, output in enumerate(outputs, start=1):
        file = os.open(output, os.O_WRONLY | os.O_APPEND) if isinstance(output, Path) else os.dup(output.fileno())
        os.dup2(file, number)
        os.close(file)
    for output in outputs:
        if isinstance(output, Connection) and not output.closed:
            output.close()
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    what, *rest = arguments
    sys.path.insert(0, "" if what in ("-c", "-m") else str(Path(what).resolve().parent))
    if what == "-c":
        sys.argv = [what, *rest[1:]]
        exec(compile(rest[0], "<string>", "exec"), {"__name__": "__main__"})
    elif what == "-m":
        sys.argv = rest
        runpy.run_module(rest[0], run_name="__main__", alter_sys=True)
    else:
        sys.argv = arguments
        runpy.run_path(what, run_name="__main__")
