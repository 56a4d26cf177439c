"""From the pairs of a step to what the encoder eats: every distinct item once, in chunks of similar length."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Int
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from core.data.batches import Batches
from core.data.records import Item, Pair
from core.encoder.inputs import Inputs, Prepared, sorted_chunks


@dataclass(frozen=True)
class StepData:
    """One rank's part of one step.

    chunks: the distinct items, in chunks sorted by length. query_rows, target_rows: where each pair's query and
    target lie among the vectors of all chunks laid behind one another. query_ids, target_ids: content ids.
    """

    step: int
    pairs: list[Pair]
    chunks: list[Inputs]
    query_rows: Int[Tensor, " n"]
    target_rows: Int[Tensor, " n"]
    query_ids: Int[Tensor, " n"]
    target_ids: Int[Tensor, " n"]

    @property
    def tokens(self) -> int:
        """Tokens encoded, padding left out."""
        return sum(int(chunk.attention_mask.sum()) for chunk in self.chunks)


def integer_id(item: Item) -> int:
    """The first 60 bits of the content id as a number, which fits a tensor of int64."""
    return int(item.content_id[:15], 16)


def step_data(
    step: int,
    pairs: Sequence[Pair],
    prepare: Callable[[Item], Prepared],
    collate: Callable[[Sequence[Prepared]], Inputs],
    chunk: int,
) -> StepData:
    """Prepare a rank's pairs: items that occur more than once are encoded once and their gradients add up."""
    distinct: dict[str, Item] = {}
    for pair in pairs:
        distinct.setdefault(pair.query.content_id, pair.query)
        distinct.setdefault(pair.positive.content_id, pair.positive)
    names = list(distinct)
    prepared = [prepare(item) for item in distinct.values()]
    indices = sorted_chunks([each.length for each in prepared], chunk)
    row_of = {names[index]: row for row, index in enumerate(index for each in indices for index in each)}
    return StepData(
        step,
        list(pairs),
        [collate([prepared[index] for index in each]) for each in indices],
        query_rows=torch.tensor([row_of[pair.query.content_id] for pair in pairs]),
        target_rows=torch.tensor([row_of[pair.positive.content_id] for pair in pairs]),
        query_ids=torch.tensor([integer_id(pair.query) for pair in pairs]),
        target_ids=torch.tensor([integer_id(pair.positive) for pair in pairs]),
    )


@dataclass(frozen=True)
class Steps(Dataset[StepData]):
    """The steps of one rank as a map from step number to data, so that loader processes can work ahead."""

    batches: Batches
    prepare: Callable[[Item], Prepared]
    collate: Callable[[Sequence[Prepared]], Inputs]
    chunk: int
    rank: int
    world: int

    def __getitem__(self, step: int) -> StepData:
        pairs = self.batches.pairs(step, self.rank, self.world)
        return step_data(step, pairs, self.prepare, self.collate, self.chunk)


def load(steps: Steps, first: int, last: int, workers: int) -> DataLoader[StepData]:
    """A loader over steps first..last-1, prepared ahead by `workers` processes (0: in this one)."""
    return DataLoader(steps, batch_size=None, sampler=range(first, last), num_workers=workers)
