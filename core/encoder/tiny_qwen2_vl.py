"""Qwen2-VL of any size from random weights, made without any download: tiny for tests, 2B for benchmarks."""

from dataclasses import dataclass

import torch
from tokenizers import Tokenizer
from transformers import PreTrainedTokenizerFast, Qwen2VLConfig, Qwen2VLImageProcessorPil, Qwen2VLModel

from core.encoder.embedder import Embedder
from core.encoder.tiny import initialize, token_id, trained_vocabulary

PAD, START, END = "<|endoftext|>", "<|im_start|>", "<|im_end|>"
BEGIN_VISION, END_VISION, IMAGE, VIDEO = "<|vision_start|>", "<|vision_end|>", "<|image_pad|>", "<|video_pad|>"
SPECIAL = (PAD, START, END, BEGIN_VISION, END_VISION, IMAGE, VIDEO)
PATCH = 14
MERGE = 2

CHAT_TEMPLATE = (
    "{% for message in messages %}" + START + "{{ message['role'] }}\n{% for part in message['content'] %}"
    "{% if part['type'] == 'image' %}" + BEGIN_VISION + IMAGE + END_VISION + "{% elif part['type'] == 'video' %}"
    + BEGIN_VISION + VIDEO + END_VISION + "{% else %}{{ part['text'] }}{% endif %}"
    "{% endfor %}" + END + "\n{% endfor %}"
)  # fmt: skip


@dataclass(frozen=True)
class Shape:
    """The sizes of a Qwen2-VL. The vocabulary is at least the tokenizer's; pixels are limits for one picture."""

    width: int = 64
    inner: int = 128
    layers: int = 2
    heads: int = 4
    shared_heads: int = 2
    vocabulary: int = 0
    vision_width: int = 32
    vision_layers: int = 2
    vision_heads: int = 2
    vision_ratio: int = 2
    min_pixels: int = 28 * 28
    max_pixels: int = 112 * 112


TINY = Shape()
TWO_BILLION = Shape(1536, 8960, 28, 12, 2, 151_936, 1280, 32, 16, 4, 56 * 56, 1280 * 28 * 28)
"""Qwen2-VL-2B."""


def qwen2_vl_tokenizer() -> PreTrainedTokenizerFast:
    """The tiny model's words with Qwen2-VL's special tokens and chat template."""
    return PreTrainedTokenizerFast(
        tokenizer_object=Tokenizer.from_str(trained_vocabulary(SPECIAL).to_str()),
        pad_token=PAD,
        eos_token=END,
        additional_special_tokens=[*SPECIAL[1:2], *SPECIAL[3:]],
        chat_template=CHAT_TEMPLATE,
        padding_side="right",
    )


def qwen2_vl_config(shape: Shape, tokenizer: PreTrainedTokenizerFast) -> Qwen2VLConfig:
    """The config of a shape, with Qwen2-VL's sharing of a head's frequencies among time, height and width."""
    pairs = shape.width // shape.heads // 2
    spatial = 3 * pairs // 8
    rope = {"rope_type": "default", "mrope_section": [pairs - 2 * spatial, spatial, spatial], "rope_theta": 1e6}
    return Qwen2VLConfig(
        text_config={
            "vocab_size": max(shape.vocabulary, len(tokenizer)),
            "hidden_size": shape.width,
            "intermediate_size": shape.inner,
            "num_hidden_layers": shape.layers,
            "num_attention_heads": shape.heads,
            "num_key_value_heads": shape.shared_heads,
            "max_position_embeddings": 32_768,
            "rope_parameters": rope,
            "pad_token_id": token_id(tokenizer, PAD),
            "bos_token_id": None,
            "eos_token_id": token_id(tokenizer, END),
        },
        vision_config={
            "depth": shape.vision_layers,
            "embed_dim": shape.vision_width,
            "hidden_size": shape.width,
            "num_heads": shape.vision_heads,
            "mlp_ratio": shape.vision_ratio,
            "patch_size": PATCH,
            "spatial_merge_size": MERGE,
            "temporal_patch_size": 2,
        },
        image_token_id=token_id(tokenizer, IMAGE),
        video_token_id=token_id(tokenizer, VIDEO),
        vision_start_token_id=token_id(tokenizer, BEGIN_VISION),
        vision_end_token_id=token_id(tokenizer, END_VISION),
    )


def tiny_qwen2_vl(seed: int = 0, shape: Shape = TINY) -> Embedder:
    """An untrained Qwen2-VL embedder on torch's default device; the same seed gives the same weights."""
    tokenizer = qwen2_vl_tokenizer()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        backbone = Qwen2VLModel(qwen2_vl_config(shape, tokenizer))
        initialize(backbone)
    image_processor = Qwen2VLImageProcessorPil(min_pixels=shape.min_pixels, max_pixels=shape.max_pixels)
    return Embedder(backbone, tokenizer, image_processor)
