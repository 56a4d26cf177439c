"""Models of published sizes with random weights, built on the device, and the work that one pair is for them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
from transformers import (
    LlavaOnevisionConfig,
    LlavaOnevisionImageProcessorPil,
    LlavaOnevisionModel,
    Qwen2Config,
    SiglipVisionConfig,
)

from benchmarks.anyres_model import GRID, picture_options
from benchmarks.timing import timed
from core.encoder.embedder import Embedder
from core.encoder.inputs import TokenizedItem, VisionInput
from core.encoder.tiny.llava_onevision import IMAGE, VIDEO, initialize, tiny_config, tiny_tokenizer, token_id
from core.encoder.tiny.qwen2_vl import TINY, TWO_BILLION, tiny_qwen2_vl

Name = Literal["llava-onevision-0.5b", "qwen2-vl-2b"]
PEAK_TFLOPS = {"H200": 989.0, "H100": 989.0, "A100": 312.0, "B200": 2250.0}
"""Dense bfloat16, by a part of the device's name, from the vendor's data sheets."""


def build(name: Name, tiny: bool, device: torch.device) -> Embedder:
    """An untrained embedder on a device."""
    with torch.device(device):
        if name == "qwen2-vl-2b":
            return tiny_qwen2_vl(0, TINY if tiny else TWO_BILLION)
        return tiny_llava() if tiny else half_billion()


def tiny_llava() -> Embedder:
    """The tiny LLaVA-OneVision with AnyRes crops."""
    config = tiny_config(64, 2, 2)
    config.image_grid_pinpoints = GRID
    return llava(config, picture_options())


def half_billion() -> Embedder:
    """LLaVA-OneVision-0.5B: SigLIP-so400m without its last layer, Qwen2-0.5B; up to 2 x 2 crops, as LLaVE has."""
    tokenizer = tiny_tokenizer()
    side = 384
    config = LlavaOnevisionConfig(
        text_config=Qwen2Config(
            vocab_size=152_000,
            hidden_size=896,
            intermediate_size=4864,
            num_hidden_layers=24,
            num_attention_heads=14,
            num_key_value_heads=2,
            max_position_embeddings=32_768,
        ),
        vision_config=SiglipVisionConfig(
            hidden_size=1152,
            intermediate_size=4304,
            num_hidden_layers=26,
            num_attention_heads=16,
            image_size=side,
            patch_size=14,
            vision_use_head=False,
        ),
        image_token_index=token_id(tokenizer, IMAGE),
        video_token_index=token_id(tokenizer, VIDEO),
        vision_feature_layer=-1,
        image_grid_pinpoints=[[side * rows, side * columns] for rows in (1, 2) for columns in (1, 2)],
    )
    options = {"size": {"height": side, "width": side}, "image_grid_pinpoints": config.image_grid_pinpoints}
    return llava(config, options | {"image_mean": [0.5] * 3, "image_std": [0.5] * 3})


def llava(config: LlavaOnevisionConfig, pictures: dict[str, Any]) -> Embedder:
    """An embedder from a config and its picture processor's options."""
    torch.manual_seed(0)
    backbone = LlavaOnevisionModel(config)
    initialize(backbone)
    return Embedder(backbone, tiny_tokenizer(), LlavaOnevisionImageProcessorPil(**pictures))


@dataclass(frozen=True)
class Work:
    """What a step's useful arithmetic is made of: distinct items, no padding, nothing twice.

    language, projector, vision: numbers in the matrices that each token, token of a picture, or patch passes through.
    merged: patches that the projector makes one token of.
    """

    language: int
    projector: int
    vision: int
    language_width: int
    language_layers: int
    vision_width: int
    vision_layers: int
    patch: int
    merged: int

    @classmethod
    def of(cls, embedder: Embedder) -> "Work":
        """Read a model's sizes; embeddings of tokens and places are looked up, not multiplied."""
        sizes = {"language": 0, "projector": 0, "vision": 0}
        for name, weight in embedder.backbone.named_parameters():
            if weight.dim() >= 2 and "embed_tokens" not in name and "position_embedding" not in name:
                # A still is one frame to a tower that takes two at once: their weights are added up before.
                frames = weight.shape[2] if weight.dim() == 5 else 1
                sizes[embedder.backbone_adapter.part_of(name)] += weight.numel() // frames
        config = embedder.backbone.config
        text, vision = config.get_text_config(), config.vision_config
        depth = getattr(vision, "num_hidden_layers", None) or vision.depth
        width = getattr(vision, "embed_dim", None) or vision.hidden_size
        return cls(
            language=sizes["language"],
            projector=sizes["projector"],
            vision=sizes["vision"],
            language_width=text.hidden_size,
            language_layers=text.num_hidden_layers,
            vision_width=width,
            vision_layers=depth,
            patch=vision.patch_size,
            merged=getattr(vision, "spatial_merge_size", 1) ** 2,
        )

    def flops(self, items: Sequence[TokenizedItem], vision_trains: bool) -> float:
        """Floating-point operations of a step on distinct items: forward 2 a number and token, backward twice that.

            language  3 * (2 P T + 2 L d sum_i T_i^2)                       attention is causal
            projector 3 * 2 P_p R / merged
            vision    k * (2 P_v R + 4 L_v d_v sum_c R_c^2)                 k = 3, or 1 for a frozen tower

        n items of T_i tokens, T together; R_c patches attend to each other (a crop; a picture), R together.
        """
        tokens = [item.length for item in items]
        total, width = sum(tokens), self.language_width
        language = 2 * self.language * total
        language += 2 * self.language_layers * width * sum(each**2 for each in tokens)
        seen = {still.id: still for item in items for still in item.images}
        groups = [size for still in seen.values() for size in self._patches(still)]
        vision = 2 * self.vision * sum(groups)
        vision += 4 * self.vision_layers * self.vision_width * sum(each**2 for each in groups)
        projector = 2 * self.projector * sum(groups) / self.merged
        return float(3 * (language + projector) + (3 if vision_trains else 1) * vision)

    def _patches(self, picture: VisionInput) -> list[int]:
        """Patches that attend to each other: of each crop of a LLaVA's picture, of the whole of a Qwen's."""
        rows, shape = len(picture.pixels), picture.pixels.shape
        return [rows] if len(shape) == 5 else [(shape[-1] // self.patch) ** 2] * rows


def peak_flops(device: torch.device) -> tuple[float, str]:
    """The device's bfloat16 peak in operations a second, and where the number is from."""
    if device.type == "cuda":
        name = torch.cuda.get_device_name(device)
        for part, tera in PEAK_TFLOPS.items():
            if part in name:
                return tera * 1e12, f"data sheet of {part}"
    return measured_flops(device), "measured with one large matrix product"


def measured_flops(device: torch.device, side: int = 2048) -> float:
    """Operations a second of a square matrix product in the precision that the device is quick in."""
    dtype = torch.bfloat16 if device.type == "cuda" else torch.float32
    a = torch.randn(side, side, device=device, dtype=dtype)
    return 2 * side**3 / min(timed(lambda: a @ a) for _ in range(5))
