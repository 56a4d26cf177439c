"""A picture's tiles as the image processors of Idefics3 and SmolVLM make them, straight from Pillow.

transformers' processors turn every tile into an array and back for each thing they do, which takes three times as
long. What comes out is the same to the last bit; where a processor is set up for something else, it is asked itself.
"""

import math
from typing import Any, TypeAlias

import numpy as np
import PIL.Image
import torch
from jaxtyping import UInt8
from torch import Tensor
from transformers import Idefics3ImageProcessorPil, SmolVLMImageProcessorPil
from transformers.image_processing_utils import BaseImageProcessor
from transformers.models.idefics3.image_processing_pil_idefics3 import get_resize_output_image_size

Known: TypeAlias = Idefics3ImageProcessorPil | SmolVLMImageProcessorPil


def tiles(
    picture: PIL.Image.Image, processor: BaseImageProcessor, whole_only: bool
) -> tuple[UInt8[Tensor, "tiles 3 height width"], tuple[int, int]]:
    """Return the tiles line by line and the whole picture last; and their rows and columns, 0 x 0 for the whole alone.

    whole_only: do not cut, whatever the processor does.
    """
    if not isinstance(processor, Known) or not processor.do_resize or not processor.size["longest_edge"]:
        return by_processor(picture, processor, whole_only)
    side, resample = processor.max_image_size["longest_edge"], processor.resample
    shape = np.empty((3, picture.height, picture.width), dtype=np.bool_)
    height, width = get_resize_output_image_size(shape, processor.size["longest_edge"])
    fitted = picture.resize((width, height), resample)
    rows, columns = 0, 0
    pieces: list[PIL.Image.Image] = []
    if processor.do_image_splitting and not whole_only:
        rows, columns = grid(height, width, side)
        fitted = fitted.resize((columns * side, rows * side), resample)
        if (rows, columns) == (1, 1):
            rows, columns = 0, 0
        pieces = [
            fitted.crop((left, top, left + side, top + side))
            for top in range(0, rows * side, side)
            for left in range(0, columns * side, side)
        ]
    arrays = np.stack([np.asarray(each) for each in (*pieces, fitted.resize((side, side), resample))])
    return torch.from_numpy(arrays).permute(0, 3, 1, 2).contiguous(), (rows, columns)


def grid(height: int, width: int, side: int) -> tuple[int, int]:
    """Say how many rows and columns of tiles cover a picture: along its longer side first, then in proportion."""
    ratio = width / height
    if width >= height:
        columns = math.ceil(width / side)
        return math.ceil(int(columns * side / ratio) / side), columns
    rows = math.ceil(height / side)
    return rows, math.ceil(int(rows * side * ratio) / side)


def by_processor(
    picture: PIL.Image.Image, processor: BaseImageProcessor, whole_only: bool
) -> tuple[UInt8[Tensor, "tiles 3 height width"], tuple[int, int]]:
    """Say what the processor itself makes of the picture, before it scales and normalises."""
    options: dict[str, Any] = {"return_row_col_info": True} | ({"do_image_splitting": False} if whole_only else {})
    asked: Any = processor
    made = asked([[picture]], do_rescale=False, do_normalize=False, return_tensors="np", **options)
    pixels = torch.from_numpy(np.asarray(made["pixel_values"][0]).astype(np.uint8))
    return pixels, (int(made["rows"][0][0]), int(made["cols"][0][0]))
