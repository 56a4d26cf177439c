"""Checkpoints: the embedder in Hugging Face's layout and the training's state; safetensors and JSON only."""

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import nn

from core.checkpoints.listing import Checkpoint, checkpoints
from core.encoder.embedder import Embedder
from core.files.atomic import remove_folder, whole_folder
from core.files.reading import parse_json

OPTIMIZER_STATE = "optimizer.safetensors"
OTHER_STATE = "training.safetensors"
TRAINING_STATE = "training.json"


@dataclass(frozen=True)
class CheckpointScore:
    """How good a checkpoint is, by one measure; `higher` says which way is better."""

    measure: str
    value: float
    higher: bool


@dataclass(frozen=True)
class TrainingState:
    """What a checkpoint says about the training beyond weights and optimizer.

    objective: its name and the values that it had at the checkpoint's step. in_a_row: how many steps before it were
    skipped one after another. tensors: state of other parts by name, such as an average of the weights.
    """

    objective: Mapping[str, Any] = field(default_factory=dict)
    score: CheckpointScore | None = None
    in_a_row: int = 0
    tensors: Mapping[str, torch.Tensor] = field(default_factory=dict)


def save(
    run: Path, step: int, embedder: Embedder, optimizer: torch.optim.AdamW, state: TrainingState | None = None
) -> Checkpoint:
    """Write `checkpoints/<step>` of a run; it appears in one piece, on the disk, or not at all.

    Raises:
        core.files.atomic.CannotWrite: the system refused.
    """
    state = state or TrainingState()
    folder = run / "checkpoints" / f"{step:06d}"
    with whole_folder(folder) as partial:
        try:
            embedder.save(partial)
            save_file(optimizer_tensors(embedder, optimizer), partial / OPTIMIZER_STATE)
            describe(partial, step, state)
        except SafetensorError as error:
            raise OSError(str(error)) from error
    return Checkpoint(folder, step)


def describe(folder: Path, step: int, state: TrainingState) -> None:
    """Write the training's state into a checkpoint's folder, at last: it lists all files that are there.

    Raises:
        OSError, SafetensorError: the system refused.
    """
    if state.tensors:
        save_file(dict(state.tensors), folder / OTHER_STATE)
    described = {
        "step": step,
        "objective": dict(state.objective),
        "score": vars(state.score) if state.score else None,
        "skipped_in_a_row": state.in_a_row,
        "files": sizes(folder),
    }
    (folder / TRAINING_STATE).write_text(json.dumps(described, indent=2) + "\n")


