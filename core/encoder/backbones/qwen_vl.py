"""The part that Qwen's models share: pictures at their own resolution, tokens placed in time, height and width."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any, ClassVar, TypeAlias

import numpy as np
import PIL.Image
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn.functional import linear
from transformers import PreTrainedConfig, Qwen2VLModel
from transformers.modeling_outputs import BaseModelOutputWithPooling

from core.data.checks.visuals import name_of
from core.data.images.image_files import BadImage
from core.data.records import ImageSource, digest
from core.encoder.backbones.adapter import BackboneAdapter, Model, ModelPart
from core.encoder.inputs import VisionInput
from core.encoder.pooling import Sequences

NARROWEST = 200
"""Qwen's image processors refuse a picture that is more than so many times as long as it is wide."""
Span: TypeAlias = tuple[Int[Tensor, " _"], int | None]
"""Where patches that attend to each other begin and end, and how many are most together (for flash kernels)."""


class QwenVL(BackboneAdapter[Model]):
    """A row of pixels is a patch in one frame (a still) or in as many as the tower takes together (a clip).

    A picture's size is its height and width in patches. A family adds its tower: `vision`.
    """

    parts: ClassVar[Mapping[ModelPart, tuple[str, ...]]] = {
        "vision": ("visual.patch_embed", "visual.blocks", "visual.rotary_pos_emb"),
        "projector": ("visual.merger",),
        "language": ("language_model",),
    }
    frames_per_second: ClassVar[float] = 2.0
    """At what rate frames are taken to follow one another: what Qwen's own tools take frames without times to have."""

    def image_input(self, source: ImageSource, alone: bool) -> VisionInput:
        """Return the picture at the resolution that the processor's pixel limits (`size`) allow."""
        del alone
        patches, size = self._patches(opened(source))
        return VisionInput(digest("still", source.content_id), patches[:, :, None], size)

    def video_input(self, frames: Sequence[ImageSource]) -> tuple[VisionInput, ...]:
        """Return frames in twos (the tower's temporal patch), the last repeated if one is missing.

        Frames take the size of the first, and the resolution that `frame_limits` allow.
        """
        together = self.config.vision_config.temporal_patch_size
        sources = [*frames, *[frames[-1]] * (-len(frames) % together)]
        limits = frame_limits(self.image_processor, len(sources))
        pictures = [opened(frame) for frame in frames]
        size = pictures[0].size
        cut = [self._patches(each if each.size == size else each.resize(size), **limits) for each in pictures]
        cut += [cut[-1]] * (len(sources) - len(cut))
        groups = [slice(start, start + together) for start in range(0, len(sources), together)]
        return tuple(
            VisionInput(
                digest("frames", *(each.content_id for each in sources[group]), str(size), str(cut[0][1])),
                torch.stack([patches for patches, _ in cut[group]], dim=2),
                cut[0][1],
            )
            for group in groups
        )

    def image_tokens(self, picture: VisionInput) -> int:
        """Return a token for each square of patches that the projector merges."""
        return len(picture.pixels) // self.config.vision_config.spatial_merge_size**2

    @property
    def most_picture_tokens(self) -> int:
        """As many as the processor's limit of pixels allows."""
        vision = self.config.vision_config
        return int(self.image_processor.size["longest_edge"]) // (vision.patch_size * vision.spatial_merge_size) ** 2

    def video_tokens(self, pieces: Sequence[VisionInput]) -> int:
        """Return the tokens of all pairs of frames."""
        return sum(self.image_tokens(each) for each in pieces)

    def positions(
        self, token_ids: Int[Tensor, " length"], images: Sequence[VisionInput], videos: Sequence[Sequence[VisionInput]]
    ) -> Int[Tensor, "axes length"] | None:
        """Time, height and width of each token, by the model's own rule; plain text counts up.

        Pictures of a prompt without `<|vision_start|>` are placed like words, as VLM2Vec trained them: the rule of its
        transformers found pictures by that token.
        """
        config = self.config
        if not bool((token_ids == config.vision_start_token_id).any()):
            return None
        kinds = (token_ids == config.image_token_id).int() + 2 * (token_ids == config.video_token_id).int()
        rules: Any = self.model_class
        positions, _ = rules.get_rope_index(
            PositionsOnly(config),
            token_ids[None],
            kinds[None],
            image_grid_thw=grid_of([each.size for each in images]),
            video_grid_thw=grid_of([clip[0].size for clip in videos], [len(clip) for clip in videos]),
            # Qwen2.5-VL alone reads it: the others place frames by number, or write times as words.
            second_per_grid_ts=[config.vision_config.temporal_patch_size / self.frames_per_second] * len(videos),
        )
        return positions[:, 0]

    def project_images(
        self, model: Model, features: Sequence[Float[Tensor, "_ *width"]], sizes: Sequence[tuple[int, int]]
    ) -> Float[Tensor, "tokens *d"]:
        """Return the merger: four patches become one token."""
        del sizes
        tower: Any = model.visual
        return tower.merger(in_type_of(tower.merger, features))

    def project_videos(
        self, model: Model, features: Sequence[Float[Tensor, "_ *width"]], pieces: Sequence[int]
    ) -> Float[Tensor, "tokens *d"]:
        """Return the merger over every pair of frames."""
        del pieces
        return self.project_images(model, features, [])

    def language(
        self,
        model: Model,
        sequences: Sequences,
        images: Float[Tensor, "_ *tokens"] | None,
        videos: Float[Tensor, "_ *tokens"] | None,
    ) -> Float[Tensor, "n d"]:
        """Return the language model with M-RoPE.

        Packed sequences need a fourth axis: from it transformers reads where items begin.
        """
        seen = (("image", images), ("video", videos))
        positions = sequences.positions.expand(3, -1, -1)
        if sequences.attention_mask is None:
            positions = torch.cat((sequences.places[None], positions))
        output = model(
            input_ids=sequences.token_ids,
            attention_mask=sequences.attention_mask,
            position_ids=positions,
            mm_encoder_outputs={kind: self.encoded(tokens) for kind, tokens in seen if tokens is not None},
            use_cache=False,
            **sequences.kernel,
        )
        return sequences.last(output.last_hidden_state)

    def encoded(self, tokens: Float[Tensor, "_ *tokens"]) -> BaseModelOutputWithPooling:
        """Projected tokens as the model would hand them to itself."""
        return BaseModelOutputWithPooling(pooler_output=[tokens])  # pyright: ignore[reportArgumentType]

    def blocks(self, model: Model) -> nn.ModuleList:
        """Return the decoder layers."""
        language_model: Any = model.language_model
        return language_model.layers

    def _patches(self, picture: PIL.Image.Image, **limits: Mapping[str, int]) -> tuple[Tensor, tuple[int, int]]:
        """Return the patches of one frame in the tower's order, and how many there are down and across."""
        side = self.config.vision_config.patch_size
        prepared = self.image_processor(
            [picture], do_rescale=False, do_normalize=False, temporal_patch_size=1, return_tensors="np", **limits
        )
        _, height, width = prepared["image_grid_thw"][0].tolist()
        return torch.from_numpy(prepared["pixel_values"].astype(np.uint8)).view(-1, 3, side, side), (height, width)


