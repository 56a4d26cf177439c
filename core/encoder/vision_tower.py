"""The vision tower over pictures: each distinct one once, in runs of bounded size."""

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence

import torch
from torch import Tensor

from core.encoder.backbones.adapter import Family, Model
from core.encoder.inputs import Picture, Pictures

VALUES_AT_ONCE = 2**22
"""Pixel values in one run of the tower: some 7,000 patches of 14 x 14, or 9 crops of 384 x 384."""
# What a config says of where and by whom it was written, not of what the model computes.
BOOKKEEPING = ("_name_or_path", "architectures", "dtype", "torch_dtype", "transformers_version")


def distinct(groups: Iterable[Pictures]) -> list[Picture]:
    """Every picture that has pixels once, in order of first use."""
    found: dict[str, Picture] = {}
    for group in groups:
        if group.features is None:
            for picture in group.split():
                found.setdefault(picture.id, picture)
    return list(found.values())


def runs(pictures: Sequence[Picture]) -> Iterator[list[Picture]]:
    """Cut pictures into runs with rows of one shape and at most VALUES_AT_ONCE values, or one picture."""
    run: list[Picture] = []
    values = 0
    for picture in sorted(pictures, key=lambda each: tuple(each.pixels.shape[1:])):  # a stable sort
        size = picture.pixels.numel()
        if run and (run[0].pixels.shape[1:] != picture.pixels.shape[1:] or values + size > VALUES_AT_ONCE):
            yield run
            run, values = [], 0
        run.append(picture)
        values += size
    if run:
        yield run


def see(family: Family[Model], model: Model, pictures: Sequence[Picture]) -> dict[str, Tensor]:
    """The tower's features of distinct pictures, by their ids."""
    device = model.device
    features: dict[str, Tensor] = {}
    for run in runs(pictures):
        pixels = torch.cat([each.pixels for each in run]).to(device, non_blocking=True)
        seen = family.vision(model, family.scaled(pixels), [each.size for each in run])
        parts = seen.split([len(each.pixels) for each in run])
        features |= {each.id: part for each, part in zip(run, parts, strict=True)}
    return features


def stored_dtype(weights: torch.dtype, device: torch.device) -> torch.dtype:
    """In which precision the frozen tower's features are kept: autocast's where it is on, else the weights'."""
    if weights != torch.float64 and torch.is_autocast_enabled(device.type):
        return torch.get_autocast_dtype(device.type)
    return weights


def tower_digest(family: Family[Model], model: Model) -> str:
    """A sha256 of all that the tower's features depend on: weights, shapes, and how pixels are made."""
    config = family.config.to_dict()
    settings = {name: config.get(name) for name in ("vision_feature_layer", "vision_feature_select_strategy")}
    settings["vision_config"] = {k: v for k, v in config["vision_config"].items() if k not in BOOKKEEPING}
    settings["image_processor"] = family.image_processor.to_dict()
    digest = hashlib.sha256(json.dumps(settings, sort_keys=True, default=str).encode())
    for name, weight in family.weights(model, "vision"):
        digest.update(f"{name} {weight.dtype} {tuple(weight.shape)}".encode())
        digest.update(weight.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()
