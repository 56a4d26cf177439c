"""Qwen3-VL: inner blocks of the tower feed the first language blocks (DeepStack); frames follow times in words."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

import torch
from jaxtyping import Float
from torch import Tensor
from transformers import PreTrainedConfig, Qwen3VLModel
from transformers.image_processing_utils import BaseImageProcessor
from transformers.models.qwen3_vl.modeling_qwen3_vl import BaseModelOutputWithDeepstackFeatures
from transformers.vision_utils import (
    get_vision_attention_seqlens,
    get_vision_interpolation_indices_and_weights,
    get_vision_position_ids,
)

from core.encoder.backbones.adapter import ModelPart
from core.encoder.backbones.qwen_vl import QwenVL, embedded_patches, grid_of, in_type_of, through_blocks
from core.encoder.inputs import VisionInput


class Qwen3VL(QwenVL[Qwen3VLModel]):
    """Qwen3-VL.

    A patch has as features what leaves the tower's last block and what leaves each of the inner ones; a token
    likewise is several vectors: the one that takes the token's place, and those that are added later.
    """

    model_class = Qwen3VLModel
    parts: ClassVar[Mapping[ModelPart, tuple[str, ...]]] = {
        **QwenVL.parts,
        "vision": (*QwenVL.parts["vision"], "visual.pos_embed"),
        "projector": (*QwenVL.parts["projector"], "visual.deepstack_merger_list"),
    }
    video_mark: ClassVar[tuple[str, ...]] = ("vision_start_token_id", "video_token_id", "vision_end_token_id")

    def __init__(self, config: PreTrainedConfig, image_processor: BaseImageProcessor) -> None:
        super().__init__(config, image_processor)
        levels, layers = len(self.config.vision_config.deepstack_visual_indexes), self.config.text_config
        if layers.num_hidden_layers <= levels:
            raise ValueError(
                f"config.json: text_config.num_hidden_layers = {layers.num_hidden_layers} is too few for the {levels} "
                "of vision_config.deepstack_visual_indexes: the last language block cannot take pictures."
            )

    def video_token_ids(self, pieces: Sequence[VisionInput], words: Callable[[str], list[int]]) -> list[int]:
        """Return each pair of frames after its time, the mean of both frames' times, in seconds from 0.

        The layout is the one that the model was published with: the clip's own marks give way to those of the pairs.
        (transformers 5.10 and later leaves them around the whole.)
        """
        config, together = self.config, self.config.vision_config.temporal_patch_size
        ids: list[int] = []
        for number, piece in enumerate(pieces):
            seconds = (number * together + (together - 1) / 2) / self.frames_per_second
            ids += [*words(f"<{seconds:.1f} seconds>"), config.vision_start_token_id]
            ids += [*[config.video_token_id] * self.image_tokens(piece), config.vision_end_token_id]
        return ids

    def vision(
        self, model: Qwen3VLModel, pixels: Float[Tensor, "rows 3 *shape"], sizes: Sequence[tuple[int, int]]
    ) -> Float[Tensor, "rows *features"]:
        """`Qwen3VLVisionModel.forward` up to its mergers: for each patch the last block's state, then inner ones'."""
        tower: Any = model.visual
        grid = grid_of(sizes).to(pixels.device)
        corners, shares = get_vision_interpolation_indices_and_weights(
            grid,
            num_grid_per_side=tower.num_grid_per_side,
            mode=tower.interpolation_mode,
            align_corners=tower.interpolation_align_corners,
            spatial_merge_size=tower.spatial_merge_size,
        )
        states = embedded_patches(tower.patch_embed.proj, pixels)
        places = (tower.pos_embed(corners) * shares[:, :, None]).sum(dim=1)
        states = states + places.to(states.dtype)
        turns = tower.rotary_pos_emb(states, get_vision_position_ids(grid, tower.spatial_merge_size))
        span = get_vision_attention_seqlens(grid, tower.config)
        inner = tower.deepstack_visual_indexes
        return torch.stack(through_blocks(tower.blocks, states, turns, [span] * len(tower.blocks), inner), dim=1)

    def project_images(
        self, model: Qwen3VLModel, features: Sequence[Float[Tensor, "_ *width"]], sizes: Sequence[tuple[int, int]]
    ) -> Float[Tensor, "tokens *d"]:
        """Return each level of the features through its own merger: four patches become one token."""
        del sizes
        tower: Any = model.visual
        levels = in_type_of(tower.merger, features).unbind(dim=1)
        mergers = (tower.merger, *tower.deepstack_merger_list)
        return torch.stack([merger(level.contiguous()) for merger, level in zip(mergers, levels, strict=True)], dim=1)

    def encoded(self, tokens: Float[Tensor, "_ levels width"]) -> BaseModelOutputWithDeepstackFeatures:
        """Projected tokens as the model would hand them to itself, level by level."""
        first, *deeper = tokens.unbind(dim=1)
        return BaseModelOutputWithDeepstackFeatures(
            pooler_output=[first],  # pyright: ignore[reportArgumentType]
            deepstack_features=[[each] for each in deeper],  # pyright: ignore[reportArgumentType]
        )
