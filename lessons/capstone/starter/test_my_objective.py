"""Tests that must pass before any experiment: `python -m pytest` in this folder.

`my_log_weight` is your equation once more, written as plainly as in your report. It is the oracle: float64 autograd
of the loss with these weights, held constant, must give the gradient that the objective states.
"""

from dataclasses import replace

import pytest
import torch
from my_objective import MyObjective, at
from torch import Tensor
from torch.nn.functional import normalize

from core.contrast.contrast import Contrast, value_and_gradient
from core.contrast.similarity_tiles import EmbeddingBatch
from core.objectives.infonce import InfoNCE
from core.objectives.objective import Objective, row_terms

N = 6


def my_log_weight(similarity: Tensor, alpha: float) -> Tensor:
    """log w_ij of negative j for query i, by hand. Change it together with MyObjective.pair_weight."""
    return alpha * similarity


def batch(seed: int) -> tuple[Tensor, Tensor]:
    """Unit vectors of queries and targets, float64, that are similar enough for weights to matter."""
    drawn = torch.Generator().manual_seed(seed)
    queries, targets = (torch.randn(N, 8, generator=drawn, dtype=torch.float64) for _ in range(2))
    return normalize(queries + 1, dim=1), normalize(targets + 1, dim=1)


def my_loss(similarity: Tensor, alpha: float, temperature: float) -> Tensor:
    """The mean loss, query to target, by autograd: the weights are detached."""
    weight = my_log_weight(similarity.detach(), alpha).masked_fill(torch.eye(N, dtype=torch.bool), 0)
    logits = similarity / temperature + weight
    return (torch.logsumexp(logits, dim=1) - logits.diagonal()).mean()


@pytest.mark.parametrize("seed", range(3))
def test_gradient_is_that_of_the_equation(seed: int) -> None:
    queries, targets = batch(seed)
    similarity = (queries @ targets.T).requires_grad_()
    objective = MyObjective(alpha=7.0, temperature=0.05)
    loss = my_loss(similarity, 7.0, 0.05)
    (expected,) = torch.autograd.grad(loss, similarity)
    terms = row_terms(objective, similarity.detach(), torch.eye(N, dtype=torch.bool))
    torch.testing.assert_close(terms.loss.mean(), loss.detach(), rtol=1e-10, atol=1e-12)
    torch.testing.assert_close(terms.gradient / N, expected, rtol=1e-8, atol=1e-12)


def trained(objective: Objective, queries: Tensor, targets: Tensor) -> Contrast:
    """What the trainer's step makes of a batch."""
    ids = torch.arange(len(queries))
    return value_and_gradient(objective, EmbeddingBatch(queries, targets, ids, ids + len(queries)))


def test_alpha_0_is_infonce() -> None:
    queries, targets = batch(0)
    mine, plain = (trained(each, queries, targets) for each in (MyObjective(alpha=0.0), InfoNCE()))
    torch.testing.assert_close(mine.loss, plain.loss, rtol=1e-12, atol=0)
    torch.testing.assert_close(mine.query_gradients, plain.query_gradients, rtol=1e-10, atol=1e-14)


def test_the_order_of_pairs_changes_nothing() -> None:
    queries, targets = batch(1)
    order = torch.randperm(N, generator=torch.Generator().manual_seed(2))
    there, here = trained(MyObjective(), queries[order], targets[order]), trained(MyObjective(), queries, targets)
    torch.testing.assert_close(there.loss, here.loss, rtol=1e-12, atol=0)
    torch.testing.assert_close(there.target_gradients, here.target_gradients[order], rtol=1e-9, atol=1e-13)


def test_trainer_and_equation_agree_in_both_directions() -> None:
    queries, targets = batch(2)
    similarity = queries @ targets.T
    expected = (my_loss(similarity, 9.0, 0.02) + my_loss(similarity.T, 9.0, 0.02)) / 2
    torch.testing.assert_close(trained(MyObjective(), queries, targets).loss, expected, rtol=1e-10, atol=0)


def test_every_step_has_an_objective() -> None:
    for step in (0, 5, 9):
        objective = at(step, 10, frozenset({"retrieval"}))
        assert isinstance(objective, Objective)
        assert replace(objective, both_directions=False).temperature > 0  # pyright: ignore[reportArgumentType, reportCallIssue]
