"""Tiny stand-ins for what a recipe needs: a checkpoint folder of its family, and a data folder in MMEB's layout."""

from dataclasses import replace
from pathlib import Path

from transformers import LlavaOnevisionImageProcessorPil

from core.data.miniature.export import export
from core.encoder.embedder import Embedder
from core.encoder.tiny.llava_onevision import IMAGE_SIDE, tiny_embedder
from core.encoder.tiny.qwen2_vl import TINY, tiny_qwen2_vl

RECIPES = Path(__file__).parents[2] / "core/recipes"


def tiny_anyres() -> Embedder:
    """A tiny LLaVA-OneVision whose pictures are cut into crops, up to 3 a side."""
    embedder = tiny_embedder(0, 32, 2, 1)
    grid = [[IMAGE_SIDE * rows, IMAGE_SIDE * columns] for rows in (1, 2, 3) for columns in (1, 2, 3)]
    size = {"height": IMAGE_SIDE, "width": IMAGE_SIDE}
    embedder.backbone.config.image_grid_pinpoints = grid
    processor = LlavaOnevisionImageProcessorPil(size=size, image_grid_pinpoints=grid)
    return Embedder(embedder.backbone, embedder.tokenizer, processor)


def saved_model(family: str, folder: Path) -> Path:
    """A checkpoint folder of a tiny model of the family."""
    build = {"llava_onevision": tiny_anyres, "qwen2_vl": lambda: tiny_qwen2_vl(0, replace(TINY, width=32, layers=2))}
    build[family]().save(folder)
    return folder


def mmeb_folder(folder: Path, pairs: int = 8) -> Path:
    """The miniature's data sets as files in MMEB-train's layout."""
    export(folder, pairs)
    return folder
