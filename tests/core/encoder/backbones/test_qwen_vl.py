"""The three Qwen-VL families: our path against transformers' own forward of the processor's own pixels."""

import math
from collections.abc import Callable
from types import SimpleNamespace

import pytest
import torch
from qwen_oracle import clip_pixels, hidden_states, noise, shaken, theirs

from core.config.model_settings import TrainableSettings
from core.data.images.image_files import BadImage
from core.data.records import Image, Item, Text, Video
from core.encoder.backbones.qwen_vl import frame_limits
from core.encoder.embedder import Embedder
from core.encoder.freezing import make_trainable
from core.encoder.tiny.qwen2_5_vl import tiny_qwen2_5_vl
from core.encoder.tiny.qwen2_vl import tiny_qwen2_vl
from core.encoder.tiny.qwen3_vl import tiny_qwen3_vl

MAKERS: dict[str, Callable[[], Embedder]] = {
    "qwen2_vl": tiny_qwen2_vl,
    "qwen2_5_vl": tiny_qwen2_5_vl,
    "qwen3_vl": tiny_qwen3_vl,
}
SIZES = [(28, 28), (84, 84), (60, 40), (100, 40), (40, 100), (31, 170), (300, 200)]


@pytest.fixture(params=MAKERS)
def qwen(request) -> Embedder:
    """A tiny embedder of each family, for one test alone."""
    return shaken(MAKERS[request.param]())


def close(found: torch.Tensor, expected: torch.Tensor) -> None:
    torch.testing.assert_close(found, expected, rtol=0, atol=2e-5)


@torch.no_grad()
def test_text_equals_transformers_forward(qwen):
    inputs = qwen.collate([qwen.prepare(Item((Text("a large red circle on navy"),)))])
    close(hidden_states(qwen, inputs), theirs(qwen, inputs))


@pytest.mark.parametrize("size", SIZES)
@torch.no_grad()
def test_a_picture_equals_transformers_forward_of_the_pixels(qwen, photograph, size):
    inputs = qwen.collate([qwen.prepare(Item((Image(photograph(*size)), Text("which one?"))))])
    own = qwen.image_processor([photograph(*size).open()], return_tensors="pt")
    close(hidden_states(qwen, inputs), theirs(qwen, inputs, **own))


@torch.no_grad()
@pytest.mark.parametrize("side", ["left", "right"])
def test_a_padded_batch_equals_transformers_forward(qwen, photograph, side):
    """Pictures of three sizes, two of them in one item, and a clip in between."""
    qwen.tokenizer.padding_side = side
    first, second, third = photograph(90, 40), photograph(40, 60), photograph(128, 128)
    clip = Video(tuple(noise(60, 90, seed) for seed in range(3)))
    items = [
        Item((Image(first), Text("what is it, and what is it not?"))),
        Item((Text("from"), Image(second), clip, Text("to"), Image(third))),
        Item((Text("words"),)),
    ]
    inputs = qwen.collate([qwen.prepare(item) for item in items])
    own = qwen.image_processor([each.open() for each in (first, second, third)], return_tensors="pt")
    ours, expected = hidden_states(qwen, inputs), theirs(qwen, inputs, **own, **clip_pixels(qwen, clip.frames))
    kept = inputs.attention_mask.bool()
    close(ours[kept], expected[kept])


@pytest.mark.parametrize("frames", [1, 2, 5])
@torch.no_grad()
def test_clips_equal_transformers_forward_of_the_pixels(qwen, frames):
    clip = Video(tuple(noise(60, 90, seed) for seed in range(frames)))
    inputs = qwen.collate([qwen.prepare(Item((Text("which way?"), clip, Text("there"))))])
    close(hidden_states(qwen, inputs), theirs(qwen, inputs, **clip_pixels(qwen, clip.frames)))
    assert inputs.video_frames == [math.ceil(frames / 2)]


@torch.no_grad()
def test_a_vector_is_the_unit_state_of_the_last_token(qwen, mixed):
    inputs = qwen.collate([qwen.prepare(item) for item in mixed])
    last = inputs.attention_mask.sum(dim=1) - 1
    states = hidden_states(qwen, inputs)[torch.arange(len(mixed)), last]
    torch.testing.assert_close(qwen(inputs), torch.nn.functional.normalize(states), rtol=0, atol=1e-5)


