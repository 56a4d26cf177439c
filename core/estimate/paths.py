"""Check every path that a training reads or writes, before it starts."""

import os
import shutil
from pathlib import Path

from core.checkpoints import listing
from core.config.settings import TrainSettings
from core.encoder.embedder_folder import read_description
from core.estimate.published_configs import published
from core.training.run_folder import refuse_existing


def path_problems(settings: TrainSettings, checkpoint_bytes: float) -> list[str]:
    """Say what is wrong with the model's folders, the output and the feature cache; the data is looked at by itself.

    checkpoint_bytes: what one checkpoint will take on the disk.
    """
    found = model_problems(settings.model.start, settings.model.published)
    reward = settings.objective.reward
    if settings.objective.weights_by_reward and reward not in ("policy", "average"):
        found += [f"objective.reward: {each}" for each in checkpoint_problems(Path(reward))]
    try:
        refuse_existing(settings)
    except ValueError as error:
        found.append(str(error))
    found += writing_problems("output", settings.output)
    place = nearest(settings.output)
    needed = checkpoint_bytes * (settings.keep_latest + settings.keep_best if settings.keep_latest else 1)
    free = shutil.disk_usage(place).free if place.is_dir() else needed
    if free < needed:
        found.append(
            f"output = {settings.output}: the checkpoints that are kept take {needed / 1e9:.0f} GB, and {place} has "
            f"{free / 1e9:.0f} GB free. Free some, keep fewer (keep_latest, keep_best), or name another folder."
        )
    if settings.model.feature_cache is not None:
        found += writing_problems("model.feature_cache", settings.model.feature_cache)
    return found


def model_problems(start: str, name: str | None) -> list[str]:
    """Say what is wrong with model.start; where it is not there and its published model is known, how to get it."""
    if start == "tiny":
        return []
    path = Path(start)
    if path.exists() or name is None:
        return [f"model.start: {each}" for each in checkpoint_problems(path)]
    try:
        advice = f"Get it by: {published(name).commands(start)}"
    except ValueError as error:
        advice = str(error)
    return [f"model.start = {start} does not exist. {advice}"]


def checkpoint_problems(path: Path) -> list[str]:
    """Say what is missing of a checkpoint's folder; weights are looked for, not read."""
    try:
        folder = listing.resolve(path).folder
        described = read_description(folder)
    except ValueError as error:
        return [str(error)]
    found = []
    if not any(folder.glob("*.safetensors")):
        found.append(f"{folder}: there are no weights (*.safetensors).")
    if "base" in described:
        return found + [
            f"the base of {folder}: {each}" for each in checkpoint_problems(folder / str(described["base"]))
        ]
    for each in ("config.json", "tokenizer.json", "preprocessor_config.json"):
        if not (folder / each).is_file():
            found.append(f"{folder / each} is missing.")
    return found


def writing_problems(name: str, path: Path) -> list[str]:
    """Say why a folder could not be made, or written to."""
    place = nearest(path)
    if not place.is_dir():
        return [f"{name} = {path}: {place} is a file, not a folder. Name another folder."]
    if not os.access(place, os.W_OK | os.X_OK):
        return [f"{name} = {path}: {place} cannot be written to. Name another folder."]
    return []


def nearest(path: Path) -> Path:
    """Return the path, or the nearest above it that exists."""
    path = path.absolute()
    return next(each for each in (path, *path.parents) if each.exists())
