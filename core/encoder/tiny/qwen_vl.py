"""Qwen-VL embedders of any size from random weights, made without any download: what the three families share."""

from dataclasses import dataclass
from typing import Any

import torch
from tokenizers import Tokenizer
from transformers import PreTrainedConfig, PreTrainedModel, PreTrainedTokenizerFast, Qwen2VLImageProcessorPil

from core.encoder.embedder import Embedder
from core.encoder.tiny.llava_onevision import initialize, token_id, trained_vocabulary

PAD, START, END = "<|endoftext|>", "<|im_start|>", "<|im_end|>"
BEGIN_VISION, END_VISION, IMAGE, VIDEO = "<|vision_start|>", "<|vision_end|>", "<|image_pad|>", "<|video_pad|>"
SPECIAL = (PAD, START, END, BEGIN_VISION, END_VISION, IMAGE, VIDEO)
MERGE = 2

# What the families publish, for turns made of parts: Qwen3-VL's.
CHAT_TEMPLATE = (
    "{% for message in messages %}" + START + "{{ message['role'] }}\n{% for part in message['content'] %}"
    "{% if part['type'] == 'image' %}" + BEGIN_VISION + IMAGE + END_VISION + "{% elif part['type'] == 'video' %}"
    + BEGIN_VISION + VIDEO + END_VISION + "{% else %}{{ part['text'] }}{% endif %}"
    "{% endfor %}" + END + "\n{% endfor %}"
)  # fmt: skip
# Qwen2-VL's and Qwen2.5-VL's: they say who speaks unless the first turn does.
CHAT_TEMPLATE_WITH_SYSTEM = (
    "{% if messages[0]['role'] != 'system' %}" + START + "system\nYou are a helpful assistant." + END + "\n{% endif %}"
    + CHAT_TEMPLATE
)  # fmt: skip


@dataclass(frozen=True)
class QwenSize:
    """The sizes of a model.

    The vocabulary is at least the tokenizer's. head: width of an attention head, 0 for width / heads. marked: numbers
    of the tower's blocks that its family treats in a way of its own. Pixels are limits for one picture.
    """

    width: int = 64
    inner: int = 128
    layers: int = 2
    heads: int = 4
    shared_heads: int = 2
    head: int = 0
    vocabulary: int = 0
    vision_width: int = 32
    vision_inner: int = 64
    vision_layers: int = 2
    vision_heads: int = 2
    marked: tuple[int, ...] = ()
    min_pixels: int = 28 * 28
    max_pixels: int = 112 * 112

    @property
    def head_width(self) -> int:
        """Width of an attention head of the language model."""
        return self.head or self.width // self.heads


def qwen_tokenizer(chat_template: str = CHAT_TEMPLATE) -> PreTrainedTokenizerFast:
    """Return the tiny model's words with Qwen's special tokens."""
    return PreTrainedTokenizerFast(
        tokenizer_object=Tokenizer.from_str(trained_vocabulary(SPECIAL).to_str()),
        pad_token=PAD,
        eos_token=END,
        additional_special_tokens=[*SPECIAL[1:2], *SPECIAL[3:]],
        chat_template=chat_template,
        padding_side="right",
    )


def special_ids(tokenizer: PreTrainedTokenizerFast) -> dict[str, Any]:
    """Return the ids that a whole model's config names."""
    return {
        "image_token_id": token_id(tokenizer, IMAGE),
        "video_token_id": token_id(tokenizer, VIDEO),
        "vision_start_token_id": token_id(tokenizer, BEGIN_VISION),
        "vision_end_token_id": token_id(tokenizer, END_VISION),
    }


def text_config(shape: QwenSize, tokenizer: PreTrainedTokenizerFast, rope: dict[str, Any]) -> dict[str, Any]:
    """Return the language model's part of a config; rope: how positions turn queries and keys."""
    return {
        "vocab_size": max(shape.vocabulary, len(tokenizer)),
        "hidden_size": shape.width,
        "intermediate_size": shape.inner,
        "num_hidden_layers": shape.layers,
        "num_attention_heads": shape.heads,
        "num_key_value_heads": shape.shared_heads,
        "max_position_embeddings": 32_768,
        "rope_parameters": {"rope_type": "default", **rope},
        "pad_token_id": token_id(tokenizer, PAD),
        "bos_token_id": None,
        "eos_token_id": token_id(tokenizer, END),
    }


def sections(shape: QwenSize) -> list[int]:
    """Share a head's frequencies among time, height and width as Qwen2-VL and Qwen2.5-VL do, 2 : 3 : 3."""
    pairs = shape.head_width // 2
    spatial = 3 * pairs // 8
    return [pairs - 2 * spatial, spatial, spatial]


def untrained(
    model_class: type[PreTrainedModel],
    config: PreTrainedConfig,
    tokenizer: PreTrainedTokenizerFast,
    shape: QwenSize,
    seed: int,
    **processor: object,
) -> Embedder:
    """Return an embedder with random weights on torch's default device; the same seed gives the same weights."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        backbone = model_class(config)
        initialize(backbone)
    limits = {"min_pixels": shape.min_pixels, "max_pixels": shape.max_pixels}
    return Embedder(backbone, tokenizer, Qwen2VLImageProcessorPil(**limits, **processor))  # pyright: ignore[reportArgumentType]
