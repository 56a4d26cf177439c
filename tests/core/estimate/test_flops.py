"""The equations against torch's own counting of the operations of real passes."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from peft.tuners.lora import LoraLayer
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from core.config.model_settings import TrainableSettings
from core.data.records import Image, Item, Text
from core.encoder.embedder import Embedder
from core.encoder.freezing import make_trainable
from core.encoder.tiny.llava_onevision import tiny_embedder
from core.encoder.tiny.qwen2_vl import TINY, tiny_qwen2_vl
from core.estimate.flops import Flops, Items, hours, item_flops, items_flops, language_attention, pair_flops
from core.estimate.model_shape import Blank, PictureSize, picture_size, shape_of

WIDTH, HEIGHT = 96, 64
BUILD: dict[str, Callable[[], Embedder]] = {
    "llava_onevision": lambda: tiny_embedder(0, 96, 8, 4),
    "qwen2_vl": lambda: tiny_qwen2_vl(0, replace(TINY, layers=8, vision_layers=4)),
}
HOW = {
    "whole": TrainableSettings(),
    "frozen tower": TrainableSettings(freeze=["vision"]),
    "lora": TrainableSettings(freeze=["vision", "projector"], lora_rank=8),
    "lora and projector": TrainableSettings(freeze=["vision"], lora_rank=8),
    "dora": TrainableSettings(freeze=["vision", "projector"], lora_rank=1, dora=True),
    "dora with dropout": TrainableSettings(freeze=["vision", "projector"], lora_rank=1, dora=True, lora_dropout=0.1),
    "projector alone": TrainableSettings(freeze=["vision", "language"]),
    "checkpointed": TrainableSettings(freeze=["vision"], activation_checkpointing=True),
    "lora checkpointed": TrainableSettings(freeze=["vision"], lora_rank=8, activation_checkpointing=True),
}
PICTURED = Item((Image(Blank(WIDTH, HEIGHT)), Text("Find the one that looks like this picture, in red.")))


def counted(embedder: Embedder, item: Item) -> tuple[float, float, int]:
    """torch's counts of forward and backward, and the item's length.

    Attention is made of matrix products: of the kernels for CPUs torch counts nothing.
    """
    with sdpa_kernel(SDPBackend.MATH):
        return counted_products(embedder, item)


def counted_products(embedder: Embedder, item: Item) -> tuple[float, float, int]:
    """See `counted`."""
    inputs = embedder.collate([embedder.prepare(item)])
    (inputs,) = embedder.with_vision([inputs]) if "vision" in embedder.frozen else (inputs,)
    tower = 0.0
    if "vision" in embedder.frozen:
        fresh = embedder.collate([embedder.prepare(item)])
        with FlopCounterMode(display=False) as seeing, torch.no_grad():
            embedder.with_vision([fresh])
        tower = float(seeing.get_total_flops())
    with FlopCounterMode(display=False) as forward:
        vectors = embedder(inputs)
    with FlopCounterMode(display=False) as backward:
        vectors.sum().backward()
    return tower + forward.get_total_flops(), float(backward.get_total_flops()), int(inputs.attention_mask.sum())


def row_lengths(embedder: Embedder) -> int:
    """What a pass over a chunk makes once, however many items it has: DoRA's update B A as B(A(identity))."""
    adapted: list[Any] = [each for each in embedder.backbone.modules() if isinstance(each, LoraLayer)]
    sizes = [(each.r["default"], each.in_features, each.out_features) for each in adapted if each.lora_variant]
    return sum(2 * rank * entering * (entering + leaving) for rank, entering, leaving in sizes)


