"""Qwen2-VL: our path against transformers' own forward of the processor's own pixels."""

import copy
import math

import pytest
import torch

from core.data.records import Image, Item, Text, Video
from core.encoder.embedder import Embedder
from core.encoder.inputs import Inputs
from core.encoder.tiny_qwen2_vl import TWO_BILLION, qwen2_vl_config, qwen2_vl_tokenizer, tiny_qwen2_vl

SIZES = [(28, 28), (84, 84), (60, 40), (100, 40), (40, 100), (31, 170), (300, 200)]


def hidden_states(embedder: Embedder, inputs: Inputs) -> torch.Tensor:
    """What the language model made of a batch on its way to vectors, its last block whole."""
    whole = copy.deepcopy(embedder)
    seen = []
    block = whole.family.blocks(whole.backbone)[-1]
    del block.forward
    whole.backbone.language_model.norm.register_forward_hook(lambda _, __, out: seen.append(out))
    whole(inputs)
    return seen[0]


def theirs(embedder: Embedder, inputs: Inputs, **pixels: torch.Tensor) -> torch.Tensor:
    """transformers' forward, which places the tokens itself."""
    backbone, ids = embedder.backbone, inputs.token_ids
    kinds = (ids == backbone.config.image_token_id).int() + 2 * (ids == backbone.config.video_token_id).int()
    backbone.rope_deltas = None
    output = backbone(input_ids=ids, attention_mask=inputs.attention_mask, mm_token_type_ids=kinds, **pixels)
    return output.last_hidden_state


@pytest.mark.parametrize("size", SIZES)
@torch.no_grad()
def test_hidden_states_equal_transformers_forward_of_the_pixels(qwen, photograph, size):
    inputs = qwen.collate([qwen.prepare(Item((Image(photograph(*size)), Text("which one?"))))])
    own = qwen.image_processor([photograph(*size).open()], return_tensors="pt")
    expected = theirs(qwen, inputs, **own)
    torch.testing.assert_close(hidden_states(qwen, inputs), expected, rtol=0, atol=2e-5)


@torch.no_grad()
@pytest.mark.parametrize("side", ["left", "right"])
def test_a_padded_batch_equals_transformers_forward(photograph, side):
    qwen = tiny_qwen2_vl()
    qwen.tokenizer.padding_side = side
    first, second, third = photograph(90, 40), photograph(40, 60), photograph(56, 56)
    items = [
        Item((Image(first), Text("what is it, and what is it not?"))),
        Item((Text("from"), Image(second), Text("to"), Image(third))),
        Item((Text("words"),)),
    ]
    inputs = qwen.collate([qwen.prepare(item) for item in items])
    own = qwen.image_processor([each.open() for each in (first, second, third)], return_tensors="pt")
    ours, expected = hidden_states(qwen, inputs), theirs(qwen, inputs, **own)
    kept = inputs.attention_mask.bool()
    torch.testing.assert_close(ours[kept], expected[kept], rtol=0, atol=2e-5)


@pytest.mark.parametrize("frames", [1, 2, 5])
@torch.no_grad()
def test_clips_equal_transformers_forward_of_the_pixels(qwen, photograph, frames):
    """A clip's pixels by hand: the processor's patches of each frame, the frames of a pair behind each colour."""
    clip = Video(tuple(photograph(60, 90) if not number else recoloured(photograph, number)
                       for number in range(frames)))  # fmt: skip
    inputs = qwen.collate([qwen.prepare(Item((Text("which way?"), clip, Text("there"))))])
    singles = [qwen.image_processor([each.open()], return_tensors="pt") for each in clip.frames]
    singles += [singles[-1]] * (frames % 2)
    shape = (-1, 3, 2, 14, 14)
    pairs = [
        torch.stack([each["pixel_values"].view(shape)[:, :, 0] for each in (one, other)], dim=2).flatten(1)
        for one, other in zip(singles[::2], singles[1::2], strict=True)
    ]
    grid = torch.tensor([[len(pairs), *singles[0]["image_grid_thw"][0, 1:].tolist()]])
    expected = theirs(qwen, inputs, pixel_values_videos=torch.cat(pairs), video_grid_thw=grid)
    torch.testing.assert_close(hidden_states(qwen, inputs), expected, rtol=0, atol=2e-5)
    assert inputs.clip_frames == [math.ceil(frames / 2)]


