"""Qwen3-VL alone: DeepStack, times in words; what it shares with its relatives is in test_qwen_vl.py."""

from types import SimpleNamespace

import pytest
import torch
from qwen_oracle import clip_pixels, hidden_states, noise, shaken, theirs
from transformers.models.qwen3_vl.processing_qwen3_vl import Qwen3VLProcessor
from transformers.video_utils import VideoMetadata

from core.data.records import Image, Item, Text, Video
from core.encoder.embedder import Embedder
from core.encoder.tiny.qwen3_vl import TINY, TWO_BILLION, qwen3_vl_config, tiny_qwen3_vl
from core.encoder.tiny.qwen_vl import BEGIN_VISION, CHAT_TEMPLATE, END_VISION, VIDEO, QwenSize, qwen_tokenizer


@pytest.fixture
def qwen3() -> Embedder:
    return shaken(tiny_qwen3_vl())


def clip(frames: int) -> Video:
    return Video(tuple(noise(64, 96, seed) for seed in range(frames)))


@torch.no_grad()
def test_features_hold_the_last_block_and_the_inner_ones(qwen3):
    """Against what transformers' own tower hands its mergers."""
    picture = qwen3.prepare(Item((Image(noise(96, 64)),))).images[0]
    features = qwen3.vision_features([picture])[picture.id]
    assert features.shape == (24, 3, 32)
    tower, given = qwen3.backbone.visual, []
    for merger in (tower.merger, *tower.deepstack_merger_list):
        merger.register_forward_pre_hook(lambda _, states: given.append(states[0]))
    own = qwen3.image_processor([noise(96, 64).open()], return_tensors="pt")
    tower(own["pixel_values"], grid_thw=own["image_grid_thw"])
    torch.testing.assert_close(features, torch.stack([given[2], given[0], given[1]], dim=1), rtol=0, atol=1e-5)


@pytest.mark.parametrize("level", [0, 1])
@pytest.mark.parametrize("part", [Image(noise(64, 64)), clip(3)], ids=["still", "clip"])
def test_what_inner_blocks_see_reaches_the_vector(qwen3, part, level):
    """Alone, among pictures, from pixels and from kept features."""
    item, other = Item((part, Text("which?"))), Item((Text("find"), Image(noise(96, 32)), Image(noise(64, 64))))
    before = qwen3.embed([item, other])
    with torch.no_grad():
        qwen3.backbone.visual.deepstack_merger_list[level].linear_fc2.weight.mul_(-1)
    after = qwen3.embed([item, other])
    assert (after - before).norm(dim=1).min() > 1e-2
    for name, weight in qwen3.backbone.named_parameters():
        weight.requires_grad_(not name.startswith("visual.blocks"))
    torch.testing.assert_close(torch.cat([qwen3.embed([each]) for each in (item, other)]), after, rtol=0, atol=1e-5)
    inputs = [qwen3.collate([qwen3.prepare(each) for each in (item, other)])]
    for _, weight in qwen3.backbone_adapter.weights(qwen3.backbone, "vision"):
        weight.requires_grad_(False)
    (seen,) = qwen3.with_vision(inputs)
    assert seen.images.features is not None
    torch.testing.assert_close(qwen3(seen).detach(), after, rtol=0, atol=1e-5)


@torch.no_grad()
def test_a_batch_of_clips_and_stills_equals_transformers(qwen3):
    """Pictures and frames are handed over apart and meet in one mask."""
    first, second = noise(64, 64), noise(40, 120)
    items = [
        Item((clip(3), Text("and"), Image(first))),
        Item((Text("only words"),)),
        Item((Image(second), Text("then"), clip(2))),
    ]
    inputs = qwen3.collate([qwen3.prepare(item) for item in items])
    own = qwen3.image_processor([first.open(), second.open()], return_tensors="pt")
    videos = [clip_pixels(qwen3, each.frames) for each in (clip(3), clip(2))]
    both = {name: torch.cat([each[name] for each in videos]) for name in videos[0]}
    kept = inputs.attention_mask.bool()
    ours, expected = hidden_states(qwen3, inputs), theirs(qwen3, inputs, **own, **both)
    torch.testing.assert_close(ours[kept], expected[kept], rtol=0, atol=2e-5)


