"""Small batches that checks of losses are made on, and the first look at a loss's shape."""

from collections.abc import Callable

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn.functional import normalize

from core.contrast.similarity_tiles import EmbeddingBatch
from workbench.lessons.feedback import Wrong


def random_unit_vectors(count: int, dimensions: int, seed: int) -> Float[Tensor, "n d"]:
    """Directions without preference, float64."""
    drawn = torch.Generator().manual_seed(seed)
    return normalize(torch.randn(count, dimensions, generator=drawn, dtype=torch.float64), dim=1)


def batch_of(queries: Float[Tensor, "n d"], targets: Float[Tensor, "n d"]) -> EmbeddingBatch:
    """Return a batch of the trainer's in which no two items are the same."""
    ids = torch.arange(len(queries))
    return EmbeddingBatch(queries, targets, ids, ids + len(queries))


def own_pairs(similarity: Float[Tensor, "n n"]) -> Bool[Tensor, "n n"]:
    """True on the diagonal: target i is the right one of query i."""
    return torch.eye(len(similarity), dtype=torch.bool)


def negatives_of(values: Float[Tensor, "n n"]) -> Float[Tensor, "n negatives"]:
    """Return a matrix without its diagonal: row by row what belongs to the negatives."""
    return values[~own_pairs(values)].reshape(len(values), len(values) - 1)


def scalar(name: str, found: object, rows: int) -> object:
    """Say what a loss gave, unless it is one number a query.

    Raises:
        Wrong: the mean over the queries is missing.
    """
    if isinstance(found, Tensor) and found.shape in ((rows,), (rows, 1)):
        raise Wrong(f"{name} gave {rows} numbers, one a query; the loss is their mean, a single number.")
    if isinstance(found, float):
        raise Wrong(f"{name} gave a Python float, which has no gradient; return the tensor (without .item()).")
    return found


def untouched(answer: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """Return the answer, called on copies of its tensors; what it does to them in place is found out.

    Raises:
        Wrong: (when called) the answer changed what it was given.
    """

    def call(*given: object) -> Tensor:
        copies = [each.clone() if isinstance(each, Tensor) else each for each in given]
        found = answer(*copies)
        for before, after in zip(given, copies, strict=True):
            if isinstance(before, Tensor) and isinstance(after, Tensor) and not torch.equal(before, after):
                raise Wrong(
                    "your function changes the tensor it was given: a method that ends in _ (such as fill_diagonal_) "
                    "works in place, and .detach() shares memory with the original. Use masked_fill, or clone() first."
                )
        return found

    return call