def sizes(folder: Path) -> dict[str, int]:
    """Return bytes of every file of a folder by its relative path."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.stat().st_size for path in files}


def description(checkpoint: Checkpoint) -> dict[str, Any]:
    """Say what `training.json` says.

    Raises:
        ValueError: it is missing or no JSON object.
    """
    path = checkpoint.folder / TRAINING_STATE
    try:
        found = parse_json(path.read_text())
    except (OSError, ValueError) as error:
        raise ValueError(f"{path}: the training's state cannot be read ({error}).") from error
    if not isinstance(found, dict):
        raise ValueError(f"{path}: holds a {type(found).__name__}; a training is described by a JSON object.")
    return found


def damage(checkpoint: Checkpoint) -> str | None:
    """Say why training cannot go on from a checkpoint: a file is missing or was cut short. None if it is whole."""
    try:
        described = description(checkpoint)
    except ValueError as error:
        return str(error)
    listed = described.get("files", {OPTIMIZER_STATE: None})  # version 0.1 listed no files
    found = sizes(checkpoint.folder)
    for name, size in listed.items():
        if name not in found:
            return f"{checkpoint.folder / name} is missing."
        if size is not None and found[name] != size:
            return f"{checkpoint.folder / name} has {found[name]} bytes, {TRAINING_STATE} says {size}."
    return None


def training_state(checkpoint: Checkpoint) -> TrainingState:
    """Say what `save` was given as `state`.

    Raises:
        ValueError: it cannot be read.
    """
    described = description(checkpoint)
    score = described.get("score")
    path = checkpoint.folder / OTHER_STATE
    try:
        tensors = load_file(path) if path.is_file() else {}
        return TrainingState(
            described.get("objective", {}),
            CheckpointScore(**score) if score else None,
            described.get("skipped_in_a_row", 0),
            tensors,
        )
    except (OSError, SafetensorError, TypeError) as error:
        raise ValueError(f"{checkpoint.folder}: the training's state cannot be read ({error}).") from error


def superfluous(
    found: Sequence[tuple[Checkpoint, CheckpointScore | None]], keep_latest: int, keep_best: int
) -> list[Checkpoint]:
    """Return the checkpoints, given from oldest to newest, that are neither among the latest nor among the best.

    keep_latest = 0 keeps all. Only scores of the newest score's measure are compared; of equal ones the newer wins.
    """
    if keep_latest == 0:
        return []
    scored = [(score, each) for each, score in found if score is not None]
    alike = [(score, each) for score, each in scored if score.measure == scored[-1][0].measure]
    alike.sort(key=lambda pair: (pair[0].value if pair[0].higher else -pair[0].value, pair[1].step), reverse=True)
    kept = {each.step for _, each in alike[:keep_best]} | {each.step for each, _ in found[-keep_latest:]}
    return [each for each, _ in found if each.step not in kept]


def prune(run: Path, keep_latest: int, keep_best: int) -> None:
    """Delete a run's checkpoints that are neither among the latest nor among the best.

    Raises:
        core.files.atomic.CannotWrite: the system refused.
    """
    found = [(each, training_state(each).score if damage(each) is None else None) for each in checkpoints(run)]
    for each in superfluous(found, keep_latest, keep_best):
        remove_folder(each.folder)


def put_damaged_aside(run: Path) -> list[str]:
    """Rename the checkpoints newer than the newest whole one, all of them damaged, and say why for each.

    Raises:
        ValueError: there are checkpoints, but none is whole.
    """
    damaged: list[tuple[Checkpoint, str]] = []
    for each in reversed(checkpoints(run)):
        reason = damage(each)
        if reason is None:
            break
        damaged.append((each, reason))
    else:
        if damaged:
            raise ValueError(f"{run}: no checkpoint is whole; the latest: {damaged[0][1]} Start anew elsewhere.")
    for each, _ in damaged:
        target = each.folder.with_name(each.folder.name + ".damaged")
        if target.exists():
            remove_folder(target)
        os.replace(each.folder, target)
    return [f"{each.folder} is passed over and renamed to *.damaged: {reason}" for each, reason in damaged]


def optimizer_tensors(model: nn.Module, optimizer: torch.optim.AdamW) -> dict[str, torch.Tensor]:
    """AdamW's moments and step counts under the names of their weights."""
    tensors: dict[str, torch.Tensor] = {}
    for name, weight in model.named_parameters():
        for key, value in optimizer.state.get(weight, {}).items():
            tensors[f"{name}/{key}"] = value.detach().contiguous()
    return tensors


def restore_optimizer(checkpoint: Checkpoint, model: nn.Module, optimizer: torch.optim.AdamW) -> None:
    """Put back what `optimizer_tensors` saved.

    Raises:
        ValueError: there is no state that can be read, or it belongs to other weights.
    """
    path = checkpoint.folder / OPTIMIZER_STATE
    try:
        tensors = load_file(path)
    except (OSError, SafetensorError) as error:
        raise ValueError(f"{path}: the optimizer's state cannot be read ({error}).") from error
    try:
        put_back(tensors, model, optimizer)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error


def put_back(tensors: Mapping[str, torch.Tensor], model: nn.Module, optimizer: torch.optim.AdamW) -> None:
    """Give the optimizer the moments and step counts that `optimizer_tensors` took from it.

    Raises:
        ValueError: they belong to other weights.
    """
    weights = dict(model.named_parameters())
    for name, value in tensors.items():
        weight_name, key = name.rsplit("/", 1)
        if weight_name not in weights:
            raise ValueError(f"state of {weight_name!r}, which the model does not have.")
        weight = weights[weight_name]
        if key != "step" and value.shape != weight.shape:
            raise ValueError(f"{name} is {tuple(value.shape)}, its weight is {tuple(weight.shape)}.")
        optimizer.state[weight][key] = value if key == "step" else value.to(weight.device)