@pytest.mark.parametrize("frames", [1, 2, 7])
def test_a_clip_is_written_as_the_processor_writes_it(qwen3, frames):
    """The model's own processor, told of as many frames as the tower is shown, 2 a second; no ends around the whole."""
    prepared = qwen3.prepare(Item((clip(frames), Text("which way?"))))
    pieces = prepared.videos[0]
    video_processor = SimpleNamespace(merge_size=2, temporal_patch_size=2)
    tokens = {"video_token": VIDEO, "vision_start_token": BEGIN_VISION, "vision_end_token": END_VISION}
    processor = SimpleNamespace(video_processor=video_processor, **tokens)
    processor._calculate_timestamps = lambda *given: Qwen3VLProcessor._calculate_timestamps(processor, *given)
    metadata = VideoMetadata(total_num_frames=frames, fps=2.0, frames_indices=[*range(2 * len(pieces))])
    grid = torch.tensor([[len(pieces), *pieces[0].size]])
    given = {"video_grid_thw": grid, "video_metadata": [metadata]}
    written = Qwen3VLProcessor.replace_video_token(processor, given, 0)
    expected = qwen3.tokenizer.encode("<|im_start|>user\n") + qwen3.tokenizer.encode(written)
    assert prepared.token_ids[: len(expected)].tolist() == expected
    assert written.count(VIDEO) == int((prepared.token_ids == qwen3.backbone.config.video_token_id).sum())


def test_times_are_in_seconds(qwen3):
    spoken = qwen3.tokenizer.decode(qwen3.prepare(Item((clip(5),))).token_ids)
    assert [f"<{time} seconds>" in spoken for time in ("0.2", "1.2", "2.2", "3.2")] == [True, True, True, False]


def test_a_template_without_marks_around_a_clip_is_refused():
    qwen3 = tiny_qwen3_vl()
    qwen3.tokenizer.chat_template = CHAT_TEMPLATE.replace(BEGIN_VISION + VIDEO + END_VISION, VIDEO)
    with pytest.raises(ValueError, match="chat template"):
        qwen3.prepare(Item((clip(2),)))


def test_too_few_language_blocks_are_refused():
    with pytest.raises(ValueError, match="num_hidden_layers = 2 is too few for the 2"):
        tiny_qwen3_vl(shape=QwenSize(layers=2, vision_layers=3, marked=(0, 1)))


def test_places_between_the_learned_ones_are_mixed_from_their_neighbours(qwen3):
    """A picture twice as fine as the grid of places and one half as fine both equal transformers."""
    for side in (32, 64, 96, 128):
        inputs = qwen3.collate([qwen3.prepare(Item((Image(noise(side, 128)),)))])
        own = qwen3.image_processor([noise(side, 128).open()], return_tensors="pt")
        with torch.no_grad():
            expected = theirs(qwen3, inputs, **own)
            torch.testing.assert_close(hidden_states(qwen3, inputs), expected, rtol=0, atol=2e-5)


def test_the_two_billion_shape_is_qwen3_vl_2b():
    """2.13 billion as the hub counts it, without a head, whose weights are those of the embedding."""
    from transformers import Qwen3VLModel

    with torch.device("meta"):
        backbone = Qwen3VLModel(qwen3_vl_config(TWO_BILLION, qwen_tokenizer()))
    assert sum(weight.numel() for weight in backbone.parameters()) == 2_127_532_032
    assert backbone.config.text_config.rope_parameters["mrope_section"] == [24, 20, 20]


def test_the_tiny_one_is_tiny():
    assert sum(weight.numel() for weight in tiny_qwen3_vl(shape=TINY).parameters()) < 400_000
