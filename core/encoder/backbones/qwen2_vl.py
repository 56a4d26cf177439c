"""Qwen2-VL: every patch of a picture attends to all of it; a clip's frames are placed in time by their number."""

from collections.abc import Sequence
from typing import Any

from jaxtyping import Float
from torch import Tensor
from transformers import Qwen2VLModel
from transformers.vision_utils import get_vision_attention_seqlens, get_vision_position_ids

from core.encoder.backbones.qwen_vl import QwenVL, embedded_patches, grid_of, through_blocks


class Qwen2VL(QwenVL[Qwen2VLModel]):
    """Qwen2-VL."""

    model_class = Qwen2VLModel

    def vision(
        self, model: Qwen2VLModel, pixels: Float[Tensor, "rows 3 *shape"], sizes: Sequence[tuple[int, int]]
    ) -> Float[Tensor, "rows *features"]:
        """`Qwen2VisionTransformerPretrainedModel.forward` up to its merger."""
        tower: Any = model.visual
        grid = grid_of(sizes).to(pixels.device)
        states = embedded_patches(tower.patch_embed.proj, pixels)
        turns = tower.rotary_pos_emb(states, get_vision_position_ids(grid, tower.spatial_merge_size))
        span = get_vision_attention_seqlens(grid, tower.config)
        return through_blocks(tower.blocks, states, turns, [span] * len(tower.blocks))[0]