@pytest.mark.parametrize("size", SIZES)
def test_scaled_pixels_are_the_processors_own(qwen, photograph, size):
    (still,) = qwen.prepare(Item((Image(photograph(*size)),))).images
    assert still.pixels.dtype == torch.uint8
    own = qwen.image_processor([photograph(*size).open()], return_tensors="pt")
    scaled = qwen.backbone_adapter.scaled(still.pixels).expand(-1, -1, 2, -1, -1).flatten(1)
    torch.testing.assert_close(scaled, own["pixel_values"], rtol=0, atol=1e-6)
    assert (1, *still.size) == tuple(own["image_grid_thw"][0].tolist())


def test_pixels_are_a_quarter_of_bytes_and_half_of_frames(qwen, photograph):
    """What goes through workers and to the device: 8 times less than the processor's float pixels."""
    (still,) = qwen.prepare(Item((Image(photograph(84, 84)),))).images
    own = qwen.image_processor([photograph(84, 84).open()], return_tensors="pt")["pixel_values"]
    assert 8 * still.pixels.nbytes == own.nbytes


def test_a_pictures_features_do_not_depend_on_what_it_is_seen_with(qwen, photograph):
    pictures = [qwen.prepare(Item((Image(photograph(*size)),))).images[0] for size in SIZES]
    together = qwen.vision_features(pictures)
    for each in pictures:
        torch.testing.assert_close(qwen.vision_features([each])[each.id], together[each.id], rtol=0, atol=2e-6)
        assert len(together[each.id]) == len(each.pixels)


def test_frames_of_other_sizes_take_the_size_of_the_first(qwen, photograph):
    side = qwen.image_processor.patch_size
    wide, tall, small = photograph(6 * side, 4 * side), photograph(4 * side, 6 * side), photograph(2 * side, 2 * side)
    first, second = qwen.prepare(Item((Video((wide, tall, small)),))).videos[0]
    assert first.size == second.size == (4, 6)
    assert first.pixels.shape == (24, 3, 2, side, side)
    assert torch.equal(second.pixels[:, :, 0], second.pixels[:, :, 1])  # the last frame is repeated
    other = qwen.prepare(Item((Video((tall, wide)),))).videos[0]
    assert other[0].id != first.id


def test_pixel_limits_are_the_image_processors(qwen, photograph, tmp_path):
    square = (2 * qwen.image_processor.patch_size) ** 2
    item = Item((Image(photograph(300, 200)),))

    def tokens(embedder: Embedder) -> int:
        return int((embedder.prepare(item).token_ids == embedder.backbone.config.image_token_id).sum())

    counts = []
    for fewest, most in ((1, 4), (1, 16), (60, 100), (200, 300)):
        qwen.image_processor.size = {"shortest_edge": fewest * square, "longest_edge": most * square}
        counts.append(tokens(qwen))
        assert fewest <= counts[-1] <= most
    assert counts == sorted({*counts})
    qwen.save(tmp_path)
    assert tokens(Embedder.load(tmp_path)) == counts[-1]


def tokens_of_a_frame(embedder: Embedder, frames: int) -> int:
    clip = Video(tuple(noise(200, 200, seed) for seed in range(frames)))
    return embedder.backbone_adapter.image_tokens(embedder.prepare(Item((clip,))).videos[0][0])


def test_frames_of_a_clip_can_have_limits_of_their_own(qwen, tmp_path):
    """Of a frame and of all together; pictures keep theirs, and they are saved."""
    square = (2 * qwen.image_processor.patch_size) ** 2
    still = qwen.prepare(Item((Image(noise(200, 200)),))).images[0]
    assert tokens_of_a_frame(qwen, 2) == qwen.backbone_adapter.image_tokens(still) == 16
    qwen.image_processor.frame_size = {"shortest_edge": 2 * square, "longest_edge": 9 * square, "clip": 40 * square}
    qwen.save(tmp_path)
    for embedder in (qwen, Embedder.load(tmp_path)):
        assert [tokens_of_a_frame(embedder, frames) for frames in (2, 4, 9, 10, 40)] == [9, 9, 4, 4, 1]
        assert embedder.backbone_adapter.image_tokens(embedder.prepare(Item((Image(noise(200, 200)),))).images[0]) == 16


