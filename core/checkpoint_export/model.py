"""A checkpoint as it is exported: most as they are, some as the model that other libraries know them by."""

from dataclasses import dataclass
from typing import Any

from transformers import PreTrainedTokenizerBase, SiglipImageProcessorPil

from core.checkpoint_export.one_crop import to_llava
from core.encoder.embedder import Embedder


@dataclass(frozen=True)
class Exported:
    """What is written into a folder. ours: whether `Embedder.load` reads it as it is."""

    backbone: Any
    tokenizer: PreTrainedTokenizerBase
    image_processor: Any
    dimensions: int
    ours: bool = True

    @property
    def family(self) -> str:
        """The config's model_type."""
        return self.backbone.config.model_type


def exported(embedder: Embedder) -> Exported:
    """Return the model to write for an embedder.

    Raises:
        ValueError: its tokenizer or chat template does not allow it.
    """
    parts = (embedder.tokenizer, embedder.image_processor, embedder.dimensions)
    if has_one_crop(embedder):
        backbone, tokenizer = to_llava(embedder.backbone, embedder.tokenizer)
        return Exported(backbone, tokenizer, *parts[1:], ours=False)
    return Exported(embedder.backbone, *parts)


def has_one_crop(embedder: Embedder) -> bool:
    """Tell whether it is a LLaVA-OneVision that makes one crop of each picture, which is written as LLaVA 1.5."""
    onevision = embedder.backbone.config.model_type == "llava_onevision"
    return onevision and isinstance(embedder.image_processor, SiglipImageProcessorPil)
