"""Tiny random LLaVA and LLaVA-OneVision with a chat template, saved as models of transformers are published."""

import json
from pathlib import Path

import torch
from transformers import (
    CLIPImageProcessorPil,
    CLIPVisionConfig,
    LlavaConfig,
    LlavaForConditionalGeneration,
    LlavaOnevisionForConditionalGeneration,
    LlavaOnevisionImageProcessorPil,
    LlavaProcessor,
    Qwen2Config,
)

from core.encoder.tiny import llava_onevision as tiny
from core.encoder.tiny.llava_onevision import END, IMAGE, PAD, START, tiny_tokenizer, token_id

TEMPLATE = (
    "{% for message in messages %}" + START + "{{ message['role'] }} "
    "{% for part in message['content'] %}{% if part['type'] == 'image' %}" + IMAGE + "{% else %}"
    "{{ part['text'] }} {% endif %}{% endfor %}" + END + "{% endfor %}"
    "{% if add_generation_prompt %}" + START + "assistant {% endif %}"
)
SIDE, PATCH = 32, 16


def write_generator(folder: Path, template: str | None = TEMPLATE) -> Path:
    """Weights of seed 0, the processor, and the template (none if None)."""
    tokenizer = tiny_tokenizer()
    tokenizer.chat_template = None
    small = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 1, "num_attention_heads": 2}
    vision = CLIPVisionConfig(**small, image_size=SIDE, patch_size=PATCH)
    special = {"eos_token_id": token_id(tokenizer, END), "pad_token_id": token_id(tokenizer, PAD)}
    text = Qwen2Config(**small, **special, num_key_value_heads=2, vocab_size=len(tokenizer))
    image = token_id(tokenizer, IMAGE)
    config = LlavaConfig(vision_config=vision, text_config=text, image_token_index=image, vision_feature_layer=-1)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = LlavaForConditionalGeneration(config)
    pictures = CLIPImageProcessorPil(size={"shortest_edge": SIDE}, crop_size={"height": SIDE, "width": SIDE})
    processor = LlavaProcessor(
        image_processor=pictures,
        tokenizer=tokenizer,
        patch_size=PATCH,
        vision_feature_select_strategy="default",
        image_token=IMAGE,
        num_additional_image_tokens=1,
        chat_template=template,
    )
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder


def write_onevision_generator(folder: Path) -> Path:
    """LLaVA-OneVision in the files that it is published in: tokenizer, image processor, the rest beside them."""
    tokenizer = tiny_tokenizer()
    tokenizer.chat_template = TEMPLATE
    side = tiny.IMAGE_SIDE
    size = {"height": side, "width": side}
    LlavaOnevisionForConditionalGeneration(tiny.tiny_config(32, 1, 1)).save_pretrained(folder)
    LlavaOnevisionImageProcessorPil(size=size, image_grid_pinpoints=[[side, side]]).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    rest = {"processor_class": "LlavaOnevisionProcessor", "vision_feature_select_strategy": "full"}
    rest |= {"num_image_tokens": (side // tiny.PATCH) ** 2}
    (folder / "processor_config.json").write_text(json.dumps(rest))
    return folder
