"""The right gradient of the one-matrix encoder is autograd's, and one process's step needs no average."""

import torch
from torch.nn.functional import cross_entropy

from workbench.lessons.data_parallel import TAU, encode, gradient_on_rank, own_rows, whole_gradient


def example():
    generator = torch.Generator().manual_seed(0)
    return (torch.randn(*shape, dtype=torch.float64, generator=generator) for shape in ((6, 4), (8, 6), (8, 6)))


def infonce(queries, targets):
    return cross_entropy(queries @ targets.T / TAU, torch.arange(len(queries)))


def test_whole_gradient_is_autograds():
    weight, queries, targets = example()
    found = whole_gradient(weight, queries, targets)
    weight.requires_grad_()
    loss = infonce(encode(queries, weight), encode(targets, weight))
    loss.backward()
    torch.testing.assert_close(found["loss"], loss.detach(), rtol=1e-12, atol=0)
    torch.testing.assert_close(found["gradient"], weight.grad, rtol=1e-10, atol=1e-13)


def test_one_rank_alone_owns_everything():
    weight, queries, targets = example()
    assert torch.equal(own_rows(queries), queries)
    found, whole = gradient_on_rank(weight, queries, targets, infonce), whole_gradient(weight, queries, targets)
    torch.testing.assert_close(found["gradient"], whole["gradient"], rtol=1e-10, atol=1e-13)


def test_a_loss_without_gradient_has_gradient_zero():
    weight, queries, targets = example()
    found = gradient_on_rank(weight, queries, targets, lambda q, t: infonce(q, t).detach())
    assert not found["gradient"].any()
    assert found["gradient"].shape == weight.shape
