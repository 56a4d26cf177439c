"""A tiny LLaVA-OneVision: transformers' own classes at 1.3 million parameters, made without any download."""

from functools import cache
from pathlib import Path

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from torch import nn
from transformers import (
    LlavaOnevisionConfig,
    LlavaOnevisionModel,
    PreTrainedTokenizerFast,
    Qwen2Config,
    SiglipImageProcessorPil,
    SiglipVisionConfig,
)

from core.encoder.embedder import Embedder

PAD, START, END, IMAGE, VIDEO = "<|endoftext|>", "<|im_start|>", "<|im_end|>", "<image>", "<video>"
SENTENCES = Path(__file__).with_name("sentences.txt")
"""What the vocabulary is trained on: sentences with the words of the miniature's trained tasks. Words of tasks that are
never trained are left out on purpose: like anybody's words, they fall apart into pieces."""
VOCABULARY = 640
IMAGE_SIDE = 48
PATCH = 8

# One turn, one token at each end; the vector is read from the token that closes the turn.
CHAT_TEMPLATE = (
    "{% for message in messages %}" + START + "{% for part in message['content'] %}"
    "{% if part['type'] == 'image' %}"
    + IMAGE
    + "{% elif part['type'] == 'video' %}"
    + VIDEO
    + "{% else %}{{ part['text'] }}{% endif %}"
    "{% endfor %}" + END + "{% endfor %}"
)


@cache
def trained_vocabulary(special: tuple[str, ...] = (PAD, START, END, IMAGE, VIDEO)) -> Tokenizer:
    """Train byte-level BPE over SENTENCES; other text falls apart into smaller pieces, never into unknowns."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=[*special],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(SENTENCES.read_text(encoding="utf-8").splitlines(), trainer)
    return tokenizer


def tiny_tokenizer() -> PreTrainedTokenizerFast:
    """Return the tiny model's own tokenizer with its chat template."""
    return PreTrainedTokenizerFast(
        tokenizer_object=trained_vocabulary(),
        pad_token=PAD,
        eos_token=END,
        additional_special_tokens=[START, IMAGE, VIDEO],
        chat_template=CHAT_TEMPLATE,
        padding_side="right",
    )


def token_id(tokenizer: PreTrainedTokenizerFast, token: str) -> int:
    """Return the id of one token."""
    found = tokenizer.convert_tokens_to_ids(token)
    assert isinstance(found, int)
    return found


def tiny_config(width: int = 128, layers: int = 3, vision_layers: int = 3) -> LlavaOnevisionConfig:
    """Return a LLaVA-OneVision of the given language width and depth; 48 x 48 pixel pictures in 8 x 8 patches."""
    tokenizer = tiny_tokenizer()
    text = Qwen2Config(
        vocab_size=len(tokenizer),
        hidden_size=width,
        intermediate_size=4 * width,
        num_hidden_layers=layers,
        num_attention_heads=width // 32,
        num_key_value_heads=width // 32,
        max_position_embeddings=4096,
        pad_token_id=token_id(tokenizer, PAD),
        eos_token_id=token_id(tokenizer, END),
    )
    vision = SiglipVisionConfig(
        hidden_size=width,
        intermediate_size=2 * width,
        num_hidden_layers=vision_layers,
        num_attention_heads=width // 32,
        image_size=IMAGE_SIDE,
        patch_size=PATCH,
        vision_use_head=False,
    )
    return LlavaOnevisionConfig(
        text_config=text,
        vision_config=vision,
        image_token_index=token_id(tokenizer, IMAGE),
        video_token_index=token_id(tokenizer, VIDEO),
        vision_feature_layer=-1,
        image_grid_pinpoints=[[IMAGE_SIDE, IMAGE_SIDE]],
    )


def tiny_embedder(seed: int = 0, width: int = 128, layers: int = 3, vision_layers: int = 3) -> Embedder:
    """Return an untrained tiny embedder; the same seed gives the same weights."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        backbone = LlavaOnevisionModel(tiny_config(width, layers, vision_layers))
        initialize(backbone)
    image_processor = SiglipImageProcessorPil(size={"height": IMAGE_SIDE, "width": IMAGE_SIDE})
    return Embedder(backbone, tiny_tokenizer(), image_processor)


@torch.no_grad()
def initialize(backbone: nn.Module) -> None:
    """Draw every matrix with standard deviation 1/sqrt(inputs), and embeddings with 0.5.

    transformers' default, 0.02 throughout, is made for widths of thousands: at 128 it starts the towers so close to
    zero that they need several times as many steps.
    """
    for module in backbone.modules():
        if isinstance(module, nn.Linear | nn.Conv2d | nn.Conv3d):
            nn.init.normal_(module.weight, std=module.weight[0].numel() ** -0.5)
        elif isinstance(module, nn.Embedding):
            nn.init.normal_(module.weight, std=0.5)
