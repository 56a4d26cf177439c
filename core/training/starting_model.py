"""Make the model that a training starts from, set up as its settings say."""

import os
import shutil
from pathlib import Path
from typing import Any

import torch

from core.checkpoints import listing
from core.config.model_settings import ModelSettings
from core.config.settings import TrainSettings
from core.encoder.backbones.adapter import to_float64
from core.encoder.embedder import Embedder
from core.encoder.freezing import make_trainable
from core.encoder.lora import lora_config
from core.encoder.tiny.llava_onevision import tiny_embedder
from core.files.atomic import whole_folder
from core.training.step import mixed_precision

WEIGHTS = ("*.safetensors", "*.safetensors.index.json")


def starting_embedder(settings: TrainSettings, main: bool) -> Embedder:
    """Return the fresh tiny model, or the checkpoint that model.start names, set up for training.

    A LoRA adapter needs a saved base. Where that of model.start does not do, because the model is fresh or sees
    pictures at another resolution now, the main process writes one to `<output>/base`. In float64 when the precision
    asks for it.

    Raises:
        ValueError: the folder is no checkpoint, or a setting of the model does not fit it.
    """
    model = settings.model
    if model.start == "tiny":
        embedder = tiny_embedder(settings.seed, model.width, model.layers, model.vision_layers)
    else:
        embedder = Embedder.load(listing.resolve(Path(model.start)).folder)
    embedder.relative_base = settings.private_paths
    changed = set_resolution(embedder.backbone.config, embedder.image_processor, model)
    if model.trainable.lora_rank and (changed or embedder.base is None):
        stand_on_own_base(embedder, settings.output / "base", main)
    if settings.precision == "float64":
        to_float64(embedder.backbone)
    embedder.prepare.max_text_tokens = model.max_text_tokens
    make_trainable(embedder, model.trainable)
    if model.frozen_dtype == "bfloat16":
        if mixed_precision(settings.precision) != "bf16":
            raise ValueError(
                f"model.frozen_dtype = 'bfloat16' needs bfloat16 arithmetic, and precision = {settings.precision!r} is "
                "not that here; set precision = 'bfloat16', or model.frozen_dtype = 'float32'."
            )
        narrow_frozen(embedder)
    return embedder


def set_resolution(config: Any, image_processor: Any, model: ModelSettings) -> bool:  # noqa: ANN401 - any family's
    """Let a model see pictures at the resolution that the settings ask for; whether that is another than before.

    Raises:
        ValueError: the model's pictures are not made in that way.
    """
    before = image_processor.to_dict()
    if model.max_crops is not None:
        if not hasattr(image_processor, "image_grid_pinpoints"):
            raise ValueError(f"model.max_crops = {model.max_crops} does not fit {config.model_type}: it cuts no crops.")
        side, sides = image_processor.size["height"], range(1, model.max_crops + 1)
        config.image_grid_pinpoints = [[side * rows, side * columns] for rows in sides for columns in sides]
        image_processor.image_grid_pinpoints = config.image_grid_pinpoints
    if model.min_pixels is not None or model.max_pixels is not None:
        size = before["size"]
        if not {"shortest_edge", "longest_edge"} <= size.keys() or not hasattr(image_processor, "merge_size"):
            raise ValueError(
                f"model.min_pixels and model.max_pixels do not fit {config.model_type}: it does not limit pixels."
            )
        # Qwen-VL's processors call their limits of pixels by the names of edges.
        least, most = model.min_pixels or size["shortest_edge"], model.max_pixels or size["longest_edge"]
        if least > most:
            raise ValueError(
                f"model.min_pixels = {least} is above model.max_pixels = {most} (or those of model.start)."
            )
        image_processor.size = {**size, "shortest_edge": least, "longest_edge": most}
    return image_processor.to_dict() != before


def stand_on_own_base(embedder: Embedder, folder: Path, main: bool) -> None:
    """Give the adapter to come a base in `folder`; its weights are links to those of model.start, if it has a folder.

    Raises:
        ValueError: model.start is an adapter itself.
    """
    if lora_config(embedder.backbone) is not None:
        raise ValueError(
            f"The model starts from a LoRA adapter on {embedder.base}, which sees pictures at another resolution: "
            "leave model.max_crops, min_pixels and max_pixels as they were, or merge the adapter first."
        )
    source, embedder.base = embedder.base, folder
    if not main or folder.exists():
        return
    with whole_folder(folder) as partial:
        if source is None:
            embedder.save(partial)
            return
        embedder.describe(partial)
        for path in [path for pattern in WEIGHTS for path in source.glob(pattern)]:
            link(path, partial / path.name)


def link(source: Path, target: Path) -> None:
    """Return the same file under a second name; a copy where the file system has no such links."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


def narrow_frozen(embedder: Embedder) -> None:
    """Keep weights that do not train in bfloat16."""
    for weight in embedder.backbone.parameters():
        if not weight.requires_grad:
            weight.data = weight.data.to(torch.bfloat16)
