"""LLaVA-OneVision: pictures as crops of one side (AnyRes), frames pooled 2 x 2, a newline after each."""

from collections.abc import Mapping, Sequence
from typing import ClassVar

import PIL.Image
import torch
from jaxtyping import Float
from torch import Tensor, nn
from transformers import LlavaOnevisionConfig, LlavaOnevisionModel, PreTrainedConfig
from transformers.image_processing_utils import BaseImageProcessor
from transformers.modeling_outputs import BaseModelOutputWithPooling

from core.data.records import ImageSource, digest
from core.encoder.backbones.adapter import BackboneAdapter, ModelPart
from core.encoder.backbones.image_crops import crops, padded_to_square, pads_several
from core.encoder.inputs import VisionInput
from core.encoder.pooling import Sequences


class LlavaOnevision(BackboneAdapter[LlavaOnevisionModel]):
    """A row of pixels is a crop; a picture's size is its own, in pixels, before resizing."""

    model_class = LlavaOnevisionModel
    parts: ClassVar[Mapping[ModelPart, tuple[str, ...]]] = {
        "vision": ("vision_tower",),
        "projector": ("multi_modal_projector", "image_newline"),
        "language": ("language_model",),
    }

    def __init__(self, config: PreTrainedConfig, image_processor: BaseImageProcessor) -> None:
        super().__init__(config, image_processor)
        self._counted: dict[tuple[str, int, int, int], int] = {}

    def image_input(self, source: ImageSource, alone: bool) -> VisionInput:
        """Cut a picture that is alone into crops, if the processor does so; one among several is one crop.

        To the processor that cuts, one among several is padded to a square first, as in the published training.
        """
        picture = source.open()
        if not alone and pads_several(self.image_processor) and picture.height != picture.width:
            square = padded_to_square(picture, self.image_processor.image_mean)
            pixels = crops(square, self.image_processor, whole_only=True)
            return VisionInput(digest("padded", source.content_id), pixels, (picture.height, picture.width))
        return self._resized(source, picture, whole_only=not alone)

    def video_input(self, frames: Sequence[ImageSource]) -> tuple[VisionInput, ...]:
        """Make one crop of each frame."""
        return tuple(self._resized(frame, frame.open(), whole_only=True) for frame in frames)

    def _resized(self, source: ImageSource, picture: PIL.Image.Image, whole_only: bool) -> VisionInput:
        pixels = crops(picture, self.image_processor, whole_only)
        # A crop of a picture, and a frame, are the same to the tower.
        kind = "crop" if len(pixels) == 1 else "crops"
        return VisionInput(digest(kind, source.content_id), pixels, (picture.height, picture.width))

    def image_tokens(self, picture: VisionInput) -> int:
        """Counted by `image_tokens`."""
        known = (self.config.vision_aspect_ratio, len(picture.pixels), *picture.size)
        if known not in self._counted:
            self._counted[known] = image_tokens(self.config, *known[1:])
        return self._counted[known]

    def video_tokens(self, pieces: Sequence[VisionInput]) -> int:
        """Counted by `video_tokens`."""
        return video_tokens(self.config, len(pieces))

    def vision(
        self, model: LlavaOnevisionModel, pixels: Float[Tensor, "rows 3 *shape"], sizes: Sequence[tuple[int, int]]
    ) -> Float[Tensor, "rows *features"]:
        """Return the patches of each crop, of the layer or layers that the config names."""
        del sizes
        layer = model.config.vision_feature_layer
        output = model.vision_tower(pixels.to(model.vision_tower.dtype), output_hidden_states=True, return_dict=True)
        chosen = (
            output.hidden_states[layer]
            if isinstance(layer, int)
            else torch.cat([output.hidden_states[i] for i in layer], -1)
        )
        return chosen[:, 1:] if model.config.vision_feature_select_strategy == "default" else chosen

    def project_images(
        self,
        model: LlavaOnevisionModel,
        features: Sequence[Float[Tensor, "_ patches width"]],
        sizes: Sequence[tuple[int, int]],
    ) -> Float[Tensor, "tokens d"]:
        """Return the whole picture, then the mosaic of its crops without what is padding, a newline after each line."""
        split = projected(model, features).split([len(each) for each in features])
        packed, _ = model.pack_image_features(split, sizes, model.image_newline, model.config.vision_aspect_ratio)
        return torch.cat(packed)

    def project_videos(
        self,
        model: LlavaOnevisionModel,
        features: Sequence[Float[Tensor, "_ patches width"]],
        pieces: Sequence[int],
    ) -> Float[Tensor, "tokens d"]:
        """Return frames reduced 2 x 2 behind one another, then a newline."""
        frames = model.apply_pooling(projected(model, features))
        newline = model.image_newline[None].to(frames)
        return torch.cat([torch.cat((clip.flatten(0, 1), newline)) for clip in frames.split(list(pieces))])

    def language(
        self,
        model: LlavaOnevisionModel,
        sequences: Sequences,
        images: Float[Tensor, "_ d"] | None,
        videos: Float[Tensor, "_ d"] | None,
    ) -> Float[Tensor, "n d"]:
        """Qwen2 over words, pictures and clips."""
        encoded: dict[str, BaseModelOutputWithPooling] = {}
        if images is not None:
            encoded["image"] = BaseModelOutputWithPooling(pooler_output=[images])  # pyright: ignore[reportArgumentType]
        if videos is not None:
            encoded["video"] = BaseModelOutputWithPooling(pooler_output=videos[None])  # pyright: ignore[reportArgumentType]
        output = model(
            input_ids=sequences.token_ids,
            attention_mask=sequences.attention_mask,
            position_ids=sequences.positions[0],
            mm_encoder_outputs=encoded,
            use_cache=False,
            **sequences.kernel,
        )
        return sequences.last(output.last_hidden_state)

    def blocks(self, model: LlavaOnevisionModel) -> nn.ModuleList:
        """Return the decoder layers."""
        return model.language_model.layers


