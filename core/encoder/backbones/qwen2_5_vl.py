"""Qwen2.5-VL: in most blocks of the tower patches attend within windows; a clip's frames are placed in seconds."""

from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from transformers import Qwen2_5_VLModel
from transformers.utils.generic import get_max_seqlen
from transformers.vision_utils import (
    get_vision_attention_seqlens,
    get_vision_position_ids,
    get_vision_window_index,
)

from core.encoder.backbones.qwen_vl import QwenVL, embedded_patches, grid_of, through_blocks


class Qwen2_5VL(QwenVL[Qwen2_5_VLModel]):
    """Qwen2.5-VL.

    Its time axis counts `tokens_per_second` a second; frames follow one another at `frames_per_second`.
    """

    model_class = Qwen2_5_VLModel

    def vision(
        self, model: Qwen2_5_VLModel, pixels: Float[Tensor, "rows 3 *shape"], sizes: Sequence[tuple[int, int]]
    ) -> Float[Tensor, "rows *features"]:
        """`Qwen2_5_VisionTransformerPretrainedModel.forward` up to its merger, patches in the order they came in.

        Windows lie within a picture, so its features are the same whatever it is seen with.
        """
        tower: Any = model.visual
        grid = grid_of(sizes)
        squares, window_starts = get_vision_window_index(
            grid, tower.spatial_merge_size, tower.window_size, tower.patch_size
        )
        grid, squares, window_starts = (each.to(pixels.device) for each in (grid, squares, window_starts))
        unit = tower.spatial_merge_unit
        by_window = (squares[:, None] * unit + torch.arange(unit, device=squares.device)).flatten()
        states = embedded_patches(tower.patch_embed.proj, pixels)
        cos, sin = tower.rotary_pos_emb(states, get_vision_position_ids(grid, tower.spatial_merge_size))
        whole = get_vision_attention_seqlens(grid, tower.config)
        windows = window_starts, get_max_seqlen(window_starts, tower.config)
        spans = [whole if each in tower.fullatt_block_indexes else windows for each in range(len(tower.blocks))]
        (seen,) = through_blocks(tower.blocks, states[by_window], (cos[by_window], sin[by_window]), spans)
        return seen[by_window.argsort()]