@pytest.mark.parametrize(("frames", "most"), [(2, 9000), (10, 4000), (38, 1052), (39, 1050), (400, 1050)])
def test_a_frame_of_a_long_clip_keeps_the_fewest_pixels_and_five_percent(frames, most):
    """Qwen's own rule (fetch_video of qwen-vl-utils): max(min(most, clip / frames), int(1.05 * fewest))."""
    processor = SimpleNamespace(frame_size={"shortest_edge": 1000, "longest_edge": 9000, "clip": 40_000})
    assert frame_limits(processor, frames) == {"size": {"shortest_edge": 1000, "longest_edge": most}}


def test_the_same_frames_at_two_resolutions_are_two_pictures(qwen):
    square = (2 * qwen.image_processor.patch_size) ** 2
    qwen.image_processor.frame_size = {"shortest_edge": square, "longest_edge": 9 * square, "clip": 40 * square}
    short, long = (Video(tuple(noise(200, 200, seed) for seed in range(frames))) for frames in (2, 10))
    first, second = (qwen.prepare(Item((clip,))).videos[0][0] for clip in (short, long))
    assert first.size != second.size
    assert first.id != second.id
    alone = torch.cat([qwen.embed([Item((clip,))]) for clip in (short, long)])
    torch.testing.assert_close(qwen.embed([Item((short,)), Item((long,))]), alone, rtol=0, atol=1e-5)


@pytest.mark.parametrize("wrong", [100, {"longest_edge": 100}, {"shortest_edge": 1, "longest_edge": 2}])
def test_other_limits_of_frames_are_refused(qwen, wrong):
    qwen.image_processor.frame_size = wrong
    with pytest.raises(ValueError, match=r"preprocessor_config.json: frame_size = .*give it shortest_edge"):
        tokens_of_a_frame(qwen, 2)


@pytest.mark.parametrize("wrap", [Image, lambda source: Video((source, source))], ids=["still", "clip"])
def test_a_picture_too_narrow_for_patches_is_a_bad_image(qwen, wrap):
    with pytest.raises(BadImage, match=r"uploaded picture.*1000 x 4 pixels; one side may be 200 times the other"):
        qwen.prepare(Item((wrap(noise(1000, 4)),)))
    assert qwen.prepare(Item((wrap(noise(1000, 5)),))).token_ids.numel() > 0


@pytest.mark.parametrize("dora", [False, True])
def test_adapters_stand_in_the_language_model_only_and_train(qwen, mixed, dora):
    """The tower of Qwen2.5-VL has linear layers of the language model's names."""
    before = qwen.embed(mixed)
    targets = ["q_proj", "v_proj", "gate_proj", "down_proj"]
    settings = TrainableSettings(lora_rank=2, lora_targets=targets, dora=dora, freeze=["vision", "projector"])
    make_trainable(qwen, settings)
    torch.testing.assert_close(qwen.embed(mixed), before, rtol=0, atol=1e-5)
    trained = [name for name, weight in qwen.backbone.named_parameters() if weight.requires_grad]
    blocks = len(qwen.backbone_adapter.blocks(qwen.backbone))
    assert len(trained) == len(targets) * blocks * (3 if dora else 2)
    assert all(name.startswith("language_model.") and ".lora_" in name for name in trained)
    (features,) = qwen.with_vision([qwen.collate([qwen.prepare(item) for item in mixed])])
    qwen(features)[:, ::2].sum().backward()
    with torch.no_grad():
        for name, weight in qwen.backbone.named_parameters():
            assert (weight.grad is not None) == (name in trained), name
            if weight.grad is not None:
                weight -= weight.grad
    assert (qwen.embed(mixed) - before).norm(dim=1).min() > 1e-4
