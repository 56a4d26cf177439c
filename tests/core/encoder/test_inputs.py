"""Padding, order and cutting of prepared items."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from core.encoder.inputs import TokenizedItem, VisionInput, VisionInputs, collate, sorted_chunks
from core.encoder.tiny.llava_onevision import IMAGE_SIDE, PATCH


@given(st.lists(st.integers(1, 30), max_size=40), st.integers(1, 12))
@settings(deadline=None)
def test_chunks_hold_every_index_once_longest_first(lengths, size):
    chunks = sorted_chunks(lengths, size)
    flat = [index for chunk in chunks for index in chunk]
    assert sorted(flat) == list(range(len(lengths)))
    assert flat == sorted(flat, key=lambda index: lengths[index], reverse=True)  # Python's sort is stable
    assert all(len(chunk) == size for chunk in chunks[:-1])
    assert all(1 <= len(chunk) <= size for chunk in chunks)


@given(st.lists(st.integers(1, 30), min_size=1, max_size=20), st.integers(1, 6))
@settings(deadline=None)
def test_each_chunk_is_as_short_as_the_chunks_before_it_allow(lengths, size):
    """Sorted runs: the longest item of chunk k is the (k * size)-th longest of all."""
    chunks = sorted_chunks(lengths, size)
    order = sorted(lengths, reverse=True)
    assert [max(lengths[i] for i in chunk) for chunk in chunks] == order[::size]


def text(*ids: int) -> TokenizedItem:
    return TokenizedItem(torch.tensor(ids))


@pytest.mark.parametrize(("side", "ids", "mask"), [
    ("right", [[5, 6, 7], [8, 0, 0]], [[1, 1, 1], [1, 0, 0]]),
    ("left", [[5, 6, 7], [0, 0, 8]], [[1, 1, 1], [0, 0, 1]]),
])  # fmt: skip
def test_items_are_padded_on_one_side(side, ids, mask):
    inputs = collate([text(5, 6, 7), text(8)], 0, side)
    assert inputs.token_ids.tolist() == ids
    assert inputs.attention_mask.tolist() == mask
    assert inputs.images.rows == inputs.video_frames == inputs.image_ids == []
    assert len(inputs.images.pixels) == len(inputs.frames.pixels) == 0


def test_a_token_equal_to_the_padding_is_still_attended():
    assert collate([text(0, 0), text(1)], 0).attention_mask.tolist() == [[1, 1], [1, 0]]


def picture(name: str, rows: int, value: int, size: tuple[int, int] = (2, 2)) -> VisionInput:
    return VisionInput(name, torch.full((rows, 3, 2, 2), value, dtype=torch.uint8), size)


def test_pictures_and_clips_lie_behind_one_another_in_reading_order():
    first = TokenizedItem(
        torch.tensor([1]),
        (picture("a", 2, 1, (9, 8)), picture("b", 1, 2, (7, 6))),
        ((picture("x", 1, 5), picture("y", 2, 6)),),
    )
    last = TokenizedItem(torch.tensor([1]), (picture("c", 1, 3, (5, 4)),), ((picture("z", 1, 7),),))
    inputs = collate([first, text(1), last], 0)
    assert inputs.images.pixels[:, 0, 0, 0].tolist() == [1, 1, 2, 3]
    assert inputs.images.rows == [2, 1, 1]
    assert inputs.images.sizes == [(9, 8), (7, 6), (5, 4)]
    assert inputs.frames.pixels[:, 0, 0, 0].tolist() == [5, 6, 6, 7]
    assert inputs.frames.rows == [1, 2, 1]
    assert inputs.video_frames == [2, 1]
    assert inputs.image_ids == ["a", "b", "c", "x", "y", "z"]
    assert inputs.images.pixels.dtype == torch.uint8
    moved = inputs.to(torch.device("meta"))
    assert moved.images.pixels.device.type == moved.frames.pixels.device.type == moved.token_ids.device.type == "meta"
    assert moved.images.rows == [2, 1, 1]
    assert moved.video_frames == [2, 1]


def test_pictures_come_apart_as_they_were_laid_together():
    pictures = [picture("a", 2, 1, (9, 8)), picture("b", 1, 2, (7, 6))]
    for whole, part in zip(pictures, VisionInputs.of(pictures).split(), strict=True):
        assert (whole.id, whole.size) == (part.id, part.size)
        assert torch.equal(whole.pixels, part.pixels)
    assert VisionInputs.of([]).split() == []


def test_features_take_the_place_of_pixels():
    pictures = VisionInputs.of([picture("a", 2, 1), picture("b", 1, 2)])
    seen = pictures.with_features([torch.ones(2, 4), torch.zeros(1, 4)])
    assert seen.ids == ["a", "b"]
    assert seen.pixels.untyped_storage().nbytes() == 0  # no view that keeps the pixels alive
    assert seen.to(torch.device("meta")).features[0].device.type == "meta"


@pytest.mark.parametrize(("side", "expected"), [
    ("right", [[[0, 1, 2], [0, 0, 0]], [[0, 1, 2], [4, 0, 0]]]),
    ("left", [[[0, 1, 2], [0, 0, 0]], [[0, 1, 2], [0, 0, 4]]]),
])  # fmt: skip
def test_positions_are_the_items_own_or_count_up(side, expected):
    placed = TokenizedItem(torch.tensor([8]), positions=torch.tensor([[0], [4]]))
    assert collate([text(5, 6, 7), placed], 0, side).positions.tolist() == expected
    assert collate([text(5, 6)], 0, side).positions.tolist() == [[[0, 1]]]


def test_nothing_cannot_be_collated():
    with pytest.raises(ValueError, match="at least one item"):
        collate([], 0)


def test_a_prepared_item_is_its_template_its_words_and_room_for_pictures(tiny, kinds):
    config = tiny.backbone.config
    item = kinds[5]  # text, picture, text, picture, text
    ids = tiny.prepare(item).token_ids.tolist()
    where = [index for index, token in enumerate(ids) if token == config.image_token_id]
    taken = (IMAGE_SIDE // PATCH) ** 2 + 1
    first, second = where[:taken], where[taken:]
    assert first == list(range(first[0], first[0] + taken))
    assert second == list(range(second[0], second[0] + taken))
    words = [tiny.tokenizer.decode(ids[a:b]) for a, b in
             ((1, first[0]), (first[-1] + 1, second[0]), (second[-1] + 1, len(ids) - 1))]  # fmt: skip
    assert words == [" find", " it met", " and took its colour"]
    assert tiny.tokenizer.convert_ids_to_tokens([ids[0], ids[-1]]) == ["<|im_start|>", "<|im_end|>"]
    assert tiny.prepare(item).length == len(ids)


def test_pixels_are_those_of_the_picture(tiny, kinds):
    """By hand: resized to 48 x 48; and on the way into the tower scaled from [0, 255] to [-1, 1]."""
    import numpy as np
    import PIL.Image

    shown = kinds[3].parts[0].source.open()
    resized = np.asarray(shown.resize((48, 48), PIL.Image.Resampling.BICUBIC))
    (still,) = tiny.prepare(kinds[3]).images
    assert still.pixels.shape == (1, 3, 48, 48)
    np.testing.assert_allclose(still.pixels[0].permute(1, 2, 0).int(), resized, atol=1)
    scaled = tiny.backbone_adapter.scaled(still.pixels)[0].permute(1, 2, 0)
    np.testing.assert_allclose(scaled, resized.astype(np.float32) / 127.5 - 1, atol=2 / 255)


def test_pixels_are_scaled_and_normalised_only_where_the_processor_says_so(fresh):
    processor = fresh.image_processor
    pixels = torch.arange(48, dtype=torch.uint8).view(1, 3, 4, 4)
    processor.rescale_factor, processor.image_mean, processor.image_std = 0.5, [1.0] * 3, [4.0] * 3
    processor.do_rescale = processor.do_normalize = False
    assert torch.equal(fresh.backbone_adapter.scaled(pixels), pixels.float())
    processor.do_rescale = True
    assert torch.equal(fresh.backbone_adapter.scaled(pixels), pixels / 2)
    processor.do_rescale, processor.do_normalize = False, True
    assert torch.equal(fresh.backbone_adapter.scaled(pixels), (pixels.float() - 1) / 4)


def test_a_preparer_goes_to_loader_processes_without_weights(tiny, kinds):
    import pickle

    sent = pickle.dumps(tiny.prepare)
    assert len(sent) < sum(weight.numel() for weight in tiny.parameters())
    again = pickle.loads(sent)(kinds[5])
    assert torch.equal(again.token_ids, tiny.prepare(kinds[5]).token_ids)
    assert torch.equal(again.images[1].pixels, tiny.prepare(kinds[5]).images[1].pixels)