@pytest.mark.parametrize("adapter", BUILD)
@pytest.mark.parametrize("how", HOW)
def test_forward_and_backward_of_an_item_with_a_picture(adapter, how):
    embedder = BUILD[adapter]()
    make_trainable(embedder, HOW[how])
    embedder.train()
    forward, backward, length = counted(embedder, PICTURED)
    shape, picture = shape_of(embedder), picture_size(embedder, WIDTH, HEIGHT)
    found = item_flops(shape, length - picture.tokens, picture, HOW[how].activation_checkpointing, 0)
    # The products are of whole squares, where causal kernels make half.
    square = 2 * shape.layers * shape.heads * length**2
    trains = "language" in shape.trained or "projector" in shape.trained
    assert found.vision + found.projector + found.language + square == pytest.approx(
        forward - row_lengths(embedder), rel=1e-6
    )
    again = found.checkpointing + square if found.checkpointing else 0.0
    more = 2 * square if trains else 0.0
    assert found.backward + again + more == pytest.approx(backward, rel=0.03)


def test_an_item_of_text_never_meets_the_tower():
    embedder = BUILD["llava_onevision"]()
    make_trainable(embedder, HOW["frozen tower"])
    forward, backward, length = counted(embedder, Item((Text("a red square beside a blue circle"),)))
    found = item_flops(shape_of(embedder), length, None, False, 0)
    assert (found.vision, found.projector) == (0, 0)
    shape = shape_of(embedder)
    square = 2 * shape.layers * shape.heads * length**2
    assert found.language + square == pytest.approx(forward, rel=1e-6)
    assert found.backward + 2 * square == pytest.approx(backward, rel=0.03)


def test_a_projector_alone_learns_nothing_from_text():
    embedder = BUILD["llava_onevision"]()
    make_trainable(embedder, HOW["projector alone"])
    found = item_flops(shape_of(embedder), 10, None, True, 0)
    assert (found.backward, found.checkpointing) == (0, 0)


def test_the_attention_of_a_long_item_is_half_a_square():
    shape = shape_of(BUILD["llava_onevision"]())
    assert language_attention(shape, 2000) / (4 * 8 * 96 * 2000**2) == pytest.approx(0.5, rel=1e-3)


def test_what_is_encoded_twice_costs_its_forward_again_but_not_the_frozen_tower():
    embedder = BUILD["llava_onevision"]()
    make_trainable(embedder, HOW["frozen tower"])
    shape, picture = shape_of(embedder), picture_size(embedder, WIDTH, HEIGHT)
    once, half = item_flops(shape, 20, picture, False, 0), item_flops(shape, 20, picture, False, 0.5)
    assert half.twice == pytest.approx((once.language + once.projector) / 2)
    assert half.useful == once.useful == once.done
    assert half.done == pytest.approx(once.done + half.twice)
    whole = shape_of(BUILD["llava_onevision"]())
    seen = item_flops(whole, 20, picture, False, 1)
    assert seen.twice == pytest.approx(seen.language + seen.projector + seen.vision)


def test_a_pair_is_a_query_a_target_and_its_negatives():
    shape, picture = shape_of(BUILD["qwen2_vl"]()), PictureSize(16, (64,))
    query, target = Items(30, 0.75), Items(10, 0.25)
    one = items_flops(shape, target, picture, False, 0)
    pair = pair_flops(shape, query, target, 3, picture)
    assert pair.done == pytest.approx(items_flops(shape, query, picture, False, 0).done + 4 * one.done)
    with_one, without = item_flops(shape, 10, picture, False, 0), item_flops(shape, 10, None, False, 0)
    assert one.done == pytest.approx(0.25 * with_one.done + 0.75 * without.done)


def test_hours():
    """1e18 operations on 8 GPUs of 312 TFLOP/s at 14 %: 2861.7 s."""
    assert hours(1e18, 8, 312, 0.14) == pytest.approx(1e18 / (8 * 312e12 * 0.14) / 3600)
    assert hours(1e18, 8, 312, 0.14) * 3600 == pytest.approx(2861.72, abs=0.01)
    assert (Flops(language=1.0, backward=2.0) + Flops(twice=3.0)).done == 6
