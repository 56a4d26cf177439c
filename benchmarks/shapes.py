"""Models of published sizes with random weights, built on the device, and the work that one pair is for them."""

from collections.abc import Sequence
from typing import Any, Literal

import torch
from transformers import (
    LlavaOnevisionConfig,
    LlavaOnevisionImageProcessorPil,
    LlavaOnevisionModel,
    Qwen2Config,
    SiglipVisionConfig,
)

from benchmarks.anyres_model import GRID, picture_options
from benchmarks.timing import timed
from core.encoder.embedder import Embedder
from core.encoder.inputs import TokenizedItem
from core.encoder.tiny.llava_onevision import IMAGE, VIDEO, initialize, tiny_config, tiny_tokenizer, token_id
from core.encoder.tiny.qwen2_vl import TINY, TWO_BILLION, tiny_qwen2_vl
from core.estimate.flops import item_flops
from core.estimate.model_shape import PictureSize, shape_of, size_of

Name = Literal["llava-onevision-0.5b", "qwen2-vl-2b"]
PEAK_TFLOPS = {"H200": 989.0, "H100": 989.0, "A100": 312.0, "B200": 2250.0}
"""Dense bfloat16, by a part of the device's name, from the vendor's data sheets."""


def build(name: Name, tiny: bool, device: torch.device) -> Embedder:
    """An untrained embedder on a device."""
    with torch.device(device):
        if name == "qwen2-vl-2b":
            return tiny_qwen2_vl(0, TINY if tiny else TWO_BILLION)
        return tiny_llava() if tiny else half_billion()


def tiny_llava() -> Embedder:
    """The tiny LLaVA-OneVision with AnyRes crops."""
    config = tiny_config(64, 2, 2)
    config.image_grid_pinpoints = GRID
    return llava(config, picture_options())


def half_billion() -> Embedder:
    """LLaVA-OneVision-0.5B: SigLIP-so400m without its last layer, Qwen2-0.5B; up to 2 x 2 crops, as LLaVE has."""
    tokenizer = tiny_tokenizer()
    side = 384
    config = LlavaOnevisionConfig(
        text_config=Qwen2Config(
            vocab_size=152_000,
            hidden_size=896,
            intermediate_size=4864,
            num_hidden_layers=24,
            num_attention_heads=14,
            num_key_value_heads=2,
            max_position_embeddings=32_768,
        ),
        vision_config=SiglipVisionConfig(
            hidden_size=1152,
            intermediate_size=4304,
            num_hidden_layers=26,
            num_attention_heads=16,
            image_size=side,
            patch_size=14,
            vision_use_head=False,
        ),
        image_token_index=token_id(tokenizer, IMAGE),
        video_token_index=token_id(tokenizer, VIDEO),
        vision_feature_layer=-1,
        image_grid_pinpoints=[[side * rows, side * columns] for rows in (1, 2) for columns in (1, 2)],
    )
    options = {"size": {"height": side, "width": side}, "image_grid_pinpoints": config.image_grid_pinpoints}
    return llava(config, options | {"image_mean": [0.5] * 3, "image_std": [0.5] * 3})


def llava(config: LlavaOnevisionConfig, pictures: dict[str, Any]) -> Embedder:
    """An embedder from a config and its picture processor's options."""
    torch.manual_seed(0)
    backbone = LlavaOnevisionModel(config)
    initialize(backbone)
    return Embedder(backbone, tiny_tokenizer(), LlavaOnevisionImageProcessorPil(**pictures))


def useful_flops(embedder: Embedder, items: Sequence[TokenizedItem]) -> float:
    """Count the operations of a step, forward and backward, on distinct items with pictures of their own.

    Nothing padded, twice, or computed again counts.
    """
    shape, total = shape_of(embedder), 0.0
    for item in items:
        sizes = [size_of(embedder, still) for still in item.images]
        tokens = sum(each.tokens for each in sizes)
        pictures = PictureSize(tokens, tuple(group for each in sizes for group in each.groups)) if sizes else None
        total += item_flops(shape, item.length - tokens, pictures, checkpointing=False, twice=0).useful
    return total


def peak_flops(device: torch.device) -> tuple[float, str]:
    """The device's bfloat16 peak in operations a second, and where the number is from."""
    if device.type == "cuda":
        name = torch.cuda.get_device_name(device)
        for part, tera in PEAK_TFLOPS.items():
            if part in name:
                return tera * 1e12, f"data sheet of {part}"
    return measured_flops(device), "measured with one large matrix product"


def measured_flops(device: torch.device, side: int = 2048) -> float:
    """Operations a second of a square matrix product in the precision that the device is quick in."""
    dtype = torch.bfloat16 if device.type == "cuda" else torch.float32
    a = torch.randn(side, side, device=device, dtype=dtype)
    return 2 * side**3 / min(timed(lambda: a @ a) for _ in range(5))
