"""Log a run: its environment, and a line of numbers for every step."""

import json
import math
import os
import platform
import subprocess
import sys
from collections.abc import Iterator, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import psutil
import torch
from accelerate import Accelerator

from core.config.private_paths import shareable_command
from core.files.atomic import write_text, writing
from core.files.reading import parse_json
from core.files.run_layout import METRICS, TENSORBOARD

PACKAGES = ("torch", "transformers", "accelerate", "safetensors", "tokenizers", "numpy", "pyarrow", "pillow")


def environment(accelerator: Accelerator, seed: int, private: bool = False) -> dict[str, Any]:
    """Versions, commit, command, processes and devices of this run; private: no folder of this machine."""
    return {
        "command": shareable_command(sys.argv) if private else sys.argv,
        "commit": commit(),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "packages": {name: version(name) for name in PACKAGES},
        "processes": accelerator.num_processes,
        "device": str(accelerator.device),
        "device_name": torch.cuda.get_device_name() if torch.cuda.is_available() else platform.processor() or "cpu",
        "threads": torch.get_num_threads(),
        "precision": accelerator.mixed_precision,
        "seed": seed,
    }


def commit() -> str | None:
    """Return the commit that this code is at, or None outside a git checkout."""
    try:
        found = subprocess.run(
            ["git", "rev-parse", "HEAD"],
            cwd=Path(__file__).parent,
            capture_output=True,
            text=True,
            timeout=5,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return found.stdout.strip()


def memory_mb() -> float:
    """Return memory in megabytes: the GPU's peak where there is one, else this process's resident set now."""
    if torch.cuda.is_available():
        return torch.cuda.max_memory_allocated() / 2**20
    return psutil.Process().memory_info().rss / 2**20


@runtime_checkable
class Log(Protocol):
    """Where the numbers of each step go."""

    def write(self, row: Mapping[str, Any]) -> None:
        """Take one step's numbers; "step" counts from 1."""
        ...

    def keep(self) -> None:
        """Bring what was written to the disk, because a checkpoint of this step is about to be."""
        ...

    def close(self) -> None:
        """Take no more."""
        ...


class MetricsLog:
    """`metrics.jsonl`: one JSON object a step, appended in one piece, so that a killed run keeps its lines."""

    def __init__(self, run: Path, done: int) -> None:
        """Open the log of a run that has `done` steps behind it; lines of later steps (redone now) are dropped.

        Raises:
            core.files.atomic.CannotWrite: the system refused.
        """
        self.path = run / METRICS
        kept = [row for row in read_metrics(run) if row["step"] <= done]
        write_text(self.path, "".join(json.dumps(row) + "\n" for row in kept))
        with writing(self.path):
            self._file = self.path.open("ab", buffering=0)

    def write(self, row: Mapping[str, Any]) -> None:
        """Append one step's numbers.

        Raises:
            core.files.atomic.CannotWrite: the system refused; no part of the line is left.
        """
        line = (json.dumps(dict(row)) + "\n").encode()
        before = self._file.tell()
        with writing(self.path):
            try:
                written = 0
                while written < len(line):
                    written += self._file.write(line[written:])
            except OSError:
                self._file.truncate(before)
                raise

    def keep(self) -> None:
        """Bring the lines to the disk."""
        with writing(self.path):
            os.fsync(self._file.fileno())

    def close(self) -> None:
        """Close the file."""
        self._file.close()


class TensorboardLog:
    """The numbers of each step as curves for TensorBoard, in `tensorboard/`; those in groups as group/name.

    What a step drew from which data set is no curve: it stands in metrics.jsonl alone.
    """

    def __init__(self, run: Path, done: int) -> None:
        """Open the curves of a run that has `done` steps behind it; later steps, redone now, replace the old ones.

        Raises:
            ValueError: the package tensorboard is not installed.
            core.files.atomic.CannotWrite: the system refused.
        """
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError as error:
            raise ValueError(
                "log.tensorboard = true needs the package tensorboard, which is not installed; install the extra: "
                'pip install -e ".[tensorboard]"'
            ) from error
        self.path = run / TENSORBOARD
        with writing(self.path):
            self._writer = SummaryWriter(str(self.path), purge_step=done + 1)

    def write(self, row: Mapping[str, Any]) -> None:
        """Add one point to each curve."""
        with writing(self.path):
            for name, value in numbers(row):
                if name != "step" and not name.startswith("datasets/"):
                    self._writer.add_scalar(name, value, row["step"])

    def keep(self) -> None:
        """Write out the points: those up to a checkpoint are not made again."""
        with writing(self.path):
            self._writer.flush()

    def close(self) -> None:
        """Close the file."""
        with writing(self.path):
            self._writer.close()


def numbers(row: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, float]]:
    """Return the finite numbers of a row; those of an inner mapping are named <outer>/<inner>."""
    for name, value in row.items():
        if isinstance(value, Mapping):
            yield from numbers(value, f"{prefix}{name}/")
        elif isinstance(value, int | float) and math.isfinite(value):
            yield f"{prefix}{name}", float(value)


def open_logs(run: Path, done: int, tensorboard: bool) -> list[Log]:
    """Return the logs of a run that has `done` steps behind it.

    Raises:
        ValueError: one of them cannot be written.
    """
    logs: list[Log] = [MetricsLog(run, done)]
    if tensorboard:
        logs.append(TensorboardLog(run, done))
    return logs


def read_metrics(run: Path) -> list[dict[str, Any]]:
    """Return the steps logged so far; a last line cut short by a kill is left out."""
    path = run / METRICS
    if not path.is_file():
        return []
    rows = []
    for line in path.read_text().splitlines():
        try:
            row = parse_json(line)
        except json.JSONDecodeError:
            break
        if not isinstance(row, dict):
            break
        rows.append(row)
    return rows