def recoloured(photograph, seed: int):
    """Another picture of 60 x 90."""
    import io

    import PIL.ImageOps

    from core.data.images import BytesImage

    stream = io.BytesIO()
    PIL.ImageOps.solarize(photograph(60, 90).open(), 40 * seed).save(stream, "PNG")
    return BytesImage(stream.getvalue())


@pytest.mark.parametrize("size", SIZES)
def test_scaled_pixels_are_the_processors_own(qwen, photograph, size):
    (still,) = qwen.prepare(Item((Image(photograph(*size)),))).stills
    assert still.pixels.dtype == torch.uint8
    own = qwen.image_processor([photograph(*size).open()], return_tensors="pt")
    scaled = qwen.family.scaled(still.pixels).expand(-1, -1, 2, -1, -1).flatten(1)
    torch.testing.assert_close(scaled, own["pixel_values"], rtol=0, atol=1e-6)
    assert (1, *still.size) == tuple(own["image_grid_thw"][0].tolist())


def test_pixels_are_a_quarter_of_bytes_and_half_of_frames(qwen, photograph):
    """What goes through workers and to the device: 8 times less than the processor's float pixels."""
    (still,) = qwen.prepare(Item((Image(photograph(84, 84)),))).stills
    own = qwen.image_processor([photograph(84, 84).open()], return_tensors="pt")["pixel_values"]
    assert 8 * still.pixels.nbytes == own.nbytes


def test_tokens_lie_in_time_height_and_width(qwen, photograph):
    """56 x 84 pixels are 2 x 3 tokens; the text after the picture goes on after its longer side."""
    prepared = qwen.prepare(Item((Text("a"), Image(photograph(84, 56)))))
    where = prepared.token_ids == qwen.backbone.config.image_token_id
    first = int(where.nonzero()[0])
    grid = prepared.positions[:, where] - first
    assert grid.tolist() == [[0] * 6, [0, 0, 0, 1, 1, 1], [0, 1, 2, 0, 1, 2]]
    assert prepared.positions[:, int(where.nonzero()[-1]) + 1].tolist() == [first + 3] * 3
    assert qwen.prepare(Item((Text("a"),))).positions is None


@pytest.mark.parametrize("packing", [False, True])
def test_a_vector_is_the_same_alone_and_in_any_batch(mixed, packing):
    for side in ("left", "right"):
        qwen = tiny_qwen2_vl()
        qwen.tokenizer.padding_side = side
        qwen.packing = packing
        alone = torch.cat([qwen.embed([item]) for item in mixed])
        assert (torch.cdist(alone, alone) + torch.eye(len(mixed))).min() > 0.01
        for chunk in (2, 6):
            torch.testing.assert_close(qwen.embed(mixed[::-1], chunk), alone.flip(0), rtol=0, atol=1e-5)


def test_frames_of_other_sizes_take_the_size_of_the_first(qwen, photograph):
    prepared = qwen.prepare(Item((Video((photograph(84, 56), photograph(56, 84), photograph(28, 28))),)))
    assert [each.size for each in prepared.clips[0]] == [(4, 6), (4, 6)]
    first, second = prepared.clips[0]
    assert first.pixels.shape == (24, 3, 2, 14, 14)
    assert torch.equal(second.pixels[:, :, 0], second.pixels[:, :, 1])  # the last frame is repeated
    other = qwen.prepare(Item((Video((photograph(56, 84), photograph(84, 56))),))).clips[0]
    assert other[0].id != first.id


def test_it_comes_back_from_a_folder(qwen, mixed, tmp_path):
    qwen.save(tmp_path)
    assert torch.equal(Embedder.load(tmp_path).embed(mixed), qwen.embed(mixed))


def test_the_two_billion_shape_is_qwen2_vl_2b():
    """Without the head, whose weights are those of the embedding: 2.2 billion (Qwen2-VL report, table 1)."""
    from transformers import Qwen2VLModel

    with torch.device("meta"):
        backbone = Qwen2VLModel(qwen2_vl_config(TWO_BILLION, qwen2_vl_tokenizer()))
    count = {part: sum(w.numel() for n, w in backbone.named_parameters() if n.startswith(part))
             for part in ("visual", "language_model")}  # fmt: skip
    assert count["visual"] == pytest.approx(0.665e9, rel=0.01)
    assert count["language_model"] == pytest.approx(1.544e9, rel=0.01)
    assert backbone.config.text_config.rope_parameters["mrope_section"] == [16, 24, 24]
