"""What a run writes about itself: its settings, its environment, and a line of numbers for every step."""

import json
import platform
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator

from core.files import write_text

METRICS = "metrics.jsonl"
CONFIG = "config.yaml"
ENVIRONMENT = "environment.json"
PACKAGES = ("torch", "transformers", "accelerate", "safetensors", "tokenizers", "numpy", "pyarrow", "pillow")


def environment(accelerator: Accelerator, seed: int) -> dict[str, Any]:
    """Versions, commit, command, processes and devices of this run."""
    return {
        "command": sys.argv,
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
    """The commit that this code is at, or None outside a git checkout."""
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


class MetricsLog:
    """`metrics.jsonl`: one JSON object a step, appended and flushed, so that a killed run keeps its lines."""

    def __init__(self, run: Path, done: int) -> None:
        """Open the log of a run that has `done` steps behind it; lines of later steps (redone now) are dropped."""
        self.path = run / METRICS
        kept = [row for row in read_metrics(run) if row["step"] <= done]
        write_text(self.path, "".join(json.dumps(row) + "\n" for row in kept))
        self._file = self.path.open("a")

    def write(self, row: dict[str, Any]) -> None:
        """Append one step's numbers."""
        self._file.write(json.dumps(row) + "\n")
        self._file.flush()

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def read_metrics(run: Path) -> list[dict[str, Any]]:
    """The steps logged so far; a last line cut short by a kill is left out."""
    path = run / METRICS
    if not path.is_file():
        return []
    rows = []
    for line in path.read_text().splitlines():
        try:
            rows.append(json.loads(line))
        except json.JSONDecodeError:
            break
    return rows
