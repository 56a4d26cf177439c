"""The memory of a plan against that of a real training of the same small model."""

from dataclasses import replace

import pytest
import torch
from accelerate import Accelerator

from core.config.model_settings import ModelSettings, TrainableSettings
from core.config.settings import DataSettings, TrainSettings
from core.contrast.gradient_cache import GraphSize
from core.data.batches import BatchSampler
from core.data.records import Image, Item, Text
from core.data.sources import training_data
from core.encoder.embedder import Embedder
from core.encoder.freezing import make_trainable, set_attention
from core.encoder.tiny.llava_onevision import tiny_embedder
from core.encoder.tiny.qwen2_vl import TINY, tiny_qwen2_vl
from core.estimate.memory import (
    Precision,
    copies,
    feature_bytes,
    held,
    language_graph,
    picture_graph,
)
from core.estimate.model import estimated_model
from core.estimate.model_shape import Blank, picture_size, shape_of
from core.parallel.fsdp import language_parts
from core.training.starting_model import narrow_frozen, starting_embedder
from core.training.step import Stepper
from core.training.step_data import Steps

BUILD = {
    "llava_onevision": lambda: tiny_embedder(0, 128, 6, 2),
    "qwen2_vl": lambda: tiny_qwen2_vl(0, replace(TINY, width=128, inner=512, layers=6)),
}
HOW = {
    "whole": TrainableSettings(freeze=["vision"]),
    "lora": TrainableSettings(freeze=["vision", "projector"], lora_rank=8),
    "lora with dropout": TrainableSettings(freeze=["vision"], lora_rank=8, lora_dropout=0.1),
    "checkpointed": TrainableSettings(freeze=["vision"], activation_checkpointing=True),
    "tower too": TrainableSettings(),
}
WORDS = " ".join(f"find the one that looks like this picture, in red and blue, {number}" for number in range(10))
SMALL = ModelSettings(width=32, layers=2, vision_layers=1)


@pytest.mark.parametrize(
    "trainable",
    [
        TrainableSettings(),
        TrainableSettings(freeze=["vision"]),
        TrainableSettings(freeze=["vision"], lora_rank=4, dora=True),
    ],
    ids=["whole", "frozen tower", "dora"],
)
def test_weights_gradients_and_moments_are_exact(trainable, tmp_path):
    model = replace(SMALL, trainable=trainable)
    settings = TrainSettings(
        output=tmp_path / "run", steps=2, batch=8, precision="float32", model=model, data=DataSettings(block=4)
    )
    embedder = starting_embedder(settings, main=True)
    step = Stepper(settings, embedder, Accelerator(cpu=True))
    batches = BatchSampler(training_data(settings.data, 0, show_progress=False)[0], 8, 4, 0)
    step.optimizer.zero_grad = lambda set_to_none=True: None  # type: ignore[method-assign]
    step(Steps(batches, embedder.prepare, embedder.collate, 8, 0, 1)[0])
    weights = list(embedder.parameters())
    gradients = [weight.grad for weight in weights if weight.grad is not None]
    moments = [state[name] for state in step.optimizer.state.values() for name in ("exp_avg", "exp_avg_sq")]
    found = held(estimated_model(model).embedder, 1, True, False)
    assert found.weights == measured(weights)
    assert found.gradients == measured(gradients)
    assert found.moments == measured(moments)
    assert (found.unreduced, found.gathered) == (0, 0)


def measured(tensors: list[torch.Tensor]) -> float:
    return float(sum(each.untyped_storage().nbytes() for each in tensors))


def test_sharded_weights_are_divided_and_the_rest_is_not():
    embedder = tiny_embedder(0, 32, 2, 1)
    make_trainable(embedder, TrainableSettings(freeze=["vision"]))
    embedding, blocks = language_parts(embedder)
    language = 4 * sum(weight.numel() for each in (embedding, *blocks) for weight in each.parameters())
    alone, one_of_four = held(embedder, 1, True, True), held(embedder, 4, True, True)
    assert one_of_four.weights == alone.weights - language * 3 / 4
    assert one_of_four.gradients == alone.gradients - language * 3 / 4
    assert one_of_four.unreduced == language
    assert held(embedder, 4, False, True).unreduced == 0
    assert one_of_four.gathered == language / 2  # two blocks, all that there are, in bfloat16


def test_frozen_weights_in_bfloat16_take_half():
    embedder = tiny_embedder(0, 32, 2, 1)
    make_trainable(embedder, TrainableSettings(freeze=["vision"]))
    before = held(embedder, 1, True, True)
    frozen = sum(weight.numel() for weight in embedder.parameters() if not weight.requires_grad)
    narrow_frozen(embedder)
    after = held(embedder, 1, True, True)
    assert after.weights == before.weights - 2 * frozen
    assert (after.gradients, after.moments) == (before.gradients, before.moments)


def graph(embedder: Embedder, items: list[Item], bfloat16: bool) -> tuple[int, int]:
    """Bytes that the graph of a chunk really holds, and its tokens."""
    inputs = embedder.collate([embedder.prepare(item) for item in items])
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=bfloat16):
        (inputs,) = embedder.with_vision([inputs])
        counter = GraphSize(embedder.parameters())
        with counter:
            embedder(inputs)
    return counter.bytes, int(inputs.attention_mask.sum())


@pytest.mark.parametrize("bfloat16", [False, True], ids=["float32", "bfloat16"])
@pytest.mark.parametrize("how", HOW)
@pytest.mark.parametrize("adapter", BUILD)
def test_the_estimate_of_a_graph_is_within_a_factor_of_one_and_a_half(adapter, how, bfloat16):
    embedder, trainable = BUILD[adapter](), HOW[how]
    make_trainable(embedder, trainable)
    embedder.train()
    set_attention(embedder, "auto")
    items = [Item((Image(Blank(96, 64 + number)), Text(WORDS))) for number in range(3)]
    real, tokens = graph(embedder, items, bfloat16)
    shape, picture = shape_of(embedder), picture_size(embedder, 96, 64)
    precision = Precision.of(embedder, bfloat16, trainable.activation_checkpointing, trainable.lora_dropout > 0)
    estimate = language_graph(shape, precision, tokens) + len(items) * picture_graph(shape, precision, picture)
    if not trainable.activation_checkpointing:
        estimate += copies(embedder, 1, bfloat16)
    assert 1 / 1.5 < estimate / real < 1.5, (estimate, real)


def test_features_are_what_a_frozen_tower_leaves():
    embedder = tiny_embedder(0, 32, 2, 1)
    make_trainable(embedder, TrainableSettings(freeze=["vision"]))
    item = Item((Image(Blank(96, 64)), Text("red")))
    (seen,) = embedder.with_vision([embedder.collate([embedder.prepare(item)])])
    assert seen.images.features is not None
    picture = picture_size(embedder, 96, 64)
    assert feature_bytes(shape_of(embedder), picture, False) == measured(list(seen.images.features))
    assert feature_bytes(shape_of(tiny_embedder(0, 32, 2, 1)), picture, False) == 0


def test_without_anything_that_trains_there_is_no_graph():
    embedder = tiny_embedder(0, 32, 2, 1)
    for weight in embedder.parameters():
        weight.requires_grad_(False)
    precision = Precision.of(embedder, True, False, False)
    assert language_graph(shape_of(embedder), precision, 100) == 0