def projected(
    model: LlavaOnevisionModel, features: Sequence[Float[Tensor, "_ patches width"]]
) -> Float[Tensor, "crops patches d"]:
    """Return the projector over all crops at once."""
    return model.multi_modal_projector(torch.cat(list(features)).to(model.multi_modal_projector.linear_1.weight.dtype))


def image_tokens(config: LlavaOnevisionConfig, crops: int, height: int, width: int) -> int:
    """Say how many tokens a picture of `height` x `width` pixels takes, encoded as `crops` crops.

    One crop: its patches and a newline. More (AnyRes): counted by the model's own packing over empty features.
    """
    patches = patches_per_side(config) ** 2
    if crops == 1:
        return patches + 1
    features = [torch.zeros(crops, patches, 1)]
    sizes = [(height, width)]
    counter = PackingOnly(config)
    ratio = config.vision_aspect_ratio
    _, lengths = LlavaOnevisionModel.pack_image_features(counter, features, sizes, torch.zeros(1), ratio)  # pyright: ignore[reportArgumentType]
    return int(lengths[0])


class PackingOnly:
    """What `LlavaOnevisionModel.pack_image_features` reads of a model: its config."""

    def __init__(self, config: LlavaOnevisionConfig) -> None:
        self.config = config


def video_tokens(config: LlavaOnevisionConfig, frames: int) -> int:
    """Say how many tokens a clip takes: each frame's patches reduced 2 x 2, and one newline (LLaVE section 4.5)."""
    return frames * ((patches_per_side(config) + 1) // 2) ** 2 + 1


def patches_per_side(config: LlavaOnevisionConfig) -> int:
    """Patches along one side of a crop."""
    vision = config.vision_config
    assert isinstance(vision, PreTrainedConfig)
    return vision.image_size // vision.patch_size
