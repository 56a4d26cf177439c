"""Qwen2.5-VL alone: attention windows and seconds; what it shares with its relatives is in test_qwen_vl.py."""

import pytest
import torch
from qwen_oracle import clip_pixels, hidden_states, noise, shaken, theirs

from core.data.records import Image, Item, Text, Video
from core.encoder.embedder import Embedder
from core.encoder.inputs import VisionInput
from core.encoder.tiny.qwen2_5_vl import THREE_BILLION, TINY, qwen2_5_vl_config, tiny_qwen2_5_vl
from core.encoder.tiny.qwen_vl import QwenSize, qwen_tokenizer


@pytest.fixture
def windowed() -> Embedder:
    """A tower whose patches never attend beyond their window of 56 x 56 pixels: 4 x 4 patches."""
    return shaken(tiny_qwen2_5_vl(shape=QwenSize(vision_layers=2, marked=())))


def still(embedder: Embedder, width: int, height: int) -> VisionInput:
    return embedder.prepare(Item((Image(noise(width, height)),))).images[0]


def changed(picture: VisionInput, row: int) -> VisionInput:
    pixels = picture.pixels.clone()
    pixels[row] = 255 - pixels[row]
    return VisionInput("changed", pixels, picture.size)


@torch.no_grad()
def test_patches_attend_within_their_window_and_stay_in_order(windowed):
    """8 x 8 patches in squares of 2 x 2, line by line: the first window holds squares 0, 1, 4 and 5."""
    picture = still(windowed, 112, 112)
    other = changed(picture, 0)
    before, after = (windowed.vision_features([each])[each.id] for each in (picture, other))
    touched = (before - after).abs().amax(dim=1) > 1e-6
    assert touched.nonzero().flatten().tolist() == [*range(8), *range(16, 24)]


@torch.no_grad()
def test_marked_blocks_attend_to_the_whole_picture():
    embedder = tiny_qwen2_5_vl()
    picture = still(embedder, 112, 112)
    other = changed(picture, 0)
    before, after = (embedder.vision_features([each])[each.id] for each in (picture, other))
    assert ((before - after).abs().amax(dim=1) > 1e-6).all()


@pytest.mark.parametrize("size", [(140, 84), (70, 200), (112, 112), (30, 30)])
@torch.no_grad()
def test_windows_that_the_picture_does_not_fill_equal_transformers(windowed, size):
    inputs = windowed.collate([windowed.prepare(Item((Image(noise(*size)), Text("which?"))))])
    own = windowed.image_processor([noise(*size).open()], return_tensors="pt")
    expected = theirs(windowed, inputs, **own)
    torch.testing.assert_close(hidden_states(windowed, inputs), expected, rtol=0, atol=2e-5)


@pytest.mark.parametrize("window", [28, 112])
@torch.no_grad()
def test_the_windows_side_is_the_configs(window):
    embedder = tiny_qwen2_5_vl(window=window)
    inputs = embedder.collate([embedder.prepare(Item((Image(noise(112, 84)),)))])
    own = embedder.image_processor([noise(112, 84).open()], return_tensors="pt")
    torch.testing.assert_close(hidden_states(embedder, inputs), theirs(embedder, inputs, **own), rtol=0, atol=2e-5)


@pytest.mark.parametrize(("tokens_per_second", "times"), [(2, [0, 2, 4]), (4, [0, 4, 8])])
def test_frames_are_placed_in_seconds(tokens_per_second, times):
    """Frames come at 2 a second, so the pairs that the tower takes together are a second apart."""
    embedder = tiny_qwen2_5_vl()
    embedder.backbone.config.vision_config.tokens_per_second = tokens_per_second
    prepared = embedder.prepare(Item((Video(tuple(noise(28, 28, seed) for seed in range(6))),)))
    where = prepared.token_ids == embedder.backbone.config.video_token_id
    assert (prepared.positions[0, where] - prepared.positions[1, where]).tolist() == times


@pytest.mark.parametrize("rate", [1.0, 3.0])
@torch.no_grad()
def test_another_rate_equals_transformers_told_of_it(rate, monkeypatch):
    embedder = tiny_qwen2_5_vl()
    monkeypatch.setattr(type(embedder.backbone_adapter), "frames_per_second", rate)
    frames = tuple(noise(60, 60, seed) for seed in range(6))
    inputs = embedder.collate([embedder.prepare(Item((Video(frames), Text("which way?"))))])
    told = {**clip_pixels(embedder, frames), "second_per_grid_ts": torch.tensor([2 / rate])}
    torch.testing.assert_close(hidden_states(embedder, inputs), theirs(embedder, inputs, **told), rtol=0, atol=2e-5)


def test_the_template_is_the_published_one():
    """The system turn that Qwen2.5-VL's template adds where there is none."""
    embedder = tiny_qwen2_5_vl()
    item = Item((Text("red"), Image(noise(28, 28)), Text("or blue")))
    spoken = embedder.tokenizer.decode(embedder.prepare(item).token_ids).replace("> ", ">")
    assert spoken == (
        "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n"
        "<|im_start|>user\n red<|vision_start|><|image_pad|><|vision_end|>or blue<|im_end|>\n"
    )


def test_the_three_billion_shape_is_qwen2_5_vl_3b():
    """3.75 billion as the hub counts it, without a head, whose weights are those of the embedding."""
    from transformers import Qwen2_5_VLModel

    with torch.device("meta"):
        backbone = Qwen2_5_VLModel(qwen2_5_vl_config(THREE_BILLION, qwen_tokenizer()))
    assert sum(weight.numel() for weight in backbone.parameters()) == 3_754_622_976
    assert backbone.config.text_config.rope_parameters["mrope_section"] == [16, 24, 24]
    assert backbone.visual.window_size == 112


def test_the_tiny_one_is_tiny():
    assert sum(weight.numel() for weight in tiny_qwen2_5_vl(shape=TINY).parameters()) < 300_000
