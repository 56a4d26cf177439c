"""Tiles straight from Pillow are those of transformers' processors, bit for bit."""

import numpy as np
import PIL.Image
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import Idefics3ImageProcessorPil, SmolVLMImageProcessorPil

from core.encoder.backbones import image_tiles as made
from core.encoder.backbones.image_tiles import by_processor, tiles

SIDE = {"longest_edge": 16}
PROCESSORS = {
    "smolvlm": SmolVLMImageProcessorPil(size={"longest_edge": 64}, max_image_size=SIDE),
    "idefics3": Idefics3ImageProcessorPil(size={"longest_edge": 32}, max_image_size=SIDE),
    "no multiple": SmolVLMImageProcessorPil(size={"longest_edge": 50}, max_image_size=SIDE, resample=2),
    "smaller than a tile": SmolVLMImageProcessorPil(size={"longest_edge": 12}, max_image_size=SIDE),
    "not cut": SmolVLMImageProcessorPil(size={"longest_edge": 64}, max_image_size=SIDE, do_image_splitting=False),
}
SIZES = st.integers(1, 200)


def picture(width: int, height: int) -> PIL.Image.Image:
    return PIL.Image.fromarray(np.random.default_rng(width).integers(0, 256, (height, width, 3), dtype=np.uint8))


@pytest.mark.parametrize("name", PROCESSORS)
@given(width=SIZES, height=SIZES, whole_only=st.booleans())
@settings(max_examples=25, deadline=None)
def test_tiles_are_the_processors_bit_for_bit(name, width, height, whole_only):
    given = picture(width, height)
    expected, grid = by_processor(given, PROCESSORS[name], whole_only)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(made, "by_processor", None)
        found, ours = tiles(given, PROCESSORS[name], whole_only)
    assert ours == grid
    assert found.dtype == torch.uint8
    assert torch.equal(found, expected)


def test_a_processor_that_does_not_resize_is_asked_itself():
    processor = SmolVLMImageProcessorPil(size={"longest_edge": 64}, max_image_size=SIDE, do_resize=False)
    pixels, grid = tiles(picture(20, 30), processor, whole_only=False)
    assert pixels.shape == (5, 3, 16, 16)
    assert grid == (2, 2)
