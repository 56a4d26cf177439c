"""Translate LLaVA-NeXT's `llava_qwen` config.json to transformers' LlavaOnevisionConfig."""

import ast
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from transformers import LlavaOnevisionConfig, Qwen2Config, SiglipVisionConfig

from core.checkpoint_import.llave_weights import SEEN_LAYERS, TOWER
from core.checkpoint_import.source import CONFIG, Stored, entry

SIGLIP = re.compile(r"(?:.*/)?siglip-so400m-patch(\d+)-(\d+)")
HEAD_WIDTH = 72
"""Of SigLIP so400m: 1152 in 16 heads. Neither the config nor the weights tell it."""
RANGE = re.compile(r"\((\d+)x(\d+)\)")

READ = {
    "mm_projector_type": ("mlp2x_gelu",),
    "mm_vision_select_layer": (-2,),
    "mm_vision_select_feature": ("patch",),
    "mm_patch_merge_type": ("spatial_unpad",),
    "mm_use_im_start_end": (False,),
    "mm_use_im_patch_token": (False,),
    "mm_resampler_type": (None,),
    "mm_newline_position": ("one_token", None),
    "mm_spatial_pool_mode": ("bilinear", None),
    "add_faster_video": (False, None),
    "use_sliding_window": (False, None),
}
"""What LlavaOnevisionModel computes; the first value is the one that a missing entry stands for."""
LANGUAGE = (
    "vocab_size",
    "hidden_size",
    "intermediate_size",
    "num_hidden_layers",
    "num_attention_heads",
    "num_key_value_heads",
    "rms_norm_eps",
)
OPTIONAL = (
    "hidden_act",
    "max_position_embeddings",
    "initializer_range",
    "attention_dropout",
    "bos_token_id",
    "eos_token_id",
    "max_window_layers",
)


def onevision_config(
    folder: Path, config: Mapping[str, Any], stored: Mapping[str, Stored], image: int, video: int
) -> LlavaOnevisionConfig:
    """Return the config of the model; `image` and `video` are the ids of their tokens.

    Rows of word embeddings are added where these ids lie beyond them.

    Raises:
        ValueError: an entry is missing, or is one that LlavaOnevisionModel cannot compute.
    """
    for name, allowed in READ.items():
        if config.get(name, allowed[0]) not in allowed:
            raise ValueError(f"{folder / CONFIG}: {name} = {config[name]!r}; only {allowed[0]!r} is converted.")
    ratio = str(entry(config, "image_aspect_ratio", folder))
    if not re.fullmatch(r"anyres_max_\d+", ratio):
        raise ValueError(f"{folder / CONFIG}: image_aspect_ratio = {ratio!r}; only anyres_max_N is converted.")
    text = language_config(folder, config)
    text.vocab_size = max(text.vocab_size, image + 1, video + 1)
    vision = vision_config(folder, config, stored)
    return LlavaOnevisionConfig(
        text_config=text,
        vision_config=vision,
        image_token_index=image,
        video_token_index=video,
        vision_feature_layer=-1,  # of the layers that are kept; LLaVA's -2 counts the one that is left out
        vision_feature_select_strategy="full",  # SigLIP has no class token to take away
        vision_aspect_ratio=ratio,
        image_grid_pinpoints=pinpoints(folder, entry(config, "image_grid_pinpoints", folder), vision.image_size),  # pyright: ignore[reportArgumentType]
        tie_word_embeddings=bool(config.get("tie_word_embeddings", False)),
    )


def language_config(folder: Path, config: Mapping[str, Any]) -> Qwen2Config:
    """Qwen2 as it stands in `config.json`, whose top level is Qwen2's own config.

    LLaVA's class sets rope_scaling to None whatever the file says.
    """
    values = {name: entry(config, name, folder) for name in LANGUAGE}
    values |= {name: config[name] for name in OPTIONAL if config.get(name) is not None}
    theta = float(entry(config, "rope_theta", folder))
    return Qwen2Config(
        **values,
        rope_parameters={"rope_type": "default", "rope_theta": theta},
        use_sliding_window=False,
        tie_word_embeddings=bool(config.get("tie_word_embeddings", False)),
    )


def vision_config(folder: Path, config: Mapping[str, Any], stored: Mapping[str, Stored]) -> SiglipVisionConfig:
    """SigLIP: picture and patch from the tower's name, widths and depth from the weights, which alone have them.

    Raises:
        ValueError: the tower is another, or its weights are not in the files.
    """
    tower = str(entry(config, "mm_vision_tower", folder))
    named = SIGLIP.fullmatch(tower)
    if not named:
        raise ValueError(f"{folder / CONFIG}: mm_vision_tower = {tower!r}; only google/siglip-so400m-* is converted.")
    width = int(entry(config, "mm_hidden_size", folder))
    inner = stored.get(f"{TOWER}encoder.layers.0.mlp.fc1.weight")
    if inner is None:
        raise ValueError(
            f"{folder}: {TOWER}* is not among the weights. The checkpoint was saved without its vision tower, and "
            "trained weights of it cannot be had from elsewhere; get one that has it."
        )
    layer = re.compile(re.escape(TOWER) + r"encoder\.layers\.(\d+)\.")
    depth = 1 + max(int(found[1]) for name in stored if (found := layer.match(name)))
    return SiglipVisionConfig(
        hidden_size=width,
        intermediate_size=inner.shape[0],
        num_hidden_layers=min(depth, SEEN_LAYERS),
        num_attention_heads=width // HEAD_WIDTH,
        image_size=int(named[2]),
        patch_size=int(named[1]),
        vision_use_head=False,
    )


def pinpoints(folder: Path, given: object, side: int) -> list[list[int]]:
    """Resolutions as [height, width] in LLaVA's order of trying them.

    given: LLaVA's [width, height] pairs, the same as a string, or "(1x1),...,(2x2)" in crops of `side`.

    Raises:
        ValueError: it is nothing of these, or a resolution is no multiple of the side.
    """
    pairs = given
    if isinstance(given, str) and (ends := RANGE.findall(given)):
        (first_width, first_height), (last_width, last_height) = (map(int, ends[0]), map(int, ends[-1]))
        pairs = [
            [side * width, side * height]
            for width in range(first_width, last_width + 1)
            for height in range(first_height, last_height + 1)
        ]
    elif isinstance(given, str):
        try:
            pairs = ast.literal_eval(given)
        except (ValueError, SyntaxError):
            pairs = None
    right = isinstance(pairs, list) and pairs and all(
        isinstance(pair, list | tuple)
        and len(pair) == 2
        and all(isinstance(each, int) and each > 0 and each % side == 0 for each in pair)
        for pair in pairs
    )  # fmt: skip
    if not right:
        raise ValueError(
            f"{folder / CONFIG}: image_grid_pinpoints = {given!r}; it should list pairs of multiples of {side}, or "
            'name a range such as "(1x1),...,(2x2)".'
        )
    assert isinstance(pairs, list)
    return [[height, width] for width, height in pairs]