def opened(source: ImageSource) -> PIL.Image.Image:
    """Return the picture, if it can be cut into patches.

    Raises:
        core.data.images.image_files.BadImage: it cannot be read, or is too narrow.
    """
    picture = source.open()
    width, height = picture.size
    if max(width, height) > NARROWEST * min(width, height):
        name, size = name_of(source) or "a picture", f"{width} x {height}"
        raise BadImage(f"{name}: {size} pixels; one side may be {NARROWEST} times the other. Crop it.")
    return picture


def frame_limits(processor: Any, frames: int) -> dict[str, Mapping[str, int]]:  # noqa: ANN401
    """Return the processor's `size` for the frames of a clip of so many; empty, for that of pictures, if it sets none.

    Set by an attribute of the processor, which it saves with the rest: frame_size = {"shortest_edge": fewest pixels of
    a frame, "longest_edge": most, "clip": most of all frames together}. Fewest comes first, with 5 percent room.

    Raises:
        ValueError: the attribute is something else.
    """
    limits = getattr(processor, "frame_size", None)
    if limits is None:
        return {}
    if not isinstance(limits, Mapping) or {*limits} != {"shortest_edge", "longest_edge", "clip"}:
        raise ValueError(
            f"preprocessor_config.json: frame_size = {limits!r}; give it shortest_edge and longest_edge, the fewest "
            "and most pixels of a frame, and clip, the most of all frames of a clip together."
        )
    most = max(min(limits["longest_edge"], limits["clip"] // frames), int(1.05 * limits["shortest_edge"]))
    return {"size": {"shortest_edge": limits["shortest_edge"], "longest_edge": most}}


class PositionsOnly:
    """What `get_rope_index` reads of a model: its config, and one function, the same in all three families."""

    get_vision_position_ids = Qwen2VLModel.get_vision_position_ids

    def __init__(self, config: PreTrainedConfig) -> None:
        self.config = config


def grid_of(sizes: Sequence[tuple[int, int]], frames: Sequence[int] | None = None) -> Int[Tensor, "pictures 3"]:
    """Return frames (1 each unless given), height and width in patches, of pictures or clips."""
    lengths = [1] * len(sizes) if frames is None else frames
    rows = [(length, *size) for length, size in zip(lengths, sizes, strict=True)]
    return torch.tensor(rows, dtype=torch.long).reshape(-1, 3)


def in_type_of(module: nn.Module, features: Sequence[Float[Tensor, "_ *width"]]) -> Float[Tensor, "rows *width"]:
    """Features of several pictures behind one another, in the precision of a module's weights."""
    return torch.cat(list(features)).to(next(module.parameters()).dtype)


def embedded_patches(
    convolution: nn.Module, pixels: Float[Tensor, "rows 3 frames side side"]
) -> Float[Tensor, "rows width"]:
    """Return the tower's first convolution as the matrix product that it is, which is faster on every device.

    To the tower a still is two equal frames: the sum of both frames' weights is applied to one.
    """
    weight, bias = convolution.weight, convolution.bias
    assert isinstance(weight, Tensor)
    assert bias is None or isinstance(bias, Tensor)
    if pixels.shape[2] == 1:
        weight = weight.sum(dim=2, keepdim=True)
    return linear(pixels.flatten(1).to(weight.dtype), weight.flatten(1), bias)


def through_blocks(
    blocks: nn.ModuleList,
    states: Float[Tensor, "rows width"],
    turns: tuple[Float[Tensor, "rows _"], Float[Tensor, "rows _"]],
    spans: Sequence[Span],
    kept: Collection[int] = (),
) -> list[Float[Tensor, "rows width"]]:
    """Patches through the tower's blocks, each attending within its span: what leaves the last one, then the `kept`.

    turns: cosines and sines of the patches' places. spans: one for each block. kept: numbers of blocks, from 0, whose
    outputs are wanted besides, in the blocks' order.
    """
    beside = []
    for number, (block, (starts, longest)) in enumerate(zip(blocks, spans, strict=True)):
        states = block(states, cu_seqlens=starts, max_seqlen=longest, position_embeddings=turns)
        if number in kept:
            beside.append(states)
    return [states, *beside]
