"""Qwen2-VL alone; what it shares with its successors is in test_qwen_vl.py."""

import pytest
import torch

from core.data.records import Image, Item, Text, Video
from core.encoder.tiny.qwen2_vl import TWO_BILLION, qwen2_vl_config
from core.encoder.tiny.qwen_vl import qwen_tokenizer


def test_tokens_lie_in_time_height_and_width(qwen, photograph):
    """56 x 84 pixels are 2 x 3 tokens; the text after the picture goes on after its longer side."""
    prepared = qwen.prepare(Item((Text("a"), Image(photograph(84, 56)))))
    where = prepared.token_ids == qwen.backbone.config.image_token_id
    first = int(where.nonzero()[0])
    grid = prepared.positions[:, where] - first
    assert grid.tolist() == [[0] * 6, [0, 0, 0, 1, 1, 1], [0, 1, 2, 0, 1, 2]]
    assert prepared.positions[:, int(where.nonzero()[-1]) + 1].tolist() == [first + 3] * 3
    assert qwen.prepare(Item((Text("a"),))).positions is None


def test_frames_are_placed_in_time_by_their_number(qwen, photograph):
    prepared = qwen.prepare(Item((Video(tuple(photograph(28, 28) for _ in range(6))),)))
    where = prepared.token_ids == qwen.backbone.config.video_token_id
    assert (prepared.positions[0, where] - prepared.positions[1, where]).tolist() == [0, 1, 2]


def test_the_two_billion_shape_is_qwen2_vl_2b():
    """Without the head, whose weights are those of the embedding: 2.2 billion (Qwen2-VL report, table 1)."""
    from transformers import Qwen2VLModel

    with torch.device("meta"):
        backbone = Qwen2VLModel(qwen2_vl_config(TWO_BILLION, qwen_tokenizer()))
    count = {part: sum(w.numel() for n, w in backbone.named_parameters() if n.startswith(part))
             for part in ("visual", "language_model")}  # fmt: skip
    assert count["visual"] == pytest.approx(0.665e9, rel=0.01)
    assert count["language_model"] == pytest.approx(1.544e9, rel=0.01)
    assert backbone.config.text_config.rope_parameters["mrope_section"] == [16, 24, 24]
