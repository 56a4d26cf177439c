"""Opening a run's folder: a new one gets its settings and environment, an old one is resumed or refused."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import yaml
from accelerate import Accelerator

from core import checkpoint as checkpoints
from core.command_line import plain, to_yaml
from core.config import TrainSettings
from core.data.problems import Problem
from core.files import write_text
from core.logs import CONFIG, ENVIRONMENT, METRICS, environment

FREE_TO_CHANGE = ("output", "resume", "save_every", "chunk", "keep_chunks")


def open_run(settings: TrainSettings, accelerator: Accelerator) -> int:
    """Prepare the run's folder and return how many steps it has behind it; 0 for a new run.

    Raises:
        ValueError: the folder holds a run and resume is off, or its settings differ.
    """
    latest = checkpoints.latest(settings.output)
    existing = latest is not None or (settings.output / METRICS).exists()
    if existing and not settings.resume:
        raise ValueError(
            f"output = {settings.output} already holds a run. Go on with it by --resume, "
            "or name another folder by --output."
        )
    if existing:
        refuse_other_settings(settings)
    accelerator.wait_for_everyone()
    if accelerator.is_main_process:
        write_text(settings.output / CONFIG, to_yaml(dataclasses.replace(settings, resume=False)))
        described = environment(accelerator, settings.seed)
        write_text(settings.output / ENVIRONMENT, json.dumps(described, indent=2) + "\n")
    accelerator.wait_for_everyone()
    return latest.step if latest else 0


def refuse_other_settings(settings: TrainSettings) -> None:
    """Raise ValueError if the run was made with other settings than these, naming the first that differs."""
    path = settings.output / CONFIG
    saved = flat(yaml.safe_load(path.read_text()))
    for name, value in flat(plain(settings)).items():
        if name not in FREE_TO_CHANGE and saved.get(name) != value:
            raise ValueError(
                f"{name} = {value!r}, but {path} says {saved.get(name)!r}. To go on with this run, use "
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
    write_text(run / "skipped.jsonl", "".join(lines))
    print(f"Skipped {len(problems)} bad items; they are listed in {run / 'skipped.jsonl'}.")
