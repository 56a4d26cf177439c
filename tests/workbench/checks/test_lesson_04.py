"""Helpers of lesson 4's checks against autograd, and what other absurd answers are told."""

import pytest
import torch

from workbench.checks import lesson_04
from workbench.lessons.feedback import Wrong


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("stop", [True, False])
def test_speeds_are_autograds(seed, stop):
    angles = (2 * torch.rand(3, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)).requires_grad_()
    right, negative = torch.cos(angles[1:] - angles[0])
    reward = negative.detach() if stop else negative
    logits = torch.stack([right / 0.1, negative / 0.1 + 4 * reward])
    (gradient,) = torch.autograd.grad(torch.logsumexp(logits, dim=0) - logits[0], angles)
    found = lesson_04.right_speeds(angles.detach(), 4.0, 0.1, stop)
    torch.testing.assert_close(found, -gradient, rtol=1e-10, atol=1e-10)
    assert float(found.sum()) == pytest.approx(0, abs=1e-10)


@pytest.mark.parametrize("seed", range(10))
def test_the_ratio_is_1_plus_alpha_tau_on_negatives_and_rows_no_longer_sum_to_0(seed):
    similarity = lesson_04.cosines(seed)
    free = lesson_04.gradient_by_autograd(similarity, 4.0, 0.1)
    stopped = lesson_04.expected_gradient(similarity, similarity, 4.0, 0.1)
    torch.testing.assert_close(free, lesson_04.on_negatives(stopped, 1.4), rtol=1e-9, atol=1e-12)
    assert float(stopped.sum(dim=1).abs().max()) < 1e-12
    assert float(free.sum(dim=1).min()) > 0


def test_a_reward_that_is_trained_is_named():
    def half_detached(similarity, reward, alpha, tau):
        logits = similarity / tau + alpha * (1 - torch.eye(len(similarity))) * reward
        return (torch.logsumexp(logits, dim=1) - logits.diagonal()).mean()

    with pytest.raises(Wrong, match="a gradient reaches the reward"):
        lesson_04.check_reward(half_detached, lesson_04.cosines(0), lesson_04.cosines(1))


def test_a_loss_for_each_query_is_named():
    with pytest.raises(Wrong, match="the loss is their mean"):
        lesson_04.weighted_loss(lambda similarity, reward, alpha, tau: similarity.sum(dim=1))


def test_stubs_pass_through():
    def stub(*values):
        raise NotImplementedError("Exercise 4.1")

    for check in (lesson_04.weighted_loss, lesson_04.gradient_without_stop, lesson_04.speeds, lesson_04.teacher_loss):
        with pytest.raises(NotImplementedError):
            check(stub)
