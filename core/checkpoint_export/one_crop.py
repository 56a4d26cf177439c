"""A LLaVA-OneVision that makes one crop of every picture, as LLaVA 1.5, which sentence-transformers runs as it is.

transformers' processor for LLaVA-OneVision always adds the crops of AnyRes to a picture that stands alone. What is left
without them is LLaVA 1.5 but for the newline behind each picture, a vector of its own: it becomes one more token of the
vocabulary, which the chat template writes behind each picture. Clips have no place there.
"""

import copy
from typing import Any

import torch
from transformers import (
    LlavaConfig,
    LlavaModel,
    LlavaOnevisionConfig,
    LlavaOnevisionModel,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)

NEWLINE = "<image_newline>"
WORDS = "language_model.embed_tokens.weight"
ORIGIN = "llava_onevision"
"""The entry of the config that keeps what LLaVA 1.5's does not know."""
SHARED = ("projector_hidden_act", "vision_feature_layer", "vision_feature_select_strategy", "multimodal_projector_bias")


def to_llava(
    backbone: PreTrainedModel, tokenizer: PreTrainedTokenizerBase
) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """Return the model and its tokenizer as LLaVA 1.5; the given ones stay as they are.

    Raises:
        ValueError: the tokenizer has the newline's name already, or the template does not spell the picture's token.
    """
    own: Any = backbone.config
    extended = copy.deepcopy(tokenizer)
    if not extended.add_special_tokens({"additional_special_tokens": [NEWLINE]}, replace_extra_special_tokens=False):
        raise ValueError(f"The tokenizer has a token {NEWLINE} already; a picture's newline cannot take that name.")
    newline = extended.convert_tokens_to_ids(NEWLINE)
    picture = tokenizer.convert_ids_to_tokens(own.image_token_id)
    assert isinstance(newline, int)
    assert isinstance(picture, str)
    if not isinstance(tokenizer.chat_template, str) or picture not in tokenizer.chat_template:
        raise ValueError(f"The chat template does not write {picture} for a picture, so no newline can go behind it.")
    extended.chat_template = tokenizer.chat_template.replace(picture, picture + NEWLINE)
    state = dict(backbone.state_dict())
    words = state[WORDS]
    rows = max(len(words), newline + 1)
    state[WORDS] = torch.cat((words, words.new_zeros(rows - len(words), words.shape[1])))
    state[WORDS][newline] = state.pop("image_newline")
    text = copy.deepcopy(own.text_config)
    text.vocab_size = rows
    origin = {**without_names(own.to_dict()), "newline_token_id": newline, "chat_template": tokenizer.chat_template}
    towers = {"text_config": text, "vision_config": copy.deepcopy(own.vision_config)}
    shared = {name: getattr(own, name) for name in SHARED} | {"image_token_index": own.image_token_id}
    # Configs keep entries that they do not know.
    more: dict[str, Any] = {**towers, **shared, ORIGIN: origin}
    return filled(LlavaModel, LlavaConfig(**more), state, backbone.dtype), extended


def is_one_crop(config: Any) -> bool:  # noqa: ANN401 - a config, or its JSON
    """Tell whether a LLaVA 1.5 was made by `to_llava`."""
    return config.get("model_type") == "llava" and ORIGIN in config


def to_onevision(
    backbone: PreTrainedModel, tokenizer: PreTrainedTokenizerBase
) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """Say what `to_llava` was given; the tokenizer keeps the name of the newline, which nothing writes any more."""
    origin: dict[str, Any] = dict(getattr(backbone.config, ORIGIN))
    newline, tokenizer.chat_template = origin.pop("newline_token_id"), origin.pop("chat_template")
    config: Any = LlavaOnevisionConfig(**origin)
    state = dict(backbone.state_dict())
    state["image_newline"] = state[WORDS][newline].clone()
    state[WORDS] = state[WORDS][: config.text_config.vocab_size].clone()
    return filled(LlavaOnevisionModel, config, state, backbone.dtype), tokenizer


def without_names(config: Any) -> Any:  # noqa: ANN401 - a config's JSON, or a part of it
    """Return the config without the folders that it was read from."""
    if not isinstance(config, dict):
        return config
    return {name: without_names(each) for name, each in config.items() if name != "_name_or_path"}


def filled(kind: Any, config: Any, state: dict[str, torch.Tensor], dtype: torch.dtype) -> PreTrainedModel:  # noqa: ANN401
    """Return a model with these weights, every one of them, to be saved: what it computes at its making is left out."""
    with torch.device("meta"):
        model = kind(config).to(dtype)
    model.load_state_dict(state, strict=True, assign=True)
    return model.eval()
