"""Qwen3-VL of any size from random weights, made without any download."""

from transformers import PreTrainedTokenizerFast, Qwen3VLConfig, Qwen3VLModel

from core.encoder.embedder import Embedder
from core.encoder.tiny.qwen_vl import MERGE, QwenSize, qwen_tokenizer, special_ids, text_config, untrained

PATCH = 16

TINY = QwenSize(layers=3, vision_layers=3, marked=(0, 1), min_pixels=32 * 32, max_pixels=128 * 128)
TWO_BILLION = QwenSize(
    width=2048,
    inner=6144,
    layers=28,
    heads=16,
    shared_heads=8,
    head=128,
    vocabulary=151_936,
    vision_width=1024,
    vision_inner=4096,
    vision_layers=24,
    vision_heads=16,
    marked=(5, 11, 17),
    min_pixels=256 * 256,
    max_pixels=4096 * 4096,
)
"""Qwen3-VL-2B."""


def qwen3_vl_config(shape: QwenSize, tokenizer: PreTrainedTokenizerFast, places: int = 48) -> Qwen3VLConfig:
    """Make the config; `places` x `places` positions are learned, what leaves the marked blocks is added later.

    Of a head's frequencies time, height and width have shares of 6 : 5 : 5, in turns.
    """
    pairs = shape.head_width // 2
    spatial = 5 * pairs // 16
    section = [pairs - 2 * spatial, spatial, spatial]
    rope = {"mrope_section": section, "mrope_interleaved": True, "rope_theta": 5e6}
    return Qwen3VLConfig(
        text_config={**text_config(shape, tokenizer, rope), "head_dim": shape.head_width},
        vision_config={
            "depth": shape.vision_layers,
            "hidden_size": shape.vision_width,
            "intermediate_size": shape.vision_inner,
            "out_hidden_size": shape.width,
            "num_heads": shape.vision_heads,
            "num_position_embeddings": places**2,
            "patch_size": PATCH,
            "spatial_merge_size": MERGE,
            "temporal_patch_size": 2,
            "deepstack_visual_indexes": [*shape.marked],
        },
        **special_ids(tokenizer),
    )


def tiny_qwen3_vl(seed: int = 0, shape: QwenSize = TINY, places: int = 6) -> Embedder:
    """Return an untrained Qwen3-VL embedder on torch's default device; the same seed gives the same weights."""
    tokenizer = qwen_tokenizer()
    config = qwen3_vl_config(shape, tokenizer, places)
    half = [0.5, 0.5, 0.5]
    return untrained(Qwen3VLModel, config, tokenizer, shape, seed, patch_size=PATCH, image_mean=half, image_std=half)
