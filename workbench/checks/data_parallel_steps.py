"""Data-parallel steps with known errors, which lesson 5's checks run on real processes."""

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor
from torch.autograd.function import FunctionCtx

from core.parallel.collectives import all_rows, rank, sum_over_ranks, world_size
from workbench.lessons.data_parallel import TAU, own_rows


def rows_loss(logits: Float[Tensor, "n total"], offset: int) -> Tensor:
    """Return the mean cross-entropy of rows whose right columns start at `offset`."""
    return torch.nn.functional.cross_entropy(logits, offset + torch.arange(len(logits)))


def right_loss(queries: Tensor, targets: Tensor) -> Tensor:
    """Own rows against gathered columns, with the true sum of gradients coming back."""
    return rows_loss(queries @ Summed.apply(targets).T / TAU, rank() * len(queries))


class Summed(torch.autograd.Function):
    """The trainer's gather with the backward that the closed form does not need."""

    @staticmethod
    def forward(ctx: FunctionCtx, local: Tensor) -> Tensor:
        """Return all ranks' rows."""
        return all_rows(local)

    @staticmethod
    def backward(ctx: FunctionCtx, *gradients: Tensor) -> Tensor:
        """Return the own rows of the sum."""
        return own_rows(sum_over_ranks(gradients[0]))


def half_loss(queries: Tensor, targets: Tensor) -> Tensor:
    """Return the right value with half of the gradient."""
    loss = right_loss(queries, targets)
    return loss / 2 + loss.detach() / 2


def no_gradient(queries: Tensor, targets: Tensor) -> Tensor:
    """Return the right value with none."""
    return right_loss(queries, targets).detach()


def triple_loss(queries: Tensor, targets: Tensor) -> Tensor:
    """Return three times the loss."""
    return 3 * right_loss(queries, targets)


def uneven_loss(queries: Tensor, targets: Tensor) -> Tensor:
    """Return the right value, where the ranks weigh their rows differently in the gradient."""
    loss = right_loss(queries, targets)
    return loss.detach() + (loss - loss.detach()) * (1.5 - rank())


# Triple first: it tells a comparison of directions from one of losses, which `half_loss` cannot.
STEPS: dict[Callable[[Tensor, Tensor], Tensor], str] = {
    triple_loss: "with three times the loss (error 2)",
    half_loss: "with the right loss and half the gradient (error 0.5)",
    right_loss: "with the right gradient",
    no_gradient: "without any gradient (error 1)",
    uneven_loss: "whose ranks weigh their rows differently",
}


def all_rows_loss(queries: Tensor, targets: Tensor) -> Tensor:
    """Return every rank computes all rows, from plain gathered vectors with its own put back."""
    return rows_loss(with_own(queries) @ with_own(targets).T / TAU, 0)


def with_own(local: Tensor) -> Tensor:
    """Return all ranks' rows, of which only the own ones carry a gradient."""
    rows = all_rows(local).chunk(world_size())
    return torch.cat([*rows[: rank()], local, *rows[rank() + 1 :]])
