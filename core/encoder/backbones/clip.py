"""CLIP: a picture's class token and a text's end token, each through a projection of its own."""

from collections.abc import Mapping, Sequence
from typing import ClassVar

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from transformers import CLIPModel

from core.encoder.backbones.adapter import ModelPart
from core.encoder.backbones.two_towers import TwoTowers


class ClipAdapter(TwoTowers[CLIPModel]):
    """Texts are cut to 77 tokens, both ends counted."""

    model_class = CLIPModel
    parts: ClassVar[Mapping[ModelPart, tuple[str, ...]]] = {
        "vision": ("vision_model",),
        "projector": ("visual_projection", "text_projection", "logit_scale"),
        "language": ("text_model",),
    }
    unused = ("logit_scale",)

    @property
    def dimensions(self) -> int:
        """The width of both projections."""
        return self.config.projection_dim

    def vision(
        self, model: CLIPModel, pixels: Float[Tensor, "rows 3 *shape"], sizes: Sequence[tuple[int, int]]
    ) -> Float[Tensor, "rows *features"]:
        """Return the class token of each picture."""
        del sizes
        return model.vision_model(pixels.to(model.vision_model.dtype)).pooler_output

    def project_images(
        self, model: CLIPModel, features: Sequence[Float[Tensor, "_ *width"]], sizes: Sequence[tuple[int, int]]
    ) -> Float[Tensor, "tokens *d"]:
        """Return the projection of pictures."""
        del sizes
        return model.visual_projection(torch.cat(list(features)).to(model.visual_projection.weight.dtype))

    def text_vectors(self, model: CLIPModel, texts: Int[Tensor, "texts length"]) -> Float[Tensor, "texts d"]:
        """Attention is causal, so that nothing behind the end of a text reaches its vector."""
        return model.text_projection(model.text_model(texts).pooler_output)

    def blocks(self, model: CLIPModel) -> nn.ModuleList:
        """Return the layers of the text tower."""
        return model.text_model.encoder.layers
