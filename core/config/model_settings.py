"""The settings of the model: what to train, which parts of it, and how its passes run."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from core.config.ranges import check_range

PARTS = ("vision", "projector", "language")


@dataclass
class TrainableSettings:
    """What of the model trains, and how its passes run."""

    freeze: list[Literal["vision", "projector", "language"]] = field(default_factory=list)
    """Parts that do not train. With the vision tower frozen each picture is shown to it once per step."""
    lora_rank: int = 0
    """Rank of LoRA adapters on the language model, whose own weights then do not train; 0 for none, at most 1024."""
    lora_alpha: float = 32.0
    """Adapters count alpha / rank times, alpha in (0, 10000]."""
    lora_dropout: float = 0.0
    """Share of an adapter's inputs that are dropped while training, 0 up to but not including 1."""
    lora_targets: list[str] = field(default_factory=list)
    """Names of the linear layers in the language model's blocks that get adapters; all of them if empty."""
    lora_init: Literal["kaiming", "gaussian"] = "kaiming"
    """How the first matrix of each adapter begins; the second is 0, so a fresh adapter changes nothing."""
    dora: bool = False
    """Learn the length of each adapted row besides its direction (DoRA, arXiv 2402.09353); slower."""
    activation_checkpointing: bool = False
    """Keep only what enters each block and compute the rest again in the backward pass: less memory, more time."""
    compile_blocks: bool = False
    """Compile each block of the language model; needs a C++ compiler, and minutes at the start."""
    packing: Literal["auto", "never", "always"] = "auto"
    """Items of a chunk behind one another instead of padded; auto: with flash attention, and on CPUs."""

    def __post_init__(self) -> None:
        check("lora_rank", self.lora_rank, 0 <= self.lora_rank <= 1024, "[0, 1024]")
        check("lora_alpha", self.lora_alpha, 0 < self.lora_alpha <= 10_000, "(0, 10000]")
        check("lora_dropout", self.lora_dropout, 0 <= self.lora_dropout < 1, "[0, 1)")
        if self.dora and not self.lora_rank:
            raise ValueError("model.trainable.dora = True needs model.trainable.lora_rank >= 1.")
        if not self.lora_rank and {*self.freeze} == {*PARTS}:
            raise ValueError("model.trainable.freeze names every part; nothing would train.")


def check(name: str, value: float | int, right: bool, allowed: str) -> None:
    """Raise ValueError unless `right`, naming the setting, its value and what is allowed."""
    if not right:
        raise ValueError(f"model.trainable.{name} = {value} is outside {allowed}.")


@dataclass
class ModelSettings:
    """What to train."""

    start: str = "tiny"
    """"tiny" for a fresh tiny LLaVA-OneVision, or the folder of a checkpoint to start from."""
    width: int = 128
    """tiny: hidden size of both towers, a multiple of 32."""
    layers: int = 3
    """tiny: layers of the language model."""
    vision_layers: int = 3
    """tiny: layers of the vision tower."""
    published: str | None = None
    """Which published model `start` is made from, by its name in core/recipes/configs. A dry run takes the sizes from
    there while `start` does not exist, and says how to get it; a training does not read it."""
    frozen_dtype: Literal["float32", "bfloat16"] = "float32"
    """Of weights that do not train; bfloat16 halves their memory and needs bfloat16 arithmetic. What trains, and its
    adapters, stay in float32, so that no small step of the optimizer is rounded away."""
    max_crops: int | None = None
    """LLaVA-OneVision: AnyRes cuts a picture into at most so many crops along each side, 1 to 16; null: as in `start`.
    LLaVE has 2. The checkpoints of the run keep it, as they keep the next two."""
    min_pixels: int | None = None
    """Qwen-VL: pictures with fewer pixels are enlarged to so many; null: as in `start`."""
    max_pixels: int | None = None
    """Qwen-VL: pictures with more pixels are reduced to so many; 784 of them (Qwen2-VL, Qwen2.5-VL) are one token."""
    max_text_tokens: int | None = None
    """While training, texts of an item beyond so many tokens are cut off, before a text's end token, 1 or more; null:
    never. metrics.jsonl counts the tokens that were cut."""
    trainable: TrainableSettings = field(default_factory=TrainableSettings)
    feature_cache: Path | None = None
    """Folder that remembers what the frozen vision tower made of each picture, across steps and runs; null: none."""

    def __post_init__(self) -> None:
        check_range("model.width", self.width, 32, 1024)
        check_range("model.layers", self.layers, 1, 64)
        check_range("model.vision_layers", self.vision_layers, 1, 64)
        if self.width % 32:
            raise ValueError(f"model.width = {self.width} must be a multiple of 32, the width of one attention head.")
        if self.max_crops is not None:
            check_range("model.max_crops", self.max_crops, 1, 16)
        for name in ("min_pixels", "max_pixels"):
            if getattr(self, name) is not None:
                check_range(f"model.{name}", getattr(self, name), 1, 10**9)
        if self.min_pixels is not None and self.max_pixels is not None and self.min_pixels > self.max_pixels:
            raise ValueError(f"model.min_pixels = {self.min_pixels} is above model.max_pixels = {self.max_pixels}.")
        if self.max_text_tokens is not None:
            check_range("model.max_text_tokens", self.max_text_tokens, 1, 10**6)
        if self.feature_cache is not None and "vision" not in self.trainable.freeze:
            raise ValueError(
                f"model.feature_cache = {self.feature_cache} is of use only when the vision tower does not train: "
                "add vision to model.trainable.freeze."
            )
