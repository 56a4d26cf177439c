"""Tiny SmolVLM and Idefics3 from random weights, made without any download."""

import torch
from tokenizers import Tokenizer
from transformers import (
    Idefics3Config,
    Idefics3ImageProcessorPil,
    Idefics3Model,
    PreTrainedTokenizerFast,
    SmolVLMConfig,
    SmolVLMImageProcessorPil,
    SmolVLMModel,
)

from core.encoder.backbones.idefics3 import AROUND, WHOLE
from core.encoder.embedder import Embedder
from core.encoder.tiny.llava_onevision import initialize, token_id, trained_vocabulary

PAD, START, END, IMAGE = "<|endoftext|>", "<|im_start|>", "<end_of_utterance>", "<image>"
TILES = tuple(f"<row_{row}_col_{column}>" for row in range(1, 7) for column in range(1, 7))
SPECIAL = (PAD, START, END, IMAGE, AROUND, WHOLE, *TILES)
SIDE = 32
PATCH = 8
# As published for clips; SmolVLM's older template is the same without them, and so is Idefics3's.
CLIP = "{% elif line['type'] == 'video' %}{{ '<video>' }}"
CHAT_TEMPLATE = (
    START + "{% for message in messages %}{{message['role'] | capitalize}}"
    "{% if message['content'][0]['type'] == 'image' %}{{':'}}{% else %}{{': '}}{% endif %}"
    "{% for line in message['content'] %}{% if line['type'] == 'text' %}{{line['text']}}"
    "{% elif line['type'] == 'image' %}{{ '<image>' }}" + CLIP + "{% endif %}{% endfor %}" + END + "\n{% endfor %}"
    "{% if add_generation_prompt %}{{ 'Assistant:' }}{% endif %}"
)


def smolvlm_tokenizer(chat_template: str = CHAT_TEMPLATE) -> PreTrainedTokenizerFast:
    """Return the tiny model's words with SmolVLM's special tokens and chat template."""
    return PreTrainedTokenizerFast(
        tokenizer_object=Tokenizer.from_str(trained_vocabulary(SPECIAL).to_str()),
        pad_token=PAD,
        eos_token=END,
        additional_special_tokens=[START, *SPECIAL[3:]],
        chat_template=chat_template,
        padding_side="right",
    )


def settings(tokenizer: PreTrainedTokenizerFast, width: int, layers: int) -> dict[str, object]:
    """Return a config's entries, the same for both models."""
    return {
        "text_config": {
            "model_type": "llama",
            "vocab_size": len(tokenizer),
            "hidden_size": width,
            "intermediate_size": 2 * width,
            "num_hidden_layers": layers,
            "num_attention_heads": 4,
            "num_key_value_heads": 2,
            "max_position_embeddings": 4096,
            "pad_token_id": token_id(tokenizer, PAD),
            "bos_token_id": token_id(tokenizer, START),
            "eos_token_id": token_id(tokenizer, END),
        },
        "vision_config": {
            "hidden_size": width,
            "intermediate_size": 2 * width,
            "num_hidden_layers": 2,
            "num_attention_heads": 2,
            "image_size": SIDE,
            "patch_size": PATCH,
        },
        "scale_factor": 2,
        "image_token_id": token_id(tokenizer, IMAGE),
        "pad_token_id": token_id(tokenizer, PAD),
    }


def tiny_smolvlm(seed: int = 0, width: int = 32, layers: int = 2) -> Embedder:
    """Return an untrained SmolVLM embedder; pictures in up to 3 x 3 tiles of 32 x 32 pixels, 4 tokens each."""
    tokenizer = smolvlm_tokenizer()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        backbone = SmolVLMModel(SmolVLMConfig(**settings(tokenizer, width, layers)))  # pyright: ignore[reportArgumentType]
        initialize(backbone)
    processor = SmolVLMImageProcessorPil(size={"longest_edge": 3 * SIDE}, max_image_size={"longest_edge": SIDE})
    return Embedder(backbone, tokenizer, processor)


def tiny_idefics3(seed: int = 0, width: int = 32, layers: int = 2) -> Embedder:
    """Return an untrained Idefics3 embedder; pictures in up to 2 x 2 tiles of 32 x 32 pixels, 4 tokens each."""
    tokenizer = smolvlm_tokenizer(CHAT_TEMPLATE.replace(CLIP, ""))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        backbone = Idefics3Model(Idefics3Config(**settings(tokenizer, width, layers)))  # pyright: ignore[reportArgumentType]
        initialize(backbone)
    processor = Idefics3ImageProcessorPil(size={"longest_edge": 2 * SIDE}, max_image_size={"longest_edge": SIDE})
    return Embedder(backbone, tokenizer, processor)
