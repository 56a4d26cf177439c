"""Rename weights from LLaVA-NeXT's `llava_qwen` to transformers' LlavaOnevisionModel."""

import re

from core.checkpoint_import.tensor_account import Left

TOWER = "model.vision_tower.vision_tower.vision_model."
SEEN_LAYERS = 26
"""SigLIP so400m has 27 layers; LLaVA takes the last but one, before the tower's closing norm."""

LANGUAGE = re.compile(r"model\.((?:embed_tokens|norm)\.weight|layers\.\d+\..+)")
TOWER_LAYER = re.compile(re.escape(TOWER) + r"encoder\.layers\.(\d+)\..+")
PROJECTOR = re.compile(r"model\.mm_projector\.([02])\.(weight|bias)")
LINEAR = {"0": "linear_1", "2": "linear_2"}  # 1 is the activation between them

NO_HEAD = Left("lm_head: vectors are read from the states before it")
NO_POOLING = Left("vision_model.head: LLaVA reads patches, not the tower's pooled picture")
NOT_SEEN = Left("the vision tower's last layer: mm_vision_select_layer = -2 reads the one before it")


def rename(name: str) -> str | Left | None:
    """Say where a tensor of a `llava_qwen` checkpoint goes."""
    if name == "lm_head.weight":
        return NO_HEAD
    if name == "model.image_newline":
        return "image_newline"
    if projector := PROJECTOR.fullmatch(name):
        return f"multi_modal_projector.{LINEAR[projector[1]]}.{projector[2]}"
    if name.startswith(TOWER):
        return rename_tower(name)
    if language := LANGUAGE.fullmatch(name):
        return f"language_model.{language[1]}"
    return None


def rename_tower(name: str) -> str | Left:
    """Say where a tensor of the vision tower goes."""
    layer = TOWER_LAYER.fullmatch(name)
    if layer and int(layer[1]) >= SEEN_LAYERS:
        return NOT_SEEN
    within = name.removeprefix(TOWER)
    return NO_POOLING if within.startswith("head.") else f"vision_tower.{within}"
