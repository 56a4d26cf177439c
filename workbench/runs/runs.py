"""The runs under a root folder, read without trusting any of it to be complete.

A run that is being written, was killed, or lost a file is still listed, with what can be known of it.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import yaml

from core.checkpoints.listing import Checkpoint, checkpoints
from core.files.reading import parse_json, parse_yaml, read_settings_text
from core.files.run_layout import CONFIG, ENVIRONMENT, METRICS
from core.objectives.settings import ObjectiveSettings
from core.training.logs import read_metrics
from workbench.bundles.bundle import list_bundles

State = Literal["finished", "running", "stopped", "half-written", "imported"]
MARKS = (CONFIG, METRICS, "checkpoints", "bundles")
FRESH = 60.0
"""A run whose log changed less than so many seconds ago counts as running."""


@dataclass(frozen=True)
class Run:
    """One run folder as it is now.

    state: "imported" is a folder that holds nothing but bundles of vectors that another tool made.
    done, planned: optimizer steps; planned is None where config.yaml cannot be read. metrics: the readable lines of
    metrics.jsonl. settings: config.yaml, empty where it cannot be read. problem: what is missing or broken, or "".
    """

    folder: Path
    state: State
    done: int
    planned: int | None
    settings: Mapping[str, Any]
    processes: int
    metrics: Sequence[Mapping[str, Any]]
    checkpoints: tuple[Checkpoint, ...]
    bundles: tuple[Path, ...]
    problem: str

    @property
    def name(self) -> str:
        """The folder's name."""
        return self.folder.name

    @property
    def last(self) -> Mapping[str, Any]:
        """The numbers of the last logged step, empty before the first."""
        return self.metrics[-1] if self.metrics else {}

    @property
    def objective(self) -> ObjectiveSettings | None:
        """The objective in config.yaml, or None where there is none that can be read."""
        try:
            return ObjectiveSettings(**self.settings["objective"])
        except (KeyError, TypeError, ValueError):
            return None

    @property
    def seconds_left(self) -> float | None:
        """Time to the last planned step at the pace of the last 20 logged ones, or None where it is unknown."""
        rates = [row["pairs_per_second"] for row in self.metrics[-20:] if row.get("pairs_per_second")]
        if self.planned is None or not rates or not isinstance(self.settings.get("batch"), int):
            return None
        seconds_a_step = sum(self.settings["batch"] / rate for rate in rates) / len(rates)
        return max(0, self.planned - self.done) * seconds_a_step

    @property
    def resume_command(self) -> str:
        """What to type to go on with the run."""
        return (
            f"torchrun --standalone --nproc_per_node={self.processes} core/train.py "
            f"--config {self.folder / CONFIG} --resume true"
        )

    @property
    def evaluate_command(self) -> str:
        """What to type to write a bundle of its latest checkpoint, or of imported vectors."""
        if self.state == "imported":
            return f"python core/import_embeddings.py --out {self.folder} --embeddings ... --items ... --pairs ..."
        return f"python core/eval.py --checkpoint {self.folder}"


def list_runs(root: Path, now: float | None = None) -> list[Run]:
    """Return the runs directly under a folder, by name; links that leave the folder are left out.

    now: seconds since the epoch, by default the present; a run counts as running if its log is younger than a minute.
    """
    if not root.is_dir():
        return []
    inside = root.resolve()
    folders = [
        each
        for each in sorted(root.iterdir())
        if not each.name.startswith(".") and is_run(each) and each.resolve().is_relative_to(inside)
    ]
    return [read_run(folder, now) for folder in folders]


def is_run(folder: Path) -> bool:
    """Tell whether a folder holds anything that a run writes."""
    return folder.is_dir() and any((folder / mark).exists() for mark in MARKS)


def read_run(folder: Path, now: float | None = None) -> Run:
    """Return one run, whatever there is of it."""
    settings, problem = read_settings(folder)
    metrics = [row for row in logged(folder) if isinstance(row, dict) and isinstance(row.get("step"), int)]
    saved = tuple(checkpoints(folder))
    done = max([row["step"] for row in metrics[-1:]] + [each.step for each in saved], default=0)
    planned = settings.get("steps") if isinstance(settings.get("steps"), int) else None
    if not problem and not metrics and not saved:
        problem = "no step has been logged yet"
    bundles = tuple(list_bundles(folder))
    imported = bool(bundles) and not any((folder / mark).exists() for mark in MARKS if mark != "bundles")
    return Run(
        folder,
        "imported" if imported else state_of(done, planned, problem, age(folder, time.time() if now is None else now)),
        done,
        planned,
        settings,
        processes(folder),
        metrics,
        saved,
        bundles,
        "" if imported else problem,
    )


def state_of(done: int, planned: int | None, problem: str, seconds: float) -> State:
    """Return the state of a run whose newest file is so many seconds old."""
    if planned is not None and done >= planned:
        return "finished"
    if seconds < FRESH:
        return "running"
    return "half-written" if problem else "stopped"


def age(folder: Path, now: float) -> float:
    """Count the seconds since the run's log, or its settings before step 1, were written; infinite without both."""
    for name in (METRICS, CONFIG):
        if (folder / name).is_file():
            return now - (folder / name).stat().st_mtime
    return float("inf")


def read_settings(folder: Path) -> tuple[dict[str, Any], str]:
    """config.yaml, and what is wrong with it ("" if nothing)."""
    try:
        settings = parse_yaml(read_settings_text(folder / CONFIG))
    except FileNotFoundError:
        return {}, f"{CONFIG} is missing"
    except (OSError, ValueError, yaml.YAMLError) as error:
        return {}, f"{CONFIG} cannot be read ({type(error).__name__})"
    if not isinstance(settings, dict) or "steps" not in settings:
        return {}, f"{CONFIG} holds no settings of a run"
    return settings, ""


def logged(folder: Path) -> list[dict[str, Any]]:
    """Return the readable lines of metrics.jsonl; none where the file cannot be read as text."""
    try:
        return read_metrics(folder)
    except (OSError, UnicodeDecodeError):
        return []


def processes(folder: Path) -> int:
    """Say how many processes the run was started with; 1 where environment.json does not say."""
    try:
        found = parse_json((folder / ENVIRONMENT).read_text())["processes"]
    except (OSError, ValueError, KeyError, TypeError):
        return 1
    return found if isinstance(found, int) and found > 0 else 1
