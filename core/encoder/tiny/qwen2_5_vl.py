"""Qwen2.5-VL of any size from random weights, made without any download."""

from transformers import PreTrainedTokenizerFast, Qwen2_5_VLConfig, Qwen2_5_VLModel

from core.encoder.embedder import Embedder
from core.encoder.tiny.qwen_vl import (
    CHAT_TEMPLATE_WITH_SYSTEM,
    MERGE,
    QwenSize,
    qwen_tokenizer,
    sections,
    special_ids,
    text_config,
    untrained,
)

PATCH = 14

TINY = QwenSize(vision_layers=3, marked=(1,))
THREE_BILLION = QwenSize(
    width=2048,
    inner=11_008,
    layers=36,
    heads=16,
    shared_heads=2,
    vocabulary=151_936,
    vision_width=1280,
    vision_inner=3420,
    vision_layers=32,
    vision_heads=16,
    marked=(7, 15, 23, 31),
    min_pixels=56 * 56,
    max_pixels=1280 * 28 * 28,
)
"""Qwen2.5-VL-3B."""


def qwen2_5_vl_config(shape: QwenSize, tokenizer: PreTrainedTokenizerFast, window: int = 112) -> Qwen2_5_VLConfig:
    """Make the config; `window` is the side of an attention window in pixels, the marked blocks attend beyond."""
    return Qwen2_5_VLConfig(
        text_config=text_config(shape, tokenizer, {"mrope_section": sections(shape), "rope_theta": 1e6}),
        vision_config={
            "depth": shape.vision_layers,
            "hidden_size": shape.vision_width,
            "intermediate_size": shape.vision_inner,
            "out_hidden_size": shape.width,
            "num_heads": shape.vision_heads,
            "patch_size": PATCH,
            "spatial_merge_size": MERGE,
            "temporal_patch_size": 2,
            "tokens_per_second": 2,
            "window_size": window,
            "fullatt_block_indexes": [*shape.marked],
        },
        **special_ids(tokenizer),
    )


def tiny_qwen2_5_vl(seed: int = 0, shape: QwenSize = TINY, window: int = 56) -> Embedder:
    """Return an untrained Qwen2.5-VL embedder on torch's default device; the same seed gives the same weights."""
    tokenizer = qwen_tokenizer(CHAT_TEMPLATE_WITH_SYSTEM)
    return untrained(Qwen2_5_VLModel, qwen2_5_vl_config(shape, tokenizer, window), tokenizer, shape, seed)
