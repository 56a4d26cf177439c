"""Checkpoints: the embedder in Hugging Face's layout and the optimizer's state; safetensors and JSON only."""

import json
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import nn

from core.encoder.embedder import DESCRIPTION, Embedder
from core.files import whole_folder

OPTIMIZER_STATE = "optimizer.safetensors"
TRAINING_STATE = "training.json"


@dataclass(frozen=True)
class Checkpoint:
    """One checkpoint of a run: its folder and the number of optimizer steps done."""

    folder: Path
    step: int


def save(run: Path, step: int, embedder: Embedder, optimizer: torch.optim.AdamW) -> Checkpoint:
    """Write `checkpoints/<step>` of a run; it appears in one piece or not at all."""
    folder = run / "checkpoints" / f"{step:06d}"
    with whole_folder(folder) as partial:
        embedder.save(partial)
        save_file(optimizer_tensors(embedder, optimizer), partial / OPTIMIZER_STATE)
        (partial / TRAINING_STATE).write_text(json.dumps({"step": step}) + "\n")
    return Checkpoint(folder, step)


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
    weights = dict(model.named_parameters())
    for name, value in tensors.items():
        weight_name, key = name.rsplit("/", 1)
        if weight_name not in weights:
            raise ValueError(f"{path}: state of {weight_name!r}, which the model does not have.")
        weight = weights[weight_name]
        if key != "step" and value.shape != weight.shape:
            raise ValueError(f"{path}: {name} is {tuple(value.shape)}, its weight is {tuple(weight.shape)}.")
        optimizer.state[weight][key] = value if key == "step" else value.to(weight.device)


def checkpoints(run: Path) -> list[Checkpoint]:
    """The complete checkpoints of a run, oldest first."""
    found = []
    for folder in sorted((run / "checkpoints").glob("[0-9]*")):
        if (folder / DESCRIPTION).is_file() and folder.name.isdigit():
            found.append(Checkpoint(folder, int(folder.name)))
    return sorted(found, key=lambda each: each.step)


def latest(run: Path) -> Checkpoint | None:
    """The checkpoint with the most steps, or None."""
    found = checkpoints(run)
    return found[-1] if found else None


def resolve(path: Path) -> Checkpoint:
    """The checkpoint that a path means: a checkpoint's folder, or a run (its latest).

    Raises:
        ValueError: the path is neither.
    """
    if (path / DESCRIPTION).is_file():
        return Checkpoint(path, int(path.name) if path.name.isdigit() else 0)
    found = latest(path)
    if found is None:
        raise ValueError(f"{path} is neither a checkpoint (it has no {DESCRIPTION}) nor a run with checkpoints.")
    return found
