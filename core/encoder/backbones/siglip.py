"""SigLIP: a picture's patches pooled by attention, a text of fixed length read at its last token."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from transformers import PreTrainedConfig, PreTrainedTokenizerBase, SiglipModel
from transformers.image_processing_utils import BaseImageProcessor

from core.encoder.backbones.adapter import ModelPart
from core.encoder.backbones.two_towers import TwoTowers


class SiglipAdapter(TwoTowers[SiglipModel]):
    """Texts are cut or filled up with padding to 64 tokens, over all of which the tower attends, as it was trained."""

    model_class = SiglipModel
    parts: ClassVar[Mapping[ModelPart, tuple[str, ...]]] = {
        "projector": ("vision_model.head", "text_model.head", "logit_scale", "logit_bias"),
        "vision": ("vision_model",),
        "language": ("text_model",),
    }
    unused = ("logit_scale", "logit_bias")

    def __init__(self, config: PreTrainedConfig, image_processor: BaseImageProcessor) -> None:
        super().__init__(config, image_processor)
        if not self.config.vision_config.vision_use_head:
            raise ValueError("config.json: vision_config.vision_use_head = false; without it SigLIP has no vector.")

    @property
    def dimensions(self) -> int:
        """The width of the text tower's head, which is the picture tower's own."""
        return self.config.text_config.projection_size

    def text_ids(
        self, text: str, tokenizer: PreTrainedTokenizerBase, most: int | None = None
    ) -> tuple[list[int], int, int]:
        """Filled up on the right, whatever side batches are padded on."""
        ids, own, cut = super().text_ids(text, tokenizer, most)
        assert isinstance(tokenizer.pad_token_id, int)
        padding = [tokenizer.pad_token_id] * (self.config.text_config.max_position_embeddings + 1 - len(ids))
        return ids + padding, own, cut

    def vision(
        self, model: SiglipModel, pixels: Float[Tensor, "rows 3 *shape"], sizes: Sequence[tuple[int, int]]
    ) -> Float[Tensor, "rows *features"]:
        """Return the patches of each picture, which the head then pools: `SiglipVisionModel.forward` up to it."""
        del sizes
        tower: Any = model.vision_model
        states = tower.encoder(inputs_embeds=tower.embeddings(pixels)).last_hidden_state
        return tower.post_layernorm(states)

    def project_images(
        self, model: SiglipModel, features: Sequence[Float[Tensor, "_ *width"]], sizes: Sequence[tuple[int, int]]
    ) -> Float[Tensor, "tokens *d"]:
        """Return the head: one query of its own attends to the patches."""
        del sizes
        head: Any = model.vision_model.head
        return head(torch.cat(list(features)).to(head.probe.dtype))

    def text_vectors(self, model: SiglipModel, texts: Int[Tensor, "texts length"]) -> Float[Tensor, "texts d"]:
        """Read at the last token, which in most texts is padding, and through the head."""
        return model.text_model(texts).pooler_output

    def blocks(self, model: SiglipModel) -> nn.ModuleList:
        """Return the layers of the text tower."""
        return model.text_model.encoder.layers
