"""Qwen2-VL: pictures at their own resolution in patches, tokens placed in time, height and width (M-RoPE)."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import PIL.Image
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn.functional import linear
from transformers import Qwen2VLConfig, Qwen2VLModel
from transformers.modeling_outputs import BaseModelOutputWithPooling
from transformers.vision_utils import get_vision_attention_seqlens, get_vision_position_ids

from core.data.records import ImageSource, digest
from core.encoder.backbone import Family, Part
from core.encoder.inputs import Picture
from core.encoder.packing import Sequences


class Qwen2VL(Family[Qwen2VLModel]):
    """A row of pixels is a patch in one frame (a still) or in as many as the tower takes together (a clip).

    A picture's size is its height and width in patches.
    """

    model_class = Qwen2VLModel
    parts: ClassVar[Mapping[Part, tuple[str, ...]]] = {
        "vision": ("visual.patch_embed", "visual.blocks", "visual.rotary_pos_emb"),
        "projector": ("visual.merger",),
        "language": ("language_model",),
    }

    def still(self, source: ImageSource, alone: bool) -> Picture:
        """The picture at the resolution that the processor's pixel limits allow."""
        del alone
        patches, size = self._patches(source.open())
        return Picture(digest("still", source.content_id), patches[:, :, None], size)

    def clip(self, frames: Sequence[ImageSource]) -> tuple[Picture, ...]:
        """Frames in twos (the tower's temporal patch), the last repeated if one is missing.

        Frames take the resolution of the first.
        """
        together = self.config.vision_config.temporal_patch_size
        sources = [*frames, *[frames[-1]] * (-len(frames) % together)]
        opened = [frame.open() for frame in frames]
        opened = [each if each.size == opened[0].size else each.resize(opened[0].size) for each in opened]
        cut = [self._patches(each) for each in opened]
        cut += [cut[-1]] * (len(sources) - len(cut))
        groups = [slice(start, start + together) for start in range(0, len(sources), together)]
        return tuple(
            Picture(
                digest("frames", *(each.content_id for each in sources[group]), str(opened[0].size)),
                torch.stack([patches for patches, _ in cut[group]], dim=2),
                cut[0][1],
            )
            for group in groups
        )

    def still_tokens(self, picture: Picture) -> int:
        """A token for each square of patches that the projector merges."""
        return len(picture.pixels) // self.config.vision_config.spatial_merge_size**2

    def clip_tokens(self, pieces: Sequence[Picture]) -> int:
        """The tokens of all pairs of frames."""
        return sum(self.still_tokens(each) for each in pieces)

    def positions(
        self, token_ids: Int[Tensor, " length"], stills: Sequence[Picture], clips: Sequence[Sequence[Picture]]
    ) -> Int[Tensor, "axes length"] | None:
        """Time, height and width of each token, by the model's own rule; plain text counts up."""
        if not stills and not clips:
            return None
        kinds = (token_ids == self.config.image_token_id).int() + 2 * (token_ids == self.config.video_token_id).int()
        rule: Any = Qwen2VLModel.get_rope_index
        positions, _ = rule(
            PositionsOnly(self.config),
            token_ids[None],
            kinds[None],
            image_grid_thw=torch.tensor([(1, *each.size) for each in stills]).reshape(-1, 3),
            video_grid_thw=torch.tensor([(len(clip), *clip[0].size) for clip in clips]).reshape(-1, 3),
        )
        return positions[:, 0]

    def vision(
        self, model: Qwen2VLModel, pixels: Float[Tensor, "rows 3 *shape"], sizes: Sequence[tuple[int, int]]
    ) -> Float[Tensor, "rows *features"]:
        """`Qwen2VisionTransformerPretrainedModel.forward` up to its merger."""
        tower: Any = model.visual
        grid = torch.tensor([(1, *size) for size in sizes], device=pixels.device)
        places = get_vision_position_ids(grid, tower.spatial_merge_size)
        starts, longest = get_vision_attention_seqlens(grid, tower.config)
        states = embedded_patches(tower.patch_embed.proj.weight, pixels)
        turns = tower.rotary_pos_emb(states, places)
        for block in tower.blocks:
            states = block(states, cu_seqlens=starts, max_seqlen=longest, position_embeddings=turns)
        return states

    def project_stills(
        self, model: Qwen2VLModel, features: Sequence[Float[Tensor, "_ width"]], sizes: Sequence[tuple[int, int]]
    ) -> Float[Tensor, "tokens d"]:
        """The merger: four patches become one token."""
        del sizes
        merger: Any = model.visual.merger
        return merger(torch.cat(list(features)).to(merger.mlp[0].weight.dtype))

    def project_clips(
        self, model: Qwen2VLModel, features: Sequence[Float[Tensor, "_ width"]], pieces: Sequence[int]
    ) -> Float[Tensor, "tokens d"]:
        """The merger over every pair of frames."""
        del pieces
        return self.project_stills(model, features, [])

    def language(
        self,
        model: Qwen2VLModel,
        sequences: Sequences,
        stills: Float[Tensor, "_ d"] | None,
        clips: Float[Tensor, "_ d"] | None,
    ) -> Float[Tensor, "n d"]:
        """Qwen2 with M-RoPE. Packed sequences need a fourth axis: from it transformers reads where items begin."""
        encoded = {
            kind: BaseModelOutputWithPooling(pooler_output=[tokens])  # pyright: ignore[reportArgumentType]
            for kind, tokens in (("image", stills), ("video", clips))
            if tokens is not None
        }
        positions = sequences.positions.expand(3, -1, -1)
        if sequences.attention_mask is None:
            positions = torch.cat((sequences.places[None], positions))
        output = model(
            input_ids=sequences.token_ids,
            attention_mask=sequences.attention_mask,
            position_ids=positions,
            mm_encoder_outputs=encoded,
            use_cache=False,
            read=sequences,
            **sequences.kernel,
        )
        return output.last_hidden_state[:, 0]

    def blocks(self, model: Qwen2VLModel) -> nn.ModuleList:
        """The decoder layers."""
        return model.language_model.layers

    def _patches(self, picture: PIL.Image.Image) -> tuple[Tensor, tuple[int, int]]:
        """The patches of one frame in the tower's order, and how many there are down and across."""
        side = self.config.vision_config.patch_size
        prepared = self.image_processor(
            [picture], do_rescale=False, do_normalize=False, temporal_patch_size=1, return_tensors="np"
        )
        _, height, width = prepared["image_grid_thw"][0].tolist()
        return torch.from_numpy(prepared["pixel_values"].astype(np.uint8)).view(-1, 3, side, side), (height, width)


def embedded_patches(
    weight: Float[Tensor, "width 3 together side side"], pixels: Float[Tensor, "rows 3 frames side side"]
) -> Float[Tensor, "rows width"]:
    """The tower's first convolution as the matrix product that it is, which is faster on every device.

    To the tower a still is two equal frames: the sum of both frames' weights is applied to one.
    """
    if pixels.shape[2] == 1:
        weight = weight.sum(dim=2, keepdim=True)
    return linear(pixels.flatten(1).to(weight.dtype), weight.flatten(1))


class PositionsOnly:
    """What `Qwen2VLModel.get_rope_index` reads of a model: its config, and one function of it."""

    get_vision_position_ids = Qwen2VLModel.get_vision_position_ids

    def __init__(self, config: Qwen2VLConfig) -> None:
        self.config = config
