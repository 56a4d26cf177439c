"""Read from a model's weights and config the sizes that its arithmetic and memory depend on."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import PIL.Image
from peft.tuners.lora import LoraLayer
from torch import nn

from core.encoder.backbones.adapter import ModelPart
from core.encoder.embedder import Embedder
from core.encoder.inputs import VisionInput
from core.encoder.lora import is_lora

LOOKED_UP = ("embed_tokens", "position_embedding", "pos_embed")
"""Tables of which rows are taken, in parts of weights' names: no arithmetic."""


@dataclass(frozen=True)
class ModelShape:
    """Sizes of a model.

    language, projector, vision: numbers in the matrices that each token, token of a picture, or patch passes through,
    adapters left out. adapters: the same of the language model's adapters. repeated: those of the matrices that DoRA
    multiplies a second time. layers, width, inner, heads, shared: blocks of the language model, its width, that of its
    feed-forward part, those of all queries and of all keys. vision_layers, vision_width, vision_inner: of the tower.
    merged: patches that the projector makes one token of. trained: the parts of which something trains. parameters: all
    numbers and the trained ones by part.
    """

    language: int
    adapters: int
    repeated: int
    projector: int
    vision: int
    layers: int
    width: int
    inner: int
    heads: int
    shared: int
    vision_layers: int
    vision_width: int
    vision_inner: int
    merged: int
    parameters: Mapping[ModelPart, tuple[int, int]]

    @property
    def trained(self) -> frozenset[ModelPart]:
        """The parts of which something trains."""
        return frozenset(part for part, (_, trained) in self.parameters.items() if trained)

    @property
    def total(self) -> tuple[int, int]:
        """All parameters, and those that train."""
        return sum(each for each, _ in self.parameters.values()), sum(each for _, each in self.parameters.values())


def shape_of(embedder: Embedder) -> ModelShape:
    """Read a model's sizes.

    Raises:
        ValueError: it is not made of a language model that reads what a vision tower sees.
    """
    adapter, model, config = embedder.backbone_adapter, embedder.backbone, embedder.backbone.config
    text, vision = config.get_text_config(), getattr(config, "vision_config", None)
    if vision is None or not hasattr(text, "num_key_value_heads"):
        raise ValueError(f"A dry run cannot plan for {config.model_type}: it is no language model with a vision tower.")
    named: dict[ModelPart, list[tuple[str, nn.Parameter]]] = {
        part: adapter.weights(model, part) for part in ("vision", "projector", "language")
    }
    counts: dict[ModelPart, tuple[int, int]] = {
        part: (sum(w.numel() for _, w in weights), sum(w.numel() for _, w in weights if w.requires_grad))
        for part, weights in named.items()
    }
    head = getattr(text, "head_dim", None) or text.hidden_size // text.num_attention_heads
    width = getattr(vision, "embed_dim", None) or vision.hidden_size
    return ModelShape(
        language=matrices(named["language"], adapters=False),
        adapters=matrices(named["language"], adapters=True),
        repeated=repeated(adapter.language_model(model)),
        projector=matrices(named["projector"], adapters=False),
        vision=matrices(named["vision"], adapters=False),
        layers=text.num_hidden_layers,
        width=text.hidden_size,
        inner=text.intermediate_size,
        heads=text.num_attention_heads * head,
        shared=text.num_key_value_heads * head,
        vision_layers=getattr(vision, "num_hidden_layers", None) or vision.depth,
        vision_width=width,
        vision_inner=getattr(vision, "intermediate_size", None) or int(width * vision.mlp_ratio),
        merged=getattr(vision, "spatial_merge_size", 1) ** 2,
        parameters=counts,
    )


def matrices(weights: Iterable[tuple[str, nn.Parameter]], adapters: bool) -> int:
    """Say how many numbers of some weights multiply something, of adapters or of all else."""
    total = 0
    for name, weight in weights:
        if weight.dim() >= 2 and is_lora(f".{name}") == adapters and not any(each in name for each in LOOKED_UP):
            # A still is one frame to a tower that takes two at once: their weights are added up before.
            total += weight.numel() // (weight.shape[2] if weight.dim() == 5 else 1)
    return total


def repeated(language_model: nn.Module) -> int:
    """Count the numbers in the matrices that peft's DoRA multiplies a second time.

    The second product is of what dropout leaves of the input, so without dropout there is none
    (`peft.tuners.lora.dora.DoraLinearLayer.forward`, base_result).
    """
    layers = [each for each in language_model.modules() if isinstance(each, LoraLayer) and each.lora_variant]
    dropped = [each for each in layers if not all(isinstance(d, nn.Identity) for d in each.lora_dropout.values())]
    return sum(each.get_base_layer().weight.numel() for each in dropped)  # pyright: ignore[reportCallIssue]


@dataclass(frozen=True)
class PictureSize:
    """A picture as the model takes it: its tokens, and the patches that attend to each other (a crop; all of it)."""

    tokens: int
    groups: tuple[int, ...]


@dataclass(frozen=True)
class Blank:
    """A black picture of a size; satisfies `core.data.records.ImageSource`."""

    width: int
    height: int

    @property
    def content_id(self) -> str:
        """Its size."""
        return f"blank-{self.width}x{self.height}"

    def open(self) -> PIL.Image.Image:
        """Return the picture."""
        return PIL.Image.new("RGB", (self.width, self.height))


def picture_size(embedder: Embedder, width: int, height: int) -> PictureSize:
    """Say what becomes of a picture of `width` x `height` pixels that is alone in its item."""
    return size_of(embedder, embedder.backbone_adapter.image_input(Blank(width, height), alone=True))


def size_of(embedder: Embedder, picture: VisionInput) -> PictureSize:
    """Measure a picture that is resized already."""
    adapter = embedder.backbone_adapter
    rows, shape = len(picture.pixels), picture.pixels.shape
    patch = adapter.config.vision_config.patch_size
    groups = [rows] if len(shape) == 5 else [(shape[-1] // patch) ** 2] * rows
    return PictureSize(adapter.image_tokens(picture), tuple(groups))
