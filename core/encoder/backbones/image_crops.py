"""A picture's crops as LLaVA-OneVision's and SigLIP's image processors make them, straight from Pillow.

transformers' processors turn every crop into an array and back for each thing they do, which takes several times as
long as the resizing itself. What comes out is the same to the last bit; where a processor is set up for more than
resizing, it is asked itself.
"""

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
import PIL.Image
import torch
from jaxtyping import UInt8
from torch import Tensor
from transformers import LlavaOnevisionImageProcessorPil, SiglipImageProcessorPil
from transformers.image_processing_utils import BaseImageProcessor, get_patch_output_size, select_best_resolution

from core.data.images.image_files import BadImage

NARROWEST = 200
"""Pictures that are more than so many times as long as wide are not enlarged along their shorter side."""
Known: TypeAlias = LlavaOnevisionImageProcessorPil | SiglipImageProcessorPil


def crops(
    picture: PIL.Image.Image, processor: BaseImageProcessor, whole_only: bool
) -> UInt8[Tensor, "crops 3 height width"]:
    """Return the whole picture resized to a square, then (AnyRes) its mosaic at the resolution that fits it best.

    whole_only: leave the mosaic out.
    """
    if not isinstance(processor, Known) or not resizes_only(processor):
        return by_processor(picture, processor, whole_only)
    side, resample = processor.size["height"], processor.resample
    pieces = [picture.resize((side, side), resample)]
    if isinstance(processor, LlavaOnevisionImageProcessorPil) and not whole_only:
        pieces += mosaic(picture, processor.image_grid_pinpoints, side, resample)
    arrays = np.stack([np.asarray(piece) for piece in pieces])
    return torch.from_numpy(arrays).permute(0, 3, 1, 2).contiguous()


def pads_several(processor: BaseImageProcessor) -> bool:
    """Tell whether a processor pads pictures of an item that has several: LLaVA-OneVision's own does."""
    return isinstance(processor, LlavaOnevisionImageProcessorPil)


def padded_to_square(picture: PIL.Image.Image, mean: Sequence[float]) -> PIL.Image.Image:
    """Return the picture in the middle of a square of its longer side, on the colour that normalises to 0."""
    side = max(picture.size)
    canvas = PIL.Image.new("RGB", (side, side), (int(255 * mean[0]), int(255 * mean[1]), int(255 * mean[2])))
    canvas.paste(picture, ((side - picture.width) // 2, (side - picture.height) // 2))
    return canvas


def resizes_only(processor: Known) -> bool:
    """Tell whether all that a processor does to pixels, scaling and normalising apart, is done by `crops`."""
    size, cropped = processor.size, any(getattr(processor, name, None) for name in ("do_center_crop", "crop_size"))
    square = bool(size["height"]) and size["height"] == size["width"]
    return square and bool(processor.do_resize) and not cropped


def by_processor(
    picture: PIL.Image.Image, processor: BaseImageProcessor, whole_only: bool
) -> UInt8[Tensor, "crops 3 height width"]:
    """Say what the processor itself makes of the picture, before it scales and normalises.

    Raises:
        core.data.images.image_files.BadImage: a processor that enlarges the shorter side, such as CLIP's, would make
            a picture of gigabytes of it.
    """
    shorter, longer = sorted(picture.size)
    if longer > NARROWEST * shorter and "shortest_edge" in (getattr(processor, "size", None) or {}):
        raise BadImage(
            f"{picture.width} x {picture.height} pixels; one side may be {NARROWEST} times the other. Crop it."
        )
    made = processor([picture], do_rescale=False, do_normalize=False, return_tensors="pt")["pixel_values"]
    pixels = (made[0] if made.dim() == 5 else made).to(torch.uint8)
    return pixels[:1].clone() if whole_only else pixels


def mosaic(picture: PIL.Image.Image, resolutions: list[list[int]], side: int, resample: int) -> list[PIL.Image.Image]:
    """Fit the picture into the best of the resolutions (height, width), on black, and cut it into squares by line."""
    height, width = select_best_resolution((picture.height, picture.width), resolutions)
    shape = np.empty((3, picture.height, picture.width), dtype=np.bool_)
    fitted_height, fitted_width = get_patch_output_size(shape, (height, width), input_data_format="channels_first")
    canvas = PIL.Image.new("RGB", (width, height))
    fitted = picture.resize((fitted_width, fitted_height), resample)
    canvas.paste(fitted, ((width - fitted_width) // 2, (height - fitted_height) // 2))
    return [
        canvas.crop((left, top, left + side, top + side))
        for top in range(0, height, side)
        for left in range(0, width, side)
    ]
