"""The model of a training on the meta device: shapes and types of all weights, and not a byte of them."""

from dataclasses import dataclass
from pathlib import Path

import torch
from transformers import AutoConfig, AutoImageProcessor, AutoModel

from core.checkpoints import listing
from core.config.model_settings import ModelSettings
from core.encoder.backbones.choose import adapter_class
from core.encoder.embedder import Embedder
from core.encoder.embedder_folder import LOAD_ERRORS, read_description
from core.encoder.freezing import make_trainable
from core.encoder.tiny.llava_onevision import tiny_embedder, tiny_tokenizer
from core.estimate.published_configs import CONFIGS, published
from core.training.starting_model import narrow_frozen, set_resolution


@dataclass(frozen=True)
class EstimatedModel:
    """An embedder without weights, set up for training, and where its sizes are from."""

    embedder: Embedder
    origin: str


def estimated_model(model: ModelSettings) -> EstimatedModel:
    """Return the model that the settings name, with its adapters and with what is frozen.

    Its sizes are those of model.start, or while that does not exist those of model.published. Its tokenizer is the
    tiny model's, and of no use.

    Raises:
        ValueError: neither is there, or a setting of the model does not fit it.
    """
    with torch.device("meta"):
        if model.start == "tiny":
            embedder = tiny_embedder(0, model.width, model.layers, model.vision_layers)
            origin = "the tiny model"
        else:
            folder = config_folder(model)
            embedder = shaped(folder)
            origin = f"core/recipes/configs/{folder.name}" if folder.parent == CONFIGS else str(folder)
        set_resolution(embedder.backbone.config, embedder.image_processor, model)
        make_trainable(embedder, model.trainable)
        if model.frozen_dtype == "bfloat16":
            narrow_frozen(embedder)
    return EstimatedModel(embedder, origin)


def config_folder(model: ModelSettings) -> Path:
    """Get the folder whose config.json says the sizes: model.start's own, its adapter's base, or the published model's.

    Raises:
        ValueError: there is none.
    """
    try:
        folder = listing.resolve(Path(model.start)).folder
        described = read_description(folder)
    except ValueError:
        if model.published is None:
            raise
        return published(model.published).folder
    return folder / str(described["base"]) if "base" in described else folder


def shaped(folder: Path) -> Embedder:
    """Return an embedder in float32, on torch's default device, from its configs alone.

    Raises:
        ValueError: the configs cannot be read, or are those of a family that is not supported.
    """
    try:
        config = AutoConfig.from_pretrained(folder, local_files_only=True)
        adapter_class(config)
        backbone = AutoModel.from_config(config, dtype=torch.float32)
        image_processor = AutoImageProcessor.from_pretrained(folder, backend="pil", local_files_only=True)
    except LOAD_ERRORS as error:
        raise ValueError(f"{folder}: the model's configs cannot be read: {error}") from error
    return Embedder(backbone, tiny_tokenizer(), image_processor)
