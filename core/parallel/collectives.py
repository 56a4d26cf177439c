"""Collectives of the contrast step. Each is the identity in a single process.

With W ranks of n rows each, rank r holds rows r*n .. (r+1)*n - 1 of the global batch:

    rank 0:  x[0:n]       all_rows -> every rank holds x[0 : W*n]
    rank 1:  x[n:2n]      own_sum  -> rank r holds its n rows of the sum of the ranks' (W*n)-row tensors
"""

from collections.abc import Iterable

import torch
import torch.distributed as dist
from jaxtyping import Shaped
from torch import Tensor


def world_size() -> int:
    """Number of processes, 1 when torch.distributed is not initialised."""
    return dist.get_world_size() if dist.is_initialized() else 1


def rank() -> int:
    """Return this process's number, from 0."""
    return dist.get_rank() if dist.is_initialized() else 0


def all_rows(local: Shaped[Tensor, "n *shape"]) -> Shaped[Tensor, "total *shape"]:
    """Return the rows of all ranks, in the order of ranks. Every rank must give the same number of rows.

    No gradient flows: the contrast step works with closed-form gradients.
    """
    local = local.detach().contiguous()
    if world_size() == 1:
        return local
    gathered = local.new_empty((world_size() * len(local), *local.shape[1:]))
    dist.all_gather_single(gathered, local)
    return gathered


def own_sum(partial: Shaped[Tensor, "total *shape"]) -> Shaped[Tensor, "n *shape"]:
    """Return this rank's rows of the sum of the ranks' tensors (a reduce-scatter)."""
    if world_size() == 1:
        return partial
    own = partial.new_empty((len(partial) // world_size(), *partial.shape[1:]))
    dist.reduce_scatter_single(own, partial.contiguous())
    return own


def sum_over_ranks(local: Shaped[Tensor, "*shape"]) -> Shaped[Tensor, "*shape"]:
    """Return the sum of the ranks' tensors, on every rank; the argument is left as it is."""
    if world_size() == 1:
        return local
    total = local.clone()
    dist.all_reduce(total)
    return total


def largest_over_ranks(number: int, device: torch.device) -> int:
    """Return the largest of the ranks' numbers, on every rank."""
    if world_size() == 1:
        return number
    found = torch.tensor(number, device=device)
    dist.all_reduce(found, dist.ReduceOp.MAX)
    return int(found)


def sum_gradients(weights: Iterable[torch.nn.Parameter]) -> None:
    """Replace every trainable weight's gradient by its sum over ranks, in one collective a dtype.

    A rank whose items never touched a weight counts as zero, so every rank ends with the same gradients.
    """
    trained = [weight for weight in weights if weight.requires_grad]
    for weight in trained:
        if weight.grad is None:
            weight.grad = torch.zeros_like(weight)
    if world_size() == 1:
        return
    for dtype in sorted({weight.dtype for weight in trained}, key=str):
        gradients = [weight.grad for weight in trained if weight.grad is not None and weight.dtype == dtype]
        flat = torch.cat([gradient.flatten() for gradient in gradients])
        dist.all_reduce(flat)
        for gradient, total in zip(gradients, flat.split([each.numel() for each in gradients]), strict=True):
            gradient.copy_(total.view_as(gradient))
