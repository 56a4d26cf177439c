"""Crops straight from Pillow are those of transformers' processors, bit for bit."""

import numpy as np
import PIL.Image
import pytest
import torch
from transformers import LlavaOnevisionImageProcessorPil, SiglipImageProcessorPil

from core.encoder.backbones import image_crops as made
from core.encoder.backbones.image_crops import by_processor, crops, padded_to_square

SIDE = 24
SIZES = [(24, 24), (50, 50), (100, 40), (40, 100), (7, 9), (1, 90), (73, 71), (200, 30), (48, 24)]
SQUARE = {"height": SIDE, "width": SIDE}
PINPOINTS = [[SIDE * rows, SIDE * columns] for rows in (1, 2, 3) for columns in (1, 2, 3)]
PROCESSORS = {
    "siglip": SiglipImageProcessorPil(size=SQUARE),
    "anyres": LlavaOnevisionImageProcessorPil(size=SQUARE, image_grid_pinpoints=PINPOINTS),
    "bilinear": LlavaOnevisionImageProcessorPil(size=SQUARE, image_grid_pinpoints=PINPOINTS[:4], resample=2),
}


def picture(width: int, height: int) -> PIL.Image.Image:
    return PIL.Image.fromarray(np.random.default_rng(width).integers(0, 256, (height, width, 3), dtype=np.uint8))


@pytest.mark.parametrize("name", PROCESSORS)
@pytest.mark.parametrize("whole_only", [False, True])
@pytest.mark.parametrize("size", SIZES)
def test_crops_are_the_processors_bit_for_bit(name: str, size: tuple[int, int], whole_only: bool, monkeypatch) -> None:
    expected = by_processor(picture(*size), PROCESSORS[name], whole_only)
    monkeypatch.setattr(made, "by_processor", None)
    found = crops(picture(*size), PROCESSORS[name], whole_only)
    assert found.dtype == torch.uint8
    assert torch.equal(found, expected)


@pytest.mark.parametrize("size", SIZES)
def test_one_picture_of_several_is_padded_as_the_processor_does(size: tuple[int, int]) -> None:
    processor = PROCESSORS["anyres"]
    several = [[picture(*size), picture(30, 20)]]
    made = processor(several, do_rescale=False, do_normalize=False, return_tensors="pt")["pixel_values"]
    square = padded_to_square(picture(*size), processor.image_mean)
    assert torch.equal(crops(square, processor, whole_only=True), made[0, :1].to(torch.uint8))


def test_a_processor_that_does_more_is_asked_itself() -> None:
    processor = LlavaOnevisionImageProcessorPil(
        size=SQUARE, image_grid_pinpoints=PINPOINTS, do_center_crop=True, crop_size={"height": 20, "width": 20}
    )
    assert crops(picture(50, 30), processor, whole_only=True).shape == (1, 3, 20, 20)
    assert crops(picture(50, 30), SiglipImageProcessorPil(size=SQUARE, do_resize=False), False).shape == (1, 3, 30, 50)
