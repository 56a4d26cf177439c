"""One data-parallel training step, small enough to see its gradient whole: an encoder that is a single matrix.

An item's vector is its input times the matrix, divided by its length. The objective is InfoNCE from query to target.
"""

from collections.abc import Callable
from typing import TypedDict

import torch
from jaxtyping import Float, Shaped
from torch import Tensor

from core.contrast.contrast import value_and_gradient
from core.contrast.similarity_tiles import EmbeddingBatch
from core.objectives.infonce import InfoNCE
from core.parallel.collectives import rank, world_size

TAU = 0.05
OBJECTIVE = InfoNCE(TAU, both_directions=False)

Step = Callable[[Tensor, Tensor], Tensor]
"""From this rank's queries (n, d) and targets (n, d), unit vectors that carry a gradient, to the rank's loss."""


class RankGradient(TypedDict):
    """What one rank has after its backward pass, before anything is averaged."""

    loss: Tensor
    gradient: Tensor


def own_rows(whole: Shaped[Tensor, "total *shape"]) -> Shaped[Tensor, "n *shape"]:
    """Return the rows that this rank owns: n = total / W, from rank * n on."""
    n = len(whole) // world_size()
    return whole[rank() * n : (rank() + 1) * n]


def encode(inputs: Float[Tensor, "n inputs"], weight: Float[Tensor, "inputs d"]) -> Float[Tensor, "n d"]:
    """Return unit vectors."""
    return torch.nn.functional.normalize(inputs @ weight, dim=1)


def gradient_on_rank(
    weight: Float[Tensor, "inputs d"],
    queries: Float[Tensor, "total inputs"],
    targets: Float[Tensor, "total inputs"],
    step: Step,
) -> RankGradient:
    """Return this rank's loss by `step`, and its gradient with respect to the matrix: the rank's own, not yet averaged.

    queries, targets: inputs of the whole batch, of which the rank encodes its own rows.
    """
    weight = weight.clone().requires_grad_()
    loss = step(encode(own_rows(queries), weight), encode(own_rows(targets), weight))
    if loss.requires_grad:
        loss.backward()
    return {"loss": loss.detach(), "gradient": torch.zeros_like(weight) if weight.grad is None else weight.grad}


def whole_gradient(
    weight: Float[Tensor, "inputs d"], queries: Float[Tensor, "total inputs"], targets: Float[Tensor, "total inputs"]
) -> RankGradient:
    """Return the same of one process that holds the whole batch, by the trainer's contrast step: what is right."""
    weight = weight.clone().requires_grad_()
    vectors = [encode(queries, weight), encode(targets, weight)]
    ids = torch.arange(len(queries))
    found = value_and_gradient(OBJECTIVE, EmbeddingBatch(vectors[0].detach(), vectors[1].detach(), ids, ids))
    torch.autograd.backward(vectors, [found.query_gradients, found.target_gradients])
    assert weight.grad is not None
    return {"loss": found.loss, "gradient": weight.grad}
