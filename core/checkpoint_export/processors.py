"""The processor files that transformers' AutoProcessor reads, by model family.

They are written without making the processor itself, whose video part needs torchvision.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from transformers import PreTrainedTokenizerBase

from core.checkpoint_export.model import Exported
from core.encoder.backbones.choose import ADAPTERS

Settings = dict[str, Any]


def nothing(model: Exported) -> Settings:
    """No settings besides those of its parts."""
    del model
    return {}


@dataclass(frozen=True)
class ProcessorFiles:
    """The composite processor of a family.

    name: its class. image: the class for pictures. video: that for clips; None if the processor takes none. video_is:
    settings of the video processor, made of the image processor's, such that frames come out as ours do. clips: whether
    then clips get the vectors that they get here. more: its own settings. text: options for two towers, whose texts go
    without a chat template; None for a language model. refuses: why a checkpoint cannot be given to it, or None.
    """

    name: str
    image: str
    video: str | None = None
    video_is: Callable[[Settings], Settings] = dict
    clips: bool = False
    more: Callable[[Exported], Settings] = nothing
    text: Callable[[Exported], Settings] | None = None
    refuses: Callable[[Exported], str | None] = lambda _: None


def onevision_settings(model: Exported) -> Settings:
    """Say how many tokens a crop is, and how placeholders are spelled."""
    config = model.backbone.config
    vision = config.vision_config
    return {
        "num_image_tokens": (vision.image_size // vision.patch_size) ** 2,
        "vision_feature_select_strategy": config.vision_feature_select_strategy,
        "vision_aspect_ratio": config.vision_aspect_ratio,
        "image_token": spelled(model.tokenizer, config.image_token_id),
        "video_token": spelled(model.tokenizer, config.video_token_id),
    }


def llava_settings(model: Exported) -> Settings:
    """Count a picture's tokens, its patches; the newline behind them is the template's."""
    config = model.backbone.config
    return {
        "patch_size": config.vision_config.patch_size,
        "num_additional_image_tokens": 0,
        "vision_feature_select_strategy": config.vision_feature_select_strategy,
        "image_token": spelled(model.tokenizer, config.image_token_id),
    }


def refuse_other_crops(model: Exported) -> str | None:
    """Processors that neither make AnyRes crops nor squeeze a picture into one are not known to transformers' class."""
    name = type(model.image_processor).__name__
    if name.startswith("LlavaOnevision"):
        return None
    return f"its image processor is {name}; LlavaOnevisionImageProcessorPil and SiglipImageProcessorPil can go along"


def clip_text(model: Exported) -> Settings:
    """Cut texts to what the tower has positions for; one that spells a special token stays those characters."""
    limit = model.backbone.config.text_config.max_position_embeddings
    return {"truncation": True, "max_length": limit, "split_special_tokens": True}


def siglip_text(model: Exported) -> Settings:
    """Filled up on the right with padding to which the tower attends."""
    filled = {"padding": "max_length", "padding_side": "right", "return_attention_mask": False}
    return {**clip_text(model), **filled}


def qwen_frames(image: Settings) -> Settings:
    """Resize frames to the resolution that a still picture takes, and use all that are given."""
    shared = ("do_convert_rgb", "do_normalize", "do_rescale", "do_resize", "image_mean", "image_std", "merge_size")
    more = ("patch_size", "resample", "rescale_factor", "size", "temporal_patch_size")
    return {name: image[name] for name in (*shared, *more) if name in image} | {"do_sample_frames": False}


def onevision_frames(image: Settings) -> Settings:
    """Make one crop of a frame."""
    shared = ("do_convert_rgb", "do_normalize", "do_rescale", "do_resize", "image_mean", "image_std", "resample")
    return {name: image[name] for name in (*shared, "rescale_factor", "size")} | {"do_sample_frames": False}


ONEVISION = ProcessorFiles(
    "LlavaOnevisionProcessor",
    "LlavaOnevisionImageProcessor",
    "LlavaOnevisionVideoProcessor",
    onevision_frames,
    True,
    onevision_settings,
    refuses=refuse_other_crops,
)
# Qwen2.5-VL and Qwen3-VL place frames in time by the clip's metadata, of which items have none.
PROCESSORS: Mapping[str, ProcessorFiles] = {
    "llava_onevision": ONEVISION,
    "llava": ProcessorFiles("LlavaProcessor", "SiglipImageProcessor", more=llava_settings),
    "qwen2_vl": ProcessorFiles("Qwen2VLProcessor", "Qwen2VLImageProcessor", "Qwen2VLVideoProcessor", qwen_frames, True),
    "qwen2_5_vl": ProcessorFiles("Qwen2_5_VLProcessor", "Qwen2VLImageProcessor", "Qwen2VLVideoProcessor", qwen_frames),
    "qwen3_vl": ProcessorFiles("Qwen3VLProcessor", "Qwen2VLImageProcessor", "Qwen3VLVideoProcessor", qwen_frames),
    "clip": ProcessorFiles("CLIPProcessor", "CLIPImageProcessor", text=clip_text),
    "siglip": ProcessorFiles("SiglipProcessor", "SiglipImageProcessor", text=siglip_text),
}
"""By the config's model_type."""


def processor_files(model: Exported, where: Path) -> ProcessorFiles:
    """Return the processor of a model's family; `where` is the checkpoint, for messages.

    Raises:
        ValueError: no export is made for the family, or this checkpoint cannot be given to its processor.
    """
    if model.family not in PROCESSORS:
        raise ValueError(
            f"{where}: model_type {model.family!r} cannot be exported to sentence-transformers; "
            f"{', '.join(name for name in PROCESSORS if name in ADAPTERS)} can. Push the checkpoint itself by --to hub."
        )
    files = PROCESSORS[model.family]
    reason = files.refuses(model)
    if reason:
        raise ValueError(f"{where} cannot be exported to sentence-transformers: {reason}.")
    return files


def write_processor(model: Exported, files: ProcessorFiles, folder: Path) -> None:
    """Write processor_config.json, preprocessor_config.json and, for clips, video_preprocessor_config.json."""
    image = {**plain(model.image_processor.to_dict()), "image_processor_type": files.image}
    write_json(folder / "preprocessor_config.json", {**image, "processor_class": files.name})
    write_json(folder / "processor_config.json", {"processor_class": files.name, **files.more(model)})
    if files.video:
        video = {**files.video_is(image), "video_processor_type": files.video, "processor_class": files.name}
        write_json(folder / "video_preprocessor_config.json", video)


def spelled(tokenizer: PreTrainedTokenizerBase, token_id: int) -> str:
    """Say how a token is written in a chat template."""
    token = tokenizer.convert_ids_to_tokens(token_id)
    assert isinstance(token, str)
    return token


def plain(settings: Mapping[str, Any]) -> Settings:
    """Return settings of an image processor as JSON has them, without those that are not set."""
    out = {}
    for name, value in settings.items():
        if isinstance(value, Mapping):
            value = plain(value)
        if value is not None:
            out[name] = value
    return out


def write_json(path: Path, value: object) -> None:
    """Write JSON for people to read."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value, indent=2) + "\n")
