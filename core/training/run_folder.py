"""Open a run's folder: a new one gets its settings and environment, an old one is resumed or refused."""

import dataclasses
import json
import sys
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator

from core.checkpoints import checkpoint as checkpoints
from core.checkpoints import listing
from core.checkpoints.listing import Checkpoint
from core.config.command_line import plain, to_yaml
from core.config.settings import TrainSettings
from core.data.checks.problems import Problem
from core.files.atomic import remove_left_overs, write_text, writing
from core.files.reading import read_settings
from core.files.run_layout import CONFIG, ENVIRONMENT, METRICS, PAIR_RECORDS, SKIPPED
from core.parallel.collectives import all_rows
from core.training.logs import environment
from core.training.nan_guard import forget_faults_after

FREE_TO_CHANGE = (
    "output",
    "resume",
    "save_every",
    "keep_latest",
    "keep_best",
    "on_nonfinite",
    "nonfinite_limit",
    "collective_timeout_s",
    "dry_run",
    "private_paths",
    "chunk",
    "graph_memory_gb",
    "data.workers",
    "data.on_bad_item",
    "model.feature_cache",
    "model.published",
    "validate.every",
    "validate.queries",
    "log.tensorboard",
)
"""Settings that change neither the data, the model, nor the loss."""


def open_run(settings: TrainSettings, accelerator: Accelerator) -> Checkpoint | None:
    """Prepare the run's folder and return the checkpoint to go on from; None for a run that starts from the beginning.

    What dead processes left half-written, and what later steps wrote that are done again now, is removed.

    Raises:
        ValueError: the folder holds a run and resume is off, or its settings differ, or no checkpoint is whole.
        core.files.atomic.CannotWrite: the folder cannot be written to.
    """
    run = settings.output
    refuse_existing(settings)
    accelerator.wait_for_everyone()
    if accelerator.is_main_process:
        mend(run)
        write_text(run / CONFIG, to_yaml(dataclasses.replace(settings, resume=False)))
        described = environment(accelerator, settings.seed, settings.private_paths)
        write_text(run / ENVIRONMENT, json.dumps(described, indent=2) + "\n")
    accelerator.wait_for_everyone()
    latest = listing.latest(run)
    refuse_other_folders(run, latest.step if latest else 0, accelerator)
    return latest


def refuse_existing(settings: TrainSettings) -> None:
    """Raise ValueError if the folder holds a run and resume is off, or its settings differ."""
    run = settings.output
    if not listing.checkpoints(run) and not (run / METRICS).exists():
        return
    if not settings.resume:
        raise ValueError(
            f"output = {run} already holds a run. Go on with it by --resume, or name another folder by --output."
        )
    refuse_other_settings(settings)


def mend(run: Path) -> None:
    """Make a run's folder what it was right after its latest whole checkpoint.

    Raises:
        ValueError: there are checkpoints, but none is whole.
        core.files.atomic.CannotWrite: the folder cannot be written to.
    """
    for folder in (run, run / "checkpoints", run / PAIR_RECORDS):
        remove_left_overs(folder)
    for message in checkpoints.put_damaged_aside(run):
        print(f"warning: {message}", file=sys.stderr)
    latest = listing.latest(run)
    done = latest.step if latest else 0
    forget_faults_after(run, done)
    with writing(run / PAIR_RECORDS):
        for path in (run / PAIR_RECORDS).glob("[0-9]*-rank*.parquet"):
            if int(path.name.split("-")[0]) > done:
                path.unlink()


def refuse_other_folders(run: Path, step: int, accelerator: Accelerator) -> None:
    """Raise ValueError unless every process sees the run at the same step: nodes must share the folder."""
    steps = torch.tensor([step], device=accelerator.device)
    seen = sorted(set(all_rows(steps).tolist()))
    if len(seen) > 1:
        raise ValueError(
            f"output = {run}: processes see checkpoints of different steps, {seen}. Every node needs the same folder."
        )


def refuse_other_settings(settings: TrainSettings) -> None:
    """Raise ValueError if the run was made with other settings than these, naming the first that differs.

    A setting that config.yaml does not name did not exist yet, and had what is the default now.
    """
    path = settings.output / CONFIG
    try:
        saved = flat(plain(TrainSettings())) | flat(read_settings(path))
    except ValueError as error:
        raise ValueError(f"{path}: the run's settings cannot be read ({error}), so it cannot be resumed.") from error
    for name, value in flat(plain(settings)).items():
        free = name in FREE_TO_CHANGE or name.startswith("plan.")
        if not free and saved[name] != value:
            raise ValueError(
                f"{name} = {value!r}, but {path} says {saved[name]!r}. To go on with this run, use "
                f"--config {path} --resume; for other settings name another --output."
            )


def flat(nested: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested settings by dotted names."""
    out: dict[str, Any] = {}
    for name, value in nested.items():
        out |= flat(value, f"{prefix}{name}.") if isinstance(value, dict) else {f"{prefix}{name}": value}
    return out


def write_skipped(run: Path, problems: list[Problem]) -> None:
    """List what was left out of the data in `skipped.jsonl`, if anything was, and say how much."""
    if not problems:
        return
    lines = [json.dumps({"where": each.where, "reason": each.reason}) + "\n" for each in problems]
    write_text(run / SKIPPED, "".join(lines))
    print(f"Skipped {len(problems)} bad items; they are listed in {run / SKIPPED}.")
