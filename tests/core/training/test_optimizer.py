"""The learning rate's course, and which weights decay."""

import itertools
import math
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from core.config.settings import OptimizerSettings
from core.training.optimizer import adamw, learning_rate, set_learning_rate

PEAK = 2e-3


def course(steps: int, warmup: float = 0.1, final: float = 0.02) -> list[float]:
    settings = OptimizerSettings(learning_rate=PEAK, warmup=warmup, final=final)
    return [learning_rate(settings, step, steps) for step in range(steps)]


@given(st.integers(1, 300), st.floats(0, 1), st.floats(0, 1))
@settings(deadline=None)
def test_it_rises_once_then_falls_and_stays_within_its_bounds(steps, warmup, final):
    rates = course(steps, warmup, final)
    top = rates.index(max(rates))
    assert all(a < b for a, b in itertools.pairwise(rates[: top + 1]))
    assert all(a >= b for a, b in itertools.pairwise(rates[top:]))
    assert min(rates) >= 0
    assert max(rates) <= PEAK * (1 + 1e-12)
    assert top <= math.ceil(warmup * steps)


@given(st.integers(5, 300), st.floats(0, 0.5), st.floats(0, 1))
@settings(deadline=None)
def test_it_ends_at_the_final_share_of_the_peak(steps, warmup, final):
    assert course(steps, warmup, final)[-1] == pytest.approx(final * PEAK, abs=1e-12)


def test_values_by_hand():
    rates = course(21, warmup=0.0, final=0.0)
    assert rates[0] == PEAK
    assert rates[10] == pytest.approx(PEAK / 2)
    assert rates[5] == pytest.approx(PEAK * (1 + math.cos(math.pi / 4)) / 2)
    assert course(20, warmup=0.2)[:5] == pytest.approx([PEAK * k / 5 for k in (1, 2, 3, 4, 5)])
    assert course(1) == [pytest.approx(PEAK / 1.1)]


def scheduled(steps: int, **changes: object) -> list[float]:
    settings = replace(OptimizerSettings(learning_rate=PEAK, warmup=0.5), **changes)
    return [learning_rate(settings, step, steps) for step in range(steps)]


def test_a_linear_decay_with_steps_of_warmup():
    """VLM2Vec's: up over the given steps, whatever share the settings name, then straight down."""
    rates = scheduled(15, schedule="linear", warmup_steps=4, final=0.0)
    assert rates[:5] == pytest.approx([PEAK * k / 5 for k in (1, 2, 3, 4, 5)])
    assert rates[4:] == pytest.approx([PEAK * (10 - k) / 10 for k in range(11)])
    assert scheduled(15, schedule="linear", warmup_steps=0, final=0.5)[-1] == pytest.approx(PEAK / 2)


def test_a_constant_rate_stays_and_a_warmup_longer_than_the_run_only_rises():
    assert scheduled(9, schedule="constant", warmup_steps=2, final=0.3)[2:] == [PEAK] * 7
    assert scheduled(3, warmup_steps=9) == pytest.approx([PEAK * k / 10 for k in (1, 2, 3)])


def test_only_matrices_decay_and_frozen_weights_are_left_out(tiny):
    model = nn.Sequential(nn.Embedding(5, 4), nn.Linear(4, 3), nn.LayerNorm(3), nn.Linear(3, 2))
    model[3].weight.requires_grad_(False)
    settings = OptimizerSettings(weight_decay=0.3, beta1=0.8, beta2=0.9)
    optimizer = adamw(model, settings)
    decay = {id(weight): group["weight_decay"] for group in optimizer.param_groups for weight in group["params"]}
    named = {name: decay.get(id(weight)) for name, weight in model.named_parameters()}
    assert named == {
        "0.weight": 0.3, "1.weight": 0.3, "1.bias": 0.0, "2.weight": 0.0, "2.bias": 0.0, "3.weight": None, "3.bias": 0.0
    }  # fmt: skip
    assert optimizer.defaults["betas"] == (0.8, 0.9)
    covered = [weight for group in adamw(tiny, settings).param_groups for weight in group["params"]]
    assert sorted(map(id, covered)) == sorted(map(id, tiny.parameters()))


def test_decay_shrinks_matrices_by_rate_times_decay():
    """Without a gradient a step of AdamW only decays: w <- w (1 - lr * decay)."""
    model = nn.Linear(3, 2)
    before = {name: weight.detach().clone() for name, weight in model.named_parameters()}
    optimizer = adamw(model, OptimizerSettings(learning_rate=0.1, weight_decay=0.5))
    for weight in model.parameters():
        weight.grad = torch.zeros_like(weight)
    set_learning_rate(optimizer, 0.2)
    optimizer.step()
    torch.testing.assert_close(model.weight.detach(), before["weight"] * (1 - 0.2 * 0.5))
    assert torch.equal(model.bias.detach(), before["bias"])


def test_one_rate_for_every_group():
    optimizer = adamw(nn.Linear(3, 2), OptimizerSettings())
    set_learning_rate(optimizer, 0.125)
    assert [group["lr"] for group in optimizer.param_groups] == [0.125, 0.125]
