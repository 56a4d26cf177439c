"""Every backbone from a tiny config, without download: what tests run over."""

from collections.abc import Callable

from transformers import LlavaOnevisionImageProcessorPil

from core.encoder.embedder import Embedder
from core.encoder.tiny.clip import tiny_clip
from core.encoder.tiny.llava_onevision import IMAGE_SIDE, tiny_embedder
from core.encoder.tiny.qwen2_5_vl import tiny_qwen2_5_vl
from core.encoder.tiny.qwen2_vl import tiny_qwen2_vl
from core.encoder.tiny.qwen3_vl import tiny_qwen3_vl
from core.encoder.tiny.siglip import tiny_siglip
from core.encoder.tiny.smolvlm import tiny_idefics3, tiny_smolvlm

PINPOINTS = [[IMAGE_SIDE * rows, IMAGE_SIDE * columns] for rows, columns in ((1, 1), (1, 2), (2, 1), (2, 2), (3, 1))]


def tiny_llava_onevision() -> Embedder:
    """A picture is one crop of 48 x 48."""
    return tiny_embedder(width=32, layers=2, vision_layers=1)


def tiny_anyres() -> Embedder:
    """LLaVA-OneVision's AnyRes: a picture is itself and up to four crops of 48 x 48."""
    embedder = tiny_llava_onevision()
    embedder.backbone.config.image_grid_pinpoints = PINPOINTS
    processor = LlavaOnevisionImageProcessorPil(
        size={"height": IMAGE_SIDE, "width": IMAGE_SIDE}, image_grid_pinpoints=PINPOINTS
    )
    return Embedder(embedder.backbone, embedder.tokenizer, processor)


BACKBONES: dict[str, Callable[[], Embedder]] = {
    "llava_onevision": tiny_llava_onevision,
    "llava_onevision_anyres": tiny_anyres,
    "qwen2_vl": tiny_qwen2_vl,
    "qwen2_5_vl": tiny_qwen2_5_vl,
    "qwen3_vl": tiny_qwen3_vl,
    "smolvlm": tiny_smolvlm,
    "idefics3": tiny_idefics3,
    "clip": tiny_clip,
    "siglip": tiny_siglip,
}
