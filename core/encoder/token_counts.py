"""How many tokens pictures and clips take in LLaVA-OneVision's input."""

import torch
from transformers import LlavaOnevisionConfig, LlavaOnevisionModel, PretrainedConfig


def image_tokens(config: LlavaOnevisionConfig, crops: int, height: int, width: int) -> int:
    """How many tokens a picture of `height` x `width` pixels takes, encoded as `crops` crops.

    One crop: its patches and a newline. More (AnyRes): counted by the model's own packing over empty features.
    """
    patches = patches_per_side(config) ** 2
    if crops == 1:
        return patches + 1
    features = [torch.zeros(crops, patches, 1)]
    sizes = torch.tensor([[height, width]])
    counter = PackingOnly(config)
    ratio = config.vision_aspect_ratio
    _, lengths = LlavaOnevisionModel.pack_image_features(counter, features, sizes, torch.zeros(1), ratio)  # pyright: ignore[reportArgumentType]
    return int(lengths[0])


class PackingOnly:
    """What `LlavaOnevisionModel.pack_image_features` reads of a model: its config."""

    def __init__(self, config: LlavaOnevisionConfig) -> None:
        self.config = config


def video_tokens(config: LlavaOnevisionConfig, frames: int) -> int:
    """How many tokens a clip takes: each frame's patches reduced 2 x 2, and one newline (LLaVE section 4.5)."""
    return frames * ((patches_per_side(config) + 1) // 2) ** 2 + 1


def patches_per_side(config: LlavaOnevisionConfig) -> int:
    """Patches along one side of a crop."""
    vision = config.vision_config
    assert isinstance(vision, PretrainedConfig)
    return vision.image_size // vision.patch_size
