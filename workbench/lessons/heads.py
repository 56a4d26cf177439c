"""Trainings of a second: a linear head on the frozen vectors of a trained tiny model, with any loss.

head: z = W^T x / |W^T x|, x the model's unit vector. Small enough to try an objective with several seeds in a lesson.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn.functional import normalize

from workbench.lessons.classroom import trained
from workbench.lessons.rankings import evaluated
from workbench.lessons.twins import twin_pairs
from workbench.measures.overlap import Overlap, by_kind, of_samples
from workbench.measures.recall import recall_at_1

DIMENSIONS, BATCH, STEPS, RATE, DECAY = 16, 64, 200, 0.01, 0.9


@dataclass(frozen=True)
class Features:
    """Unit vectors of a frozen model, in float32.

    queries, targets: training pairs. twin_queries, twin_targets: other pairs about the same scenes, row by row.
    test_queries: of rankings. candidates: their pools; the right answer is the first of each.
    """

    queries: Float[Tensor, "n d"]
    targets: Float[Tensor, "n d"]
    twin_queries: Float[Tensor, "n d"]
    twin_targets: Float[Tensor, "n d"]
    test_queries: Float[Tensor, "m d"]
    candidates: Float[Tensor, "m pool d"]


@dataclass(frozen=True)
class Step:
    """One batch as a loss sees it: the head's unit vectors (with gradient), and those of two other models.

    frozen_*: the model under the head, which never changes. average_*: the head with the running average of its
    weights. Neither has a gradient.
    """

    queries: Float[Tensor, "b k"]
    targets: Float[Tensor, "b k"]
    frozen_queries: Float[Tensor, "b d"]
    frozen_targets: Float[Tensor, "b d"]
    average_queries: Float[Tensor, "b k"]
    average_targets: Float[Tensor, "b k"]


@dataclass(frozen=True)
class Outcome:
    """A head on the test rankings: P@1 in [0, 1], its right answers against the 5 hardest negatives, mean cosines."""

    p_at_1: float
    against_hard: Overlap
    positive: float
    hard: float


@cache
def features(dataset: str = "look-alike", pairs: int = 400, queries: int = 100, seed: int = 0) -> Features:
    """Return vectors of training pairs, of their twins and of test rankings, by the model trained with InfoNCE."""
    embedder = trained("infonce")
    own, twins = twin_pairs(dataset, pairs, seed)
    items = [item for each in (own, twins) for pair in each for item in (pair.query, pair.positive)]
    vectors = embedder.embed(items).reshape(2, pairs, 2, -1)
    found = evaluated("infonce", dataset, queries)
    table = torch.from_numpy(found.embedded.vectors)
    rows = torch.tensor([each.query for each in found.ranked])
    pools = torch.from_numpy(np.stack([right_first(each.candidates, each.right) for each in found.ranked]))
    return Features(vectors[0, :, 0], vectors[0, :, 1], vectors[1, :, 0], vectors[1, :, 1], table[rows], table[pools])


def right_first(candidates: Int[np.ndarray, " pool"], right: np.ndarray) -> Int[np.ndarray, " pool"]:
    """Return the candidates with the right one in front."""
    return np.concatenate([candidates[right], candidates[~right]])


def train_head(
    data: Features, loss: Callable[[Step], Tensor], twins: float = 0.0, seed: int = 0, steps: int = STEPS
) -> Float[Tensor, "d k"]:
    """Return the weights W after some steps of Adam on batches of 64 pairs.

    twins: the share of a batch's rows, 0 to 1, whose scene has a second pair in the batch. The seed sets the first
    weights and the batches; neither depends on the loss, so that losses can be compared on equal terms.
    """
    drawn = torch.Generator().manual_seed(seed)
    start = torch.randn(data.queries.shape[1], DIMENSIONS, generator=drawn) / data.queries.shape[1] ** 0.5
    head, average = start.clone().requires_grad_(), start.clone()
    optimizer = torch.optim.Adam([head], lr=RATE)
    with one_thread():
        for _ in range(steps):
            queries, targets = batch(data, twins, drawn)
            own, own_targets = by(queries, head), by(targets, head)
            mean, mean_targets = by(queries, average), by(targets, average)
            optimizer.zero_grad()
            loss(Step(own, own_targets, queries, targets, mean, mean_targets)).backward()
            optimizer.step()
            average.lerp_(head.detach(), 1 - DECAY)
    return head.detach()


@contextmanager
def one_thread() -> Iterator[None]:
    """Matrices this small lose more by waiting for a second thread than they gain."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def batch(data: Features, twins: float, drawn: torch.Generator) -> tuple[Float[Tensor, "b d"], Float[Tensor, "b d"]]:
    """Return queries and targets of a batch: some scenes once, then others twice."""
    twice = round(twins * BATCH / 2)
    scenes = torch.randperm(len(data.queries), generator=drawn)[: BATCH - twice]
    again = scenes[:twice]
    return (
        torch.cat([data.queries[scenes], data.twin_queries[again]]),
        torch.cat([data.targets[scenes], data.twin_targets[again]]),
    )


def by(vectors: Float[Tensor, "*n d"], head: Float[Tensor, "d k"]) -> Float[Tensor, "*n k"]:
    """Return unit vectors of the head."""
    return normalize(vectors @ head, dim=-1)


def outcome(head: Float[Tensor, "d k"], data: Features) -> Outcome:
    """Say how a head ranks the test pools; ties count by their expectation, as in the evaluator."""
    queries, candidates = by(data.test_queries, head), by(data.candidates, head)
    similarity = torch.einsum("mk,mpk->mp", queries, candidates).double().numpy()
    right = np.zeros(similarity.shape, dtype=bool)
    right[:, 0] = True
    kinds = {kind: np.concatenate(values) for kind, values in by_kind(similarity, right, ~right).items()}
    against = of_samples(kinds["positive"], kinds["hard"])
    hits = recall_at_1("head", similarity, right)
    return Outcome(hits.value, against, float(kinds["positive"].mean()), float(kinds["hard"].mean()))
