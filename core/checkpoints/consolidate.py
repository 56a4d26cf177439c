"""Make an ordinary embedder of a checkpoint whose weights lie in the shards of several ranks.

python core/consolidate.py --checkpoint runs/mine/checkpoints/002000 --output mine

It runs in one process and needs memory for one copy of the weights; any other command then reads the folder.
"""

import shutil
from dataclasses import dataclass
from pathlib import Path

import torch
from peft import LoraConfig
from safetensors import safe_open
from torch import Tensor
from transformers import AutoConfig, AutoModel

from core.checkpoints import listing
from core.checkpoints.sharded import is_sharded_checkpoint, offsets, stored
from core.encoder.embedder import Embedder
from core.encoder.embedder_folder import SHARDS, read_description
from core.encoder.freezing import merge_lora
from core.encoder.lora import add_lora, check_same, is_lora
from core.files.atomic import whole_folder

FILE_SIZE = "5GB"
"""Larger models are split into several files, as is usual."""


@dataclass
class ConsolidateSettings:
    """What to make of what."""

    checkpoint: Path
    """A sharded checkpoint's folder, or a run (its latest)."""
    output: Path
    """Folder of the embedder to write; it must not exist."""
    merge: bool = False
    """Fold a LoRA adapter into its base; otherwise it stays an adapter on it."""


def consolidate(settings: ConsolidateSettings) -> Path:
    """Write the ordinary embedder and return its folder.

    Raises:
        ValueError: the checkpoint is not sharded or not complete, has no adapter to merge, or the output exists.
    """
    source = listing.resolve(settings.checkpoint).folder
    if not is_sharded_checkpoint(source):
        raise ValueError(f"{source} is an ordinary checkpoint already: it has no folder {SHARDS!r}.")
    if settings.output.exists():
        raise ValueError(f"output = {settings.output} exists; name another folder.")
    base = read_description(source).get("base")
    if base is None and settings.merge:
        raise ValueError(f"merge: {source} has no LoRA adapter.")
    weights = whole_weights(source / SHARDS)
    with whole_folder(settings.output) as partial:
        if base is None:
            write_whole(source, weights, partial)
        else:
            write_adapter(source, str(base), weights, settings.merge, partial)
    return settings.output


def write_whole(source: Path, weights: dict[str, Tensor], folder: Path) -> None:
    """Write weights under the names that transformers gives them, and what else the checkpoint has."""
    with torch.device("meta"):
        skeleton = AutoModel.from_config(AutoConfig.from_pretrained(source, local_files_only=True))
    skeleton.save_pretrained(folder, state_dict=weights, max_shard_size=FILE_SIZE)
    for path in source.iterdir():
        if path.is_file() and not path.name.startswith("training."):
            shutil.copyfile(path, folder / path.name)


def write_adapter(source: Path, base: str, weights: dict[str, Tensor], merge: bool, folder: Path) -> None:
    """Write the adapter as one on its base, or the base with the adapter folded into it.

    Raises:
        ValueError: the base is missing, or the adapter belongs to another.
    """
    embedder = Embedder.load(source / base)
    config = LoraConfig.from_pretrained(str(source))
    assert isinstance(config, LoraConfig)
    add_lora(embedder.backbone, config)
    own = dict(embedder.backbone.named_parameters())
    check_same(source / SHARDS, weights, {name: own[name] for name in own if name in weights or is_lora(name)})
    for name, value in weights.items():
        own[name].data = value.to(own[name].dtype)
        own[name].requires_grad_()
    if merge:
        merge_lora(embedder)
    embedder.save(folder)


def whole_weights(folder: Path) -> dict[str, Tensor]:
    """Return every tensor of a folder of shards, put together from its parts.

    Raises:
        ValueError: shards are missing or damaged.
    """
    whole: dict[str, Tensor] = {}
    shapes = stored(folder)
    for path in sorted(folder.glob("*.safetensors")):
        with safe_open(path, "pt") as file:
            starts = offsets(file.metadata())
            for name in file.keys():  # noqa: SIM118 - safe_open is no mapping
                part = file.get_tensor(name)
                if name not in whole:
                    whole[name] = torch.empty(shapes[name], dtype=part.dtype)
                place = tuple(slice(start, start + size) for start, size in zip(starts[name], part.shape, strict=True))
                whole[name][place] = part
    return whole
