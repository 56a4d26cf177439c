"""One part is the whole batch; parts equal autograd of the mean of the parts' printed losses."""

import pytest
import torch
from torch.nn.functional import cross_entropy, normalize

from core.objectives.infonce import InfoNCE
from workbench.measures.accumulation import accumulated


def pairs(n, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return (normalize(torch.randn(n, 6, dtype=torch.float64, generator=generator), dim=1) for _ in range(2))


def loss_of(q, t, tau):
    logits, labels = q @ t.T / tau, torch.arange(len(q))
    return (cross_entropy(logits, labels) + cross_entropy(logits.T, labels)) / 2


def test_one_part_is_the_whole():
    found = accumulated(InfoNCE(0.1), *pairs(12), 1)
    assert (found.cosine, found.error, found.negatives) == (pytest.approx(1.0), 0.0, 11)


@pytest.mark.parametrize("parts", [2, 3, 6, 12])
def test_parts_equal_autograd(parts):
    q, t = (each.requires_grad_() for each in pairs(12, seed=parts))
    whole = torch.stack(torch.autograd.grad(loss_of(q, t, 0.1), (q, t)))
    losses = [loss_of(a, b, 0.1) for a, b in zip(q.chunk(parts), t.chunk(parts), strict=True)]
    part = torch.stack(torch.autograd.grad(torch.stack(losses).mean(), (q, t)))
    found = accumulated(InfoNCE(0.1), q.detach(), t.detach(), parts)
    assert found.loss == pytest.approx(float(torch.stack(losses).mean().detach()), rel=1e-12)
    assert found.error == pytest.approx(float((part - whole).norm() / whole.norm()), rel=1e-10)
    if parts < 12:
        cosine = torch.cosine_similarity(part.flatten(), whole.flatten(), dim=0)
        assert found.cosine == pytest.approx(float(cosine), rel=1e-10)
    assert found.negatives == 12 // parts - 1


def test_parts_that_do_not_divide_are_refused():
    with pytest.raises(ValueError, match="parts = 5 must divide the 12 pairs"):
        accumulated(InfoNCE(0.1), *pairs(12), 5)
