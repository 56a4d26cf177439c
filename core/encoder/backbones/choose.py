"""Which adapter a model has, by its config's model_type."""

from collections.abc import Mapping
from typing import Any

from transformers import PreTrainedConfig
from transformers.image_processing_utils import BaseImageProcessor

from core.encoder.backbones.adapter import Family
from core.encoder.backbones.clip import Clip
from core.encoder.backbones.idefics3 import Idefics3, SmolVLM
from core.encoder.backbones.llava_onevision import LlavaOnevision
from core.encoder.backbones.qwen2_5_vl import Qwen2_5VL
from core.encoder.backbones.qwen2_vl import Qwen2VL
from core.encoder.backbones.qwen3_vl import Qwen3VL
from core.encoder.backbones.siglip import Siglip

FAMILIES: Mapping[str, type[Family[Any]]] = {
    "llava_onevision": LlavaOnevision,
    "qwen2_vl": Qwen2VL,
    "qwen2_5_vl": Qwen2_5VL,
    "qwen3_vl": Qwen3VL,
    "smolvlm": SmolVLM,
    "idefics3": Idefics3,
    "clip": Clip,
    "siglip": Siglip,
}


def family_class(config: PreTrainedConfig) -> type[Family[Any]]:
    """The adapter's class.

    Raises:
        ValueError: no adapter is made for the model.
    """
    if config.model_type not in FAMILIES:
        raise ValueError(f"model_type {config.model_type!r} is not supported; use {' or '.join(FAMILIES)}.")
    return FAMILIES[config.model_type]


def choose(config: PreTrainedConfig, image_processor: BaseImageProcessor) -> Family[Any]:
    """The adapter of a model.

    Raises:
        ValueError: no adapter is made for the model.
    """
    return family_class(config)(config, image_processor)
