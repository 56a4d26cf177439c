"""Gradient caching gives the gradients of one big backward pass, whichever chunks keep their graphs."""

import pytest
import torch
from torch import Tensor, nn

from core.parallel.gradient_cache import CachedEncoder


def model_with_dropout() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(6, 16), nn.Tanh(), nn.Dropout(0.3), nn.Linear(16, 4)).double()


def loss_of(vectors: Tensor) -> Tensor:
    return torch.logsumexp(vectors @ vectors.T, dim=1).sum()


def gradients(model: nn.Module) -> list[Tensor]:
    return [weight.grad.clone() for weight in model.parameters() if weight.grad is not None]


@pytest.mark.parametrize("keep", [0, 1, 2, 3, 10])
def test_gradients_equal_one_backward_with_dropout(keep: int) -> None:
    chunks = list(torch.randn(3, 5, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(1)))
    model = model_with_dropout()
    torch.manual_seed(7)
    loss_of(torch.cat([model(chunk) for chunk in chunks])).backward()
    expected, after = gradients(model), torch.rand(1)

    model = model_with_dropout()
    torch.manual_seed(7)
    encoder = CachedEncoder(model, chunks, keep)
    vectors = torch.cat(encoder.vectors()).requires_grad_()
    loss_of(vectors).backward()
    assert vectors.grad is not None
    encoder.backward(vectors.grad.split(5))
    for ours, theirs in zip(gradients(model), expected, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=1e-14)
    assert torch.equal(torch.rand(1), after)


@pytest.mark.parametrize(("keep", "calls"), [(0, 6), (1, 5), (3, 3)])
def test_only_chunks_without_a_graph_are_encoded_twice(keep: int, calls: int) -> None:
    made = []
    weight = nn.Parameter(torch.ones(2))

    def encode(chunk: Tensor) -> Tensor:
        made.append(chunk)
        return chunk * weight

    encoder = CachedEncoder(encode, list(torch.ones(3, 4, 2)), keep)
    encoder.backward([torch.ones(4, 2) for _ in encoder.vectors()])
    assert len(made) == calls
    assert weight.grad is not None
    assert weight.grad.tolist() == [12, 12]
