"""What lesson 1's checks compare with is right: the published small batch, and mistakes that differ from it."""

import pytest
import torch

from workbench.checks import lesson_01 as check
from workbench.lessons.feedback import Wrong, same

PUBLISHED = 0.042508780559039554


def test_the_small_batch_has_the_known_loss():
    assert float(check.terms(check.SMALL, 0.02).loss.mean()) == pytest.approx(PUBLISHED, abs=1e-15)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("tau", check.TAUS)
def test_every_mistake_differs_from_the_right_values_and_from_the_others(seed, tau):
    similarity = check.cosines(seed)
    right = check.terms(similarity, tau)
    losses = [right.loss.mean(), *check.mistaken_row_losses(similarity, tau).values()]
    gradients = [right.gradient / len(similarity), *check.mistaken_gradients(similarity, tau).values()]
    for values in (losses, gradients):
        for number, first in enumerate(values):
            assert not any(same(first, second) for second in values[number + 1 :])


def test_a_loss_without_gradient_is_named():
    def without_gradient(similarity, tau):
        return torch.nn.functional.cross_entropy(similarity.detach() / tau, torch.arange(len(similarity)))

    with pytest.raises(Wrong, match="has no gradient"):
        check.row_loss(without_gradient)


def test_nan_is_explained():
    with pytest.raises(Wrong, match="norm of 0"):
        check.cosine_similarity(lambda q, t: (q @ t.T) * torch.nan)


def test_differences_in_words():
    one = torch.ones(3, dtype=torch.float64)
    assert check.largest_difference(one, one) == "exactly equal"
    assert check.largest_difference(one + 1e-13, one).startswith("equal up to rounding")
    assert check.largest_difference(one + 0.1, one).startswith("DIFFERENT")
