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
from collections.abc import Mapping, Sequence
from multiprocessing import get_context
from multiprocessing.connection import wait
from pathlib import Path

from torch.distributed import TCPStore

PRELOADED = (
    "torch.distributed",
    "accelerate",
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
        told = (self.arguments, dict(environment), folder or Path.cwd(), self.files)
        self.process = FORKS.Process(target=execute, args=told)
        self.process.start()

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


def execute(arguments: list[str], environment: dict[str, str], folder: Path, files: Sequence[Path]) -> None:
    """The process itself: its output and surroundings first, then FILE, -m MODULE or -c TEXT as Python runs them."""
    for number, path in enumerate(files, start=1):
        file = os.open(path, os.O_WRONLY | os.O_APPEND)
        os.dup2(file, number)
        os.close(file)
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
