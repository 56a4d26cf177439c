"""What a gather does on a rank: its rows, its backward, and a training step beside the trainer's.

Apart from the checks, so that the processes that run it need not import what notebooks need.
"""

from collections.abc import Callable
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.autograd.function import BackwardCFunction

from core.contrast.contrast import Contrast, value_and_gradient
from core.contrast.similarity_tiles import EmbeddingBatch
from core.objectives.hardness import HardnessWeighted
from core.objectives.infonce import InfoNCE
from core.objectives.objective import Objective, row_terms
from core.parallel.collectives import rank
from workbench.lessons.data_parallel import TAU, own_rows


def contrast(objective: Objective, queries: Float[Tensor, "n d"], targets: Float[Tensor, "n d"]) -> Contrast:
    """Return the trainer's contrast step over vectors that are all distinct items."""
    ids = torch.arange(len(queries)) + rank() * len(queries)
    return value_and_gradient(objective, EmbeddingBatch(queries, targets, ids, ids))


def objectives() -> dict[str, Objective]:
    """Say what a step is checked with."""
    return {"InfoNCE": InfoNCE(TAU), "LLaVE's loss": HardnessWeighted(9.0, TAU)}


def gather_probe(
    x: Float[Tensor, "total d"],
    coefficients: Float[Tensor, "world total d"],
    targets: Float[Tensor, "total d"],
    gather: Callable[[Tensor], Tensor],
) -> dict[str, Any]:
    """Runs on every rank: what the gather gives, its backward, and the gradients of a step by it and by the trainer."""
    mine = own_rows(x).clone().requires_grad_()
    rows = gather(mine)
    if not isinstance(rows, Tensor):
        return {"kind": 1.0}
    found: dict[str, Any] = {"rows": rows, "carries": rows.requires_grad}
    found["custom"] = isinstance(rows.grad_fn, BackwardCFunction)
    if not rows.requires_grad or rows.shape != x.shape:
        return found
    try:
        (rows * coefficients[rank()]).sum().backward()
    except RuntimeError as error:
        if "invalid gradient" not in str(error):
            raise
        return found | {"invalid": 1.0}
    found["gradient"] = torch.zeros_like(mine) if mine.grad is None else mine.grad
    for name, objective in objectives().items():
        vectors = [own_rows(each).clone().requires_grad_() for each in (x, targets)]
        pull(objective, vectors[0], gather(vectors[1])).add(pull(objective, vectors[1], gather(vectors[0]))).backward()
        trainer = contrast(objective, *(each.detach() for each in vectors))
        for side, vector, own in zip(
            ("queries", "targets"), vectors, (trainer.query_gradients, trainer.target_gradients), strict=True
        ):
            found[f"{name}/{side}"], found[f"{name}/{side}/trainer"] = vector.grad, own
    return found


def pull(objective: Objective, anchors: Float[Tensor, "n d"], columns: Float[Tensor, "total d"]) -> Tensor:
    """Make a number whose gradient is that of this rank's rows' loss in one direction: <constant dloss/dS, S>."""
    similarity = anchors @ columns.T
    positive = torch.zeros_like(similarity, dtype=torch.bool)
    positive[torch.arange(len(anchors)), rank() * len(anchors) + torch.arange(len(anchors))] = True
    terms = row_terms(objective, similarity.detach(), positive)
    return (terms.gradient * similarity).sum() / (2 * len(anchors))
