"""QQMM-embed (v1 and v2): recognised, and refused with what is missing for it."""

from pathlib import Path
from typing import NoReturn

from core.checkpoint_import.source import settings

LAYOUT = "QQMM-embed"
LOOKED_FOR = "config.json with model_type qqmm or architectures QQMMForCausalLM"

MISSING = """QQMM-embed is none of transformers' models, whatever the names of its halves say:
- vision_abstractor: before each picture stands a learned vector (image_embedding, 1 x 5120), which Qwen2-VL does not
  have; a grid of an odd number of patches is padded with zeros; patches go into the projector (mlp_gelu) without the
  norm that Qwen2-VL's merger begins with, so its weights (vision_abstractor.projection.*) fit no merger.
- language_model: Qwen2.5 with one position per token, all tokens of a picture sharing theirs
  (vision_token_share_pe); Qwen2-VL and Qwen2.5-VL place them in time, height and width.
- vision_model: qwen2vl_navit is the authors' Python (auto_map), which is not run; its pictures have 2 to 8192 patches
  of their own rule of resizing (short sides under 448 enlarged, long ones cut at 1512).
What is needed: an adapter in core/encoder/backbones for such a model (Qwen2-VL's tower without its merger, this
projector, Qwen2.5 with shared positions); then its tensors can be renamed here."""


def recognises(folder: Path) -> bool:
    """Tell whether the folder is one of QQMM-embed."""
    config = settings(folder)
    return config.get("model_type") == "qqmm" or "QQMMForCausalLM" in (config.get("architectures") or [])


def convert(source: Path, output: Path, base: Path | None) -> NoReturn:
    """Say what is missing.

    Raises:
        ValueError: always.
    """
    del output, base
    raise ValueError(f"{source}: {MISSING}")
