"""Real processes for a notebook: run a function on every rank of a gloo group, or the trainer under torchrun.

The processes start once and serve every call of the notebook (starting one means importing torch: seconds). The
function goes to them by its source (`workbench.lessons.sending`), tensors by safetensors, both through a temporary
folder; there is no network.
"""

import atexit
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from core.training.logs import read_metrics
from workbench.lessons.sending import program

ROOT = Path(__file__).parents[2]
START_S = 120.0
"""Seconds that processes may take to start: a busy machine imports torch slowly."""
LIMIT_S = 60.0
"""Seconds that a function may take on its ranks."""
POLL_S = 0.003

Result = Tensor | float | dict[str, Tensor] | list[Tensor] | None


class RankError(RuntimeError):
    """A function failed on a rank, or never came back from it."""

    def _render_traceback_(self) -> list[str]:
        """Say what a notebook shows: the message, which holds the rank's own trace."""
        return [str(self)]


def run_on_ranks(
    function: Callable[..., Any],
    world: int,
    *tensors: Tensor,
    limit_s: float = LIMIT_S,
    **functions: Callable[..., Any],
) -> list[Any]:
    """Run function(*tensors, **functions) in `world` real processes at once; the results in the order of ranks.

    Every rank gets the same whole tensors; `torch.distributed` is ready there, and its rank tells a process which
    part is its own. The function may return a tensor, a number, a dict or a list of them, or None; what it prints is
    printed here, rank by rank. limit_s: seconds after which the processes are stopped.

    Raises:
        NotImplementedError: the function is an exercise that is still to be written.
        RankError: it failed on a rank, with that rank's trace; or a rank did not come back in time.
        CannotSend: the function needs something of the notebook that cannot be sent.
    """
    started = pool(world)
    try:
        return started.run(function, tensors, functions, limit_s)
    except (RankError, NotImplementedError, KeyboardInterrupt):
        close(world)
        raise


POOLS: dict[int, "Pool"] = {}


def start(world: int) -> None:
    """Start the processes of a group in the background, so that they are ready when the first function comes."""
    pool(world)


def pool(world: int) -> "Pool":
    """Get the processes of a group of this size, started now if they do not run yet. Returns before they are ready."""
    if world not in POOLS or POOLS[world].dead():
        close(world)
        POOLS[world] = Pool(world)
    return POOLS[world]


def close(world: int) -> None:
    """Stop the processes of a group, if they run."""
    if world in POOLS:
        POOLS.pop(world).close()


@atexit.register
def close_all() -> None:
    """Stop every group."""
    for world in list(POOLS):
        close(world)


