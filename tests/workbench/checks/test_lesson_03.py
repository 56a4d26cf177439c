"""What lesson 3's checks compare with is right: the published small batches, and mistakes that differ from it."""

import pytest
import torch

from workbench.checks import lesson_03 as check
from workbench.lessons.feedback import Wrong, same

TWO = torch.tensor([[0.6, 0.5], [0.4, 0.7]], dtype=torch.float64)


def test_the_small_batches_have_the_known_losses_and_gradients():
    assert float(check.terms(TWO, 9.0, 0.02).loss.mean()) == pytest.approx(0.2370440898011401, abs=1e-15)
    assert float(check.terms(check.SMALL, 9.0, 0.02).loss.mean()) == pytest.approx(1.2277842603957627, abs=1e-14)
    known = torch.tensor([[-9.43851672, 9.43851672], [2.798840e-4, -2.798840e-4]], dtype=torch.float64)
    torch.testing.assert_close(check.gradient(TWO, 9.0, 0.02), known, rtol=1e-6, atol=1e-9)
    row = torch.tensor([16.21467138, -16.21467138], dtype=torch.float64)
    torch.testing.assert_close(check.gradient(check.SMALL, 9.0, 0.02)[1, :2], row, rtol=1e-7, atol=0)


def test_the_autograd_form_is_the_closed_form():
    free = check.cosines(0).requires_grad_()
    (found,) = torch.autograd.grad(check.offset_loss(free, 4.0, 0.05), free)
    torch.testing.assert_close(found, check.gradient(free.detach(), 4.0, 0.05))


@pytest.mark.parametrize("seed", range(5))
def test_every_mistake_differs_from_the_right_values_and_from_the_others(seed):
    similarity, alpha, tau = check.cosines(seed), 4.0, 0.1
    right = check.terms(similarity, alpha, tau)
    negative = torch.tensor([0.3, 0.7], dtype=torch.float64)
    for values in (
        [right.weight, *check.mistaken_weights(similarity, alpha).values()],
        [right.loss.mean(), *check.mistaken_losses(similarity, alpha, tau).values()],
        [check.gradient(similarity, alpha, tau), *check.mistaken_gradients(similarity, alpha, tau).values()],
        [(1 + alpha * tau) * negative, *check.mistaken_ties(negative, alpha, tau).values()],
    ):
        for number, first in enumerate(values):
            assert not any(same(first, second) for second in values[number + 1 :])


def test_detaching_everything_is_named():
    def detached(similarity, alpha, tau):
        return check.offset_loss(similarity.detach(), alpha, tau)

    with pytest.raises(Wrong, match="all of the similarity was detached"):
        check.hardness_loss(detached)
