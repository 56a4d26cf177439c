"""Qwen2-VL of any size from random weights, made without any download: tiny for tests, 2B for benchmarks."""

from transformers import PreTrainedTokenizerFast, Qwen2VLConfig, Qwen2VLModel

from core.encoder.embedder import Embedder
from core.encoder.tiny.qwen_vl import MERGE, QwenSize, qwen_tokenizer, sections, special_ids, text_config, untrained

PATCH = 14

TINY = QwenSize()
TWO_BILLION = QwenSize(
    width=1536,
    inner=8960,
    layers=28,
    heads=12,
    shared_heads=2,
    vocabulary=151_936,
    vision_width=1280,
    vision_inner=5120,
    vision_layers=32,
    vision_heads=16,
    min_pixels=56 * 56,
    max_pixels=1280 * 28 * 28,
)
"""Qwen2-VL-2B."""


def qwen2_vl_config(shape: QwenSize, tokenizer: PreTrainedTokenizerFast) -> Qwen2VLConfig:
    """Return the config of a shape, with Qwen2-VL's sharing of a head's frequencies among time, height and width."""
    return Qwen2VLConfig(
        text_config=text_config(shape, tokenizer, {"mrope_section": sections(shape), "rope_theta": 1e6}),
        vision_config={
            "depth": shape.vision_layers,
            "embed_dim": shape.vision_width,
            "hidden_size": shape.width,
            "num_heads": shape.vision_heads,
            "mlp_ratio": shape.vision_inner // shape.vision_width,
            "patch_size": PATCH,
            "spatial_merge_size": MERGE,
            "temporal_patch_size": 2,
        },
        **special_ids(tokenizer),
    )


def tiny_qwen2_vl(seed: int = 0, shape: QwenSize = TINY) -> Embedder:
    """Return an untrained Qwen2-VL embedder on torch's default device; the same seed gives the same weights."""
    tokenizer = qwen_tokenizer()
    return untrained(Qwen2VLModel, qwen2_vl_config(shape, tokenizer), tokenizer, shape, seed)
