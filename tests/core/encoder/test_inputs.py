"""Padding, order and cutting of prepared items."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from core.encoder.inputs import Prepared, collate, sorted_chunks
from core.encoder.tiny import IMAGE_SIDE, PATCH


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


def text(*ids: int) -> Prepared:
    return Prepared(torch.tensor(ids))


@pytest.mark.parametrize(("side", "ids", "mask"), [
    ("right", [[5, 6, 7], [8, 0, 0]], [[1, 1, 1], [1, 0, 0]]),
    ("left", [[5, 6, 7], [0, 0, 8]], [[1, 1, 1], [0, 0, 1]]),
])  # fmt: skip
def test_items_are_padded_on_one_side(side, ids, mask):
    inputs = collate([text(5, 6, 7), text(8)], 0, side)
    assert inputs.token_ids.tolist() == ids
    assert inputs.attention_mask.tolist() == mask
    assert inputs.image_crops == inputs.video_frames == []
    assert len(inputs.image_pixels) == len(inputs.video_pixels) == len(inputs.image_sizes) == 0


def test_a_token_equal_to_the_padding_is_still_attended():
    assert collate([text(0, 0), text(1)], 0).attention_mask.tolist() == [[1, 1], [1, 0]]


def test_pictures_and_clips_lie_behind_one_another_in_reading_order():
    def crops(count: int, value: float) -> torch.Tensor:
        return torch.full((count, 3, 2, 2), value)

    first = Prepared(torch.tensor([1]), (crops(2, 1.0), crops(1, 2.0)), ((9, 8), (7, 6)), (crops(3, 5.0),))
    last = Prepared(torch.tensor([1]), (crops(1, 3.0),), ((5, 4),), (crops(1, 6.0),))
    inputs = collate([first, text(1), last], 0)
    assert inputs.image_pixels[:, 0, 0, 0].tolist() == [1, 1, 2, 3]
    assert inputs.image_crops == [2, 1, 1]
    assert inputs.image_sizes.tolist() == [[9, 8], [7, 6], [5, 4]]
    assert inputs.video_pixels[:, 0, 0, 0].tolist() == [5, 5, 5, 6]
    assert inputs.video_frames == [3, 1]
    moved = inputs.to(torch.device("meta"))
    assert moved.image_pixels.device.type == moved.token_ids.device.type == "meta"
    assert moved.image_crops == [2, 1, 1]


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
    """By hand: resized to 48 x 48 and scaled from [0, 255] to [-1, 1]."""
    import numpy as np
    import PIL.Image

    picture = kinds[3].parts[0].source.open()
    resized = np.asarray(picture.resize((48, 48), PIL.Image.Resampling.BICUBIC), dtype=np.float32) / 127.5 - 1
    pixels = tiny.prepare(kinds[3]).images[0]
    assert pixels.shape == (1, 3, 48, 48)
    np.testing.assert_allclose(pixels[0].permute(1, 2, 0), resized, atol=2 / 255)
