"""Gradient accumulation against a large batch: the same pairs, but each query sees only its own part's targets."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from core.contrast.contrast import value_and_gradient
from core.contrast.similarity_tiles import EmbeddingBatch
from core.objectives.objective import Objective


@dataclass(frozen=True)
class Accumulated:
    """The gradient of a batch taken in equal parts and averaged, against that of the whole.

    parts: into how many the batch is cut. negatives: that a query sees. cosine: between the two gradients of all
    embeddings. error: |difference| / |whole batch's gradient|. loss: the mean over the parts.
    """

    parts: int
    negatives: int
    cosine: float
    error: float
    loss: float


def accumulated(
    objective: Objective, queries: Float[Tensor, "n d"], targets: Float[Tensor, "n d"], parts: int
) -> Accumulated:
    """Accumulate the gradient over `parts` equal parts, in the order of the rows.

    queries, targets: unit vectors; row i belongs to row i.

    Raises:
        ValueError: parts does not divide the number of pairs.
    """
    if parts < 1 or len(queries) % parts:
        raise ValueError(f"parts = {parts} must divide the {len(queries)} pairs.")
    _, whole = loss_and_gradient(objective, queries, targets)
    found = [
        loss_and_gradient(objective, q, t) for q, t in zip(queries.chunk(parts), targets.chunk(parts), strict=True)
    ]
    gradient = torch.cat([each for _, each in found], dim=1) / parts
    return Accumulated(
        parts,
        len(queries) // parts - 1,
        float(torch.cosine_similarity(gradient.flatten(), whole.flatten(), dim=0)),
        float((gradient - whole).norm() / whole.norm()),
        sum(loss for loss, _ in found) / parts,
    )


def loss_and_gradient(
    objective: Objective, queries: Float[Tensor, "n d"], targets: Float[Tensor, "n d"]
) -> tuple[float, Float[Tensor, "2 n d"]]:
    """Get the loss of one pool, and the gradients of its queries and of its targets, all of them seen as distinct."""
    ids = torch.arange(len(queries))
    found = value_and_gradient(objective, EmbeddingBatch(queries, targets, ids, ids))
    return float(found.loss), torch.stack([found.query_gradients, found.target_gradients])