class Pool:
    """`world` processes in one gloo group, waiting for jobs."""

    def __init__(self, world: int) -> None:
        self.folder = tempfile.TemporaryDirectory(prefix="ranks-")
        self.path = Path(self.folder.name).resolve()
        self.errors = (self.path / "stderr.txt").open("w", encoding="utf-8")
        self.jobs = 0
        self.ready = False
        command = [sys.executable, "-m", "workbench.lessons.rank_program"]
        self.processes = [
            subprocess.Popen(
                [*command, str(number), str(world), str(self.path)],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=self.errors,
                text=True,
                cwd=ROOT,
                env=os.environ | {"OMP_NUM_THREADS": "1"},
            )
            for number in range(world)
        ]

    def run(
        self,
        function: Callable[..., Any],
        tensors: Sequence[Tensor],
        functions: Mapping[str, Callable[..., Any]],
        limit_s: float,
    ) -> list[Result]:
        """Return one job on all ranks."""
        job = self.path / f"job-{self.jobs}"
        self.jobs += 1
        write_job(job, function, tensors, functions)
        if not self.ready:
            late = f"The {len(self.processes)} processes did not start within {START_S:.0f} s."
            self.wait([self.path / f"{rank}.ready" for rank in range(len(self.processes))], START_S, late)
            self.ready = True
        for process in self.processes:
            assert process.stdin is not None
            process.stdin.write(f"{job}\n")
            process.stdin.flush()
        late = (
            f"No answer within {limit_s:.0f} s, so the processes were stopped. Most often one rank waits for "
            "the others in a collective that they never call: every rank must make the same calls in the same order."
        )
        results = [job / f"{rank}.safetensors" for rank in range(len(self.processes))]
        self.wait(results, limit_s, late)
        for rank in range(len(self.processes)):
            for line in (job / f"{rank}.txt").read_text(encoding="utf-8").splitlines():
                print(f"[rank {rank}] {line}")
        return [read_result(path) for path in results]

    def wait(self, files: Sequence[Path], limit_s: float, late: str) -> None:
        """Until all the files are there.

        Raises:
            RankError, NotImplementedError: a process ended, or time is over.
        """
        end = time.monotonic() + limit_s
        while not all(each.exists() for each in files):
            if self.dead():
                raise self.failure()
            if time.monotonic() > end:
                raise RankError(late)
            time.sleep(POLL_S)

    def dead(self) -> bool:
        """Tell whether any of the processes has ended."""
        return any(process.poll() is not None for process in self.processes)

    def failure(self) -> Exception:
        """Say what ended a process: of several ranks' errors the first, since the others only lost their partner."""
        found = [(json.loads(path.read_text(encoding="utf-8")), path.stem) for path in self.path.glob("?.json")]
        if not found:
            self.errors.flush()
            last = (self.path / "stderr.txt").read_text(encoding="utf-8")[-2000:]
            return RankError(f"A process ended without a word. Its last lines:\n{last}")
        error, rank = min(found, key=lambda each: each[0]["at"])
        if error["kind"] == "NotImplementedError":
            return NotImplementedError(error["message"])
        return RankError(f"On rank {rank}:\n{error['trace']}\n{error['kind']}: {error['message']}")

    def close(self) -> None:
        """Stop the processes and remove their folder."""
        for process in self.processes:
            process.kill()
        for process in self.processes:
            process.wait()
            assert process.stdin is not None
            process.stdin.close()
        self.errors.close()
        self.folder.cleanup()


def write_job(
    job: Path, function: Callable[..., Any], tensors: Sequence[Tensor], functions: Mapping[str, Callable[..., Any]]
) -> None:
    """Write a job's folder: the programs, the tensors, and how they are called."""
    texts = {name: program(each) for name, each in {"": function, **functions}.items()}
    job.mkdir()
    files = {}
    for place, (name, (text, entry)) in enumerate(texts.items()):
        files[name] = (f"sent-{entry if name == '' else f'{place}-{entry}'}.py", entry)
        (job / files[name][0]).write_text(text, encoding="utf-8")
    file, entry = files.pop("")
    wanted = {"file": file, "entry": entry, "functions": files}
    (job / "job.json").write_text(json.dumps(wanted), encoding="utf-8")
    whole = {str(place): each.detach().clone().contiguous() for place, each in enumerate(tensors)}
    save_file(whole, job / "tensors.safetensors")


def read_result(path: Path) -> Result:
    """Say what a rank's function returned."""
    with safe_open(path, framework="pt") as file:
        kind = file.metadata()["kind"]
        values = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  (it is no dict)
    if kind == "dict":
        return values
    if kind == "list":
        return [values[str(place)] for place in range(len(values))]
    if kind == "none":
        return None
    return values["0"] if kind == "tensor" else float(values["0"])


def torchrun(processes: int, *arguments: str, limit_s: float = 120.0) -> list[dict[str, float]]:
    """Run `torchrun --nproc_per_node=<processes> core/train.py <arguments>` into a temporary folder; its log's lines.

    Raises:
        RankError: the trainer failed, or took longer than limit_s; with its last lines.
    """
    with tempfile.TemporaryDirectory(prefix="torchrun-") as folder:
        launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc_per_node={processes}"]
        try:
            done = subprocess.run(
                [*launcher, "core/train.py", "--output", folder, *arguments],
                cwd=ROOT,
                env=os.environ | {"OMP_NUM_THREADS": "1"},
                capture_output=True,
                text=True,
                timeout=limit_s,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise RankError(f"The trainer did not end within {limit_s:.0f} s.") from error
        if done.returncode:
            raise RankError(f"The trainer failed:\n{done.stderr[-3000:]}")
        return [*read_metrics(Path(folder))]
