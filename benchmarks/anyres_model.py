"""The tiny LLaVA-OneVision with its own picture processing (AnyRes crops), as one folder that both sides load."""

from pathlib import Path
from typing import Any

from transformers import LlavaOnevisionImageProcessorPil

from core.encoder.embedder import Embedder
from core.encoder.tiny.llava_onevision import CHAT_TEMPLATE, IMAGE_SIDE, PATCH, tiny_embedder
from core.files.atomic import whole_folder

# Up to 2 x 2 crops beside the whole picture, as LLaVE was trained.
GRID = [[IMAGE_SIDE * rows, IMAGE_SIDE * columns] for rows in (1, 2) for columns in (1, 2)]


def picture_options() -> dict[str, Any]:
    """The options of either library's LLaVA-OneVision image processor."""
    side = {"height": IMAGE_SIDE, "width": IMAGE_SIDE}
    return {"size": side, "image_grid_pinpoints": GRID, "image_mean": [0.5] * 3, "image_std": [0.5] * 3}


def write_model(folder: Path, width: int = 128, layers: int = 3, vision_layers: int = 3) -> Path:
    """Write the embedder's folder with random weights, unless it is there already."""
    if not folder.exists():
        embedder = tiny_embedder(0, width, layers, vision_layers)
        embedder.backbone.config.image_grid_pinpoints = GRID
        with whole_folder(folder) as partial:
            Embedder(embedder.backbone, embedder.tokenizer, LlavaOnevisionImageProcessorPil(**picture_options())).save(
                partial
            )
    return folder


def write_processor(model: Path, folder: Path) -> Path:
    """Write the same model with transformers' composite processor, which sentence-transformers needs.

    It wants torchvision, for its video processor; import `benchmarks.torchvision_operators` first.
    """
    from transformers import (
        AutoTokenizer,
        LlavaOnevisionImageProcessor,
        LlavaOnevisionProcessor,
        LlavaOnevisionVideoProcessor,
    )

    if folder.exists():
        return folder
    embedder = Embedder.load(model)
    with whole_folder(folder) as partial:
        embedder.backbone.save_pretrained(partial)
        LlavaOnevisionProcessor(
            LlavaOnevisionImageProcessor(**picture_options()),
            AutoTokenizer.from_pretrained(model, local_files_only=True),
            LlavaOnevisionVideoProcessor(size={"height": IMAGE_SIDE, "width": IMAGE_SIDE}),
            num_image_tokens=(IMAGE_SIDE // PATCH) ** 2,
            vision_feature_select_strategy="full",
            chat_template=CHAT_TEMPLATE,
        ).save_pretrained(partial)
    return folder
