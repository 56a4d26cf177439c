"""Choose a model's backbone adapter by its config's model_type."""

from collections.abc import Mapping
from typing import Any

from transformers import PreTrainedConfig
from transformers.image_processing_utils import BaseImageProcessor

from core.encoder.backbones.adapter import BackboneAdapter
from core.encoder.backbones.clip import ClipAdapter
from core.encoder.backbones.idefics3 import Idefics3, SmolVLM
from core.encoder.backbones.llava_onevision import LlavaOnevision
from core.encoder.backbones.qwen2_5_vl import Qwen2_5VL
from core.encoder.backbones.qwen2_vl import Qwen2VL
from core.encoder.backbones.qwen3_vl import Qwen3VL
from core.encoder.backbones.siglip import SiglipAdapter

ADAPTERS: Mapping[str, type[BackboneAdapter[Any]]] = {
    "llava_onevision": LlavaOnevision,
    "qwen2_vl": Qwen2VL,
    "qwen2_5_vl": Qwen2_5VL,
    "qwen3_vl": Qwen3VL,
    "smolvlm": SmolVLM,
    "idefics3": Idefics3,
    "clip": ClipAdapter,
    "siglip": SiglipAdapter,
}


def adapter_class(config: PreTrainedConfig) -> type[BackboneAdapter[Any]]:
    """Return the adapter's class.

    Raises:
        ValueError: no adapter is made for the model.
    """
    if config.model_type not in ADAPTERS:
        raise ValueError(f"model_type {config.model_type!r} is not supported; use {' or '.join(ADAPTERS)}.")
    return ADAPTERS[config.model_type]


def choose_adapter(config: PreTrainedConfig, image_processor: BaseImageProcessor) -> BackboneAdapter[Any]:
    """Return the adapter of a model.

    Raises:
        ValueError: no adapter is made for the model.
    """
    return adapter_class(config)(config, image_processor)
