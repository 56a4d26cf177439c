"""What a measurement was made on, the memory it took, and the file it goes to."""

import json
import os
import platform
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from importlib import metadata
from multiprocessing import get_context
from pathlib import Path
from types import TracebackType
from typing import Any, ParamSpec, TypeVar

import psutil
import torch

from core.evaluation.report_tables import text_table
from core.files.atomic import write_text

PACKAGES = ("torch", "transformers", "sentence-transformers", "torchvision", "accelerate")
SAMPLE_SECONDS = 0.002
MB = 2**20

P = ParamSpec("P")
R = TypeVar("R")


def environment() -> dict[str, Any]:
    """Device, threads and versions."""
    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else None
    return {
        "device": gpu or f"{processor()}, {os.cpu_count()} CPUs",
        "threads": torch.get_num_threads(),
        "load_before": list(os.getloadavg()),
        "python": platform.python_version(),
        "versions": {name: version(name) for name in PACKAGES},
    }


def processor() -> str:
    """The processor's name as the system gives it."""
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    named = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return named[0] if named else platform.processor()


def version(package: str) -> str | None:
    """The installed version, or None."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def write_result(path: Path, benchmark: str, settings: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]) -> None:
    """Write a benchmark's rows with its settings and the environment; called after each case, so none is lost."""
    content = {"benchmark": benchmark, "environment": environment(), "settings": dict(settings), "rows": list(rows)}
    write_text(path, json.dumps(content, indent=1, default=str) + "\n")


def table(rows: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> str:
    """Rows as aligned text; a column that a row lacks is "-"."""
    return text_table(columns, [[cell(row.get(name)) for name in columns] for row in rows], left=0)


def cell(value: Any) -> str:  # noqa: ANN401 - a table holds anything
    """One value as text."""
    if value is None:
        return "-"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


@dataclass
class PeakMemory:
    """Memory above that at the start, in MB: the GPU's own count where there is one, else the resident set, sampled.

    A resident set never shrinks all the way back, so compare sides in fresh processes only.
    """

    extra_mb: float = 0.0
    total_mb: float = 0.0

    def __enter__(self) -> "PeakMemory":
        self._process = psutil.Process()
        self._stop = threading.Event()
        self._before = self._peak = self._now()
        if torch.cuda.is_available():
            torch.cuda.reset_peak_memory_stats()
        self._thread = threading.Thread(target=self._sample, daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()
        peak = torch.cuda.max_memory_allocated() if torch.cuda.is_available() else max(self._peak, self._now())
        self.extra_mb, self.total_mb = (peak - self._before) / MB, peak / MB

    def _now(self) -> int:
        return torch.cuda.memory_allocated() if torch.cuda.is_available() else self._process.memory_info().rss

    def _sample(self) -> None:
        while not self._stop.wait(SAMPLE_SECONDS):
            self._peak = max(self._peak, self._now())


def in_fresh_process(function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    """Call a module's function in a new process with this one's thread count, and return what it returns.

    Raises:
        RuntimeError: the process died, of a lack of memory for instance.
    """
    context = get_context("spawn")
    with ProcessPoolExecutor(1, context, torch.set_num_threads, (torch.get_num_threads(),)) as pool:
        return pool.submit(function, *args, **kwargs).result()
