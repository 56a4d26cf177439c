"""Gradient caching gives the gradients of one big backward pass, whichever chunks keep their graphs."""

import gc
import math
import weakref
from types import SimpleNamespace

import psutil
import pytest
import torch
from torch import Tensor, nn

from core.contrast.gradient_cache import CachedEncoder, GraphSize, graph_budget


def model_with_dropout() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(6, 16), nn.Tanh(), nn.Dropout(0.3), nn.Linear(16, 4)).double()


def loss_of(vectors: Tensor) -> Tensor:
    return torch.logsumexp(vectors @ vectors.T, dim=1).sum()


def gradients(model: nn.Module) -> list[Tensor]:
    return [weight.grad.clone() for weight in model.parameters() if weight.grad is not None]


def three_chunks() -> list[Tensor]:
    generator = torch.Generator().manual_seed(1)
    return [torch.randn(5, 6, dtype=torch.float64, generator=generator) for _ in range(3)]


def cached_gradients(chunks: list[Tensor], budget: float) -> tuple[list[Tensor], Tensor, int]:
    model = model_with_dropout()
    torch.manual_seed(7)
    encoder = CachedEncoder(model, chunks, budget, model.parameters())
    vectors = torch.cat(encoder.vectors()).requires_grad_()
    kept = encoder.kept
    loss_of(vectors).backward()
    assert vectors.grad is not None
    encoder.backward(vectors.grad.split([len(chunk) for chunk in chunks]))
    return gradients(model), torch.rand(1), kept


def test_gradients_equal_one_backward_with_dropout_and_each_other_bit_for_bit() -> None:
    chunks, model = three_chunks(), model_with_dropout()
    counter = GraphSize(model.parameters())
    with counter:
        model(chunks[0])
    torch.manual_seed(7)
    loss_of(torch.cat([model(chunk) for chunk in chunks])).backward()
    expected, after = gradients(model), torch.rand(1)
    first, kepts = None, []
    for budget in (0, 1.5 * counter.bytes, 2 * counter.bytes, 1e9):
        ours, random, kept = cached_gradients(chunks, budget)
        kepts.append(kept)
        for mine, theirs in zip(ours, expected, strict=True):
            torch.testing.assert_close(mine, theirs, rtol=1e-12, atol=1e-14)
        assert torch.equal(random, after)
        first = first or ours
        assert all(torch.equal(mine, same) for mine, same in zip(ours, first, strict=True))
    assert kepts == [0, 1, 2, 3]


@pytest.mark.parametrize(("budget", "calls"), [(0, 6), (150, 5), (1e6, 3)])
def test_only_chunks_without_a_graph_are_encoded_twice(budget: float, calls: int) -> None:
    made = []
    weight = nn.Parameter(torch.ones(2))

    def encode(chunk: Tensor) -> Tensor:
        made.append(chunk)
        return (chunk * weight).exp()

    encoder = CachedEncoder(encode, [torch.ones(8, 2) for _ in range(3)], budget, [weight])
    encoder.backward([torch.ones(8, 2) for _ in encoder.vectors()])
    assert len(made) == calls
    assert weight.grad is not None
    torch.testing.assert_close(weight.grad, torch.full((2,), 24 * math.e))


def test_graphs_beyond_what_the_ranks_agree_on_are_not_kept() -> None:
    made, allowed = [], []
    weight = nn.Parameter(torch.ones(2))

    def encode(chunk: Tensor) -> Tensor:
        made.append(chunk)
        return (chunk * weight).exp()

    def agree(number: int) -> int:
        allowed.append(number)
        return 1

    encoder = CachedEncoder(encode, [torch.ones(8, 2) for _ in range(3)], 1e6, [weight], agree=agree)
    vectors = encoder.vectors()
    assert (allowed, encoder.kept) == ([3], 1)
    encoder.backward([torch.ones(8, 2) for _ in vectors])
    assert len(made) == 3 + 2
    assert weight.grad is not None
    torch.testing.assert_close(weight.grad, torch.full((2,), 24 * math.e))


def test_a_graph_is_counted_without_the_weights() -> None:
    layer = nn.Linear(100, 50)
    inputs = torch.ones(10, 100)
    counter = GraphSize(layer.parameters())
    with counter:
        layer(inputs).tanh()
    assert counter.bytes == 4 * (10 * 100 + 10 * 50)
    with counter, torch.no_grad():
        layer(inputs).tanh()
    assert counter.bytes == 0


def test_the_last_backward_is_announced() -> None:
    weight, said = nn.Parameter(torch.ones(2)), []
    encoder = CachedEncoder(lambda chunk: chunk * weight, list(torch.ones(3, 4, 2)), 1e6, [weight], said.append)
    encoder.backward([torch.ones(4, 2) for _ in encoder.vectors()])
    assert said == [False, False, True]


def test_the_budget_is_the_setting_or_half_of_free_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    assert graph_budget(1.5, torch.device("cpu")) == 1.5e9
    assert 0 < psutil.virtual_memory().available < psutil.virtual_memory().total
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(available=8e9, total=32e9))
    monkeypatch.delenv("LOCAL_WORLD_SIZE", raising=False)
    assert graph_budget(None, torch.device("cpu")) == 4e9
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "4")
    assert graph_budget(None, torch.device("cpu")) == 1e9


class Marker:
    """Something whose end can be seen."""


def test_a_counted_graph_that_is_dropped_is_freed():
    layer, marker = nn.Linear(6, 6), Marker()
    with GraphSize(layer.parameters()):
        vectors = torch.tanh(layer(torch.ones(2, 6)))  # tanh saves its own output
    assert vectors.grad_fn is not None
    vectors.grad_fn.metadata["marker"] = marker
    gone = weakref.ref(marker)
    del vectors, marker
    gc.collect()
    assert gone() is None
