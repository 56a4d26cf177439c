"""The batch sampler: which pairs make up a batch is a pure function of (seed, step), cut evenly over ranks.

A batch is made of blocks, each of pairs of one data set, so that most negatives of a row come from its own task.
One epoch visits every block of every data set once, in a random order; nothing of it has to be saved to resume.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np

from core.data.records import Pair, PairDataset


@dataclass(frozen=True)
class BatchSampler:
    """The batches of a run.

    datasets: what to draw from, in proportion to their lengths. batch: pairs of the global batch. block: pairs of
    one data set that stay together; it divides the batch. seed: another seed gives another order. weights: how often
    an epoch visits each data set, by name; 1 where none is given. With 0.5 it visits half of its blocks, others in
    each epoch, with 2 each of them twice.
    """

    datasets: Sequence[PairDataset]
    batch: int
    block: int
    seed: int
    weights: Mapping[str, float | int] = field(default_factory=dict)
    _plan: list[tuple[int, int]] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        if not self.datasets:
            raise ValueError("BatchSampler.datasets is empty; name at least one data set.")
        for dataset in self.datasets:
            if len(dataset) == 0:
                raise ValueError(f"The data set {dataset.name!r} has no pairs.")
        if self.batch < 1 or self.block < 1 or self.batch % self.block:
            raise ValueError(f"block = {self.block} must be at least 1 and divide batch = {self.batch}.")
        unknown = [name for name in self.weights if name not in {each.name for each in self.datasets}]
        if unknown or not all(weight > 0 for weight in self.weights.values()):
            raise ValueError(f"weights = {dict(self.weights)} must be above 0 and name data sets that are there.")
        plan = [(d, b) for d in range(len(self.datasets)) for b in range(self._visits(d))]
        object.__setattr__(self, "_plan", plan)

    @property
    def steps_per_epoch(self) -> float:
        """Batches of one epoch, which visits every block once unless weights say otherwise."""
        return len(self._plan) * self.block / self.batch

    def rows(self, step: int) -> list[tuple[int, int]]:
        """(data set, index) of every pair of the global batch of a step, counted from 0."""
        per_batch = self.batch // self.block
        return [row for number in range(step * per_batch, (step + 1) * per_batch) for row in self._block(number)]

    def counts(self, step: int) -> dict[str, int]:
        """Count the pairs of each data set in the global batch of a step, counted from 0; names in order of use.

        A pair that another stands in for counts where it was drawn: both are of one data set.
        """
        per_batch = self.batch // self.block
        found: dict[str, int] = {}
        for number in range(step * per_batch, (step + 1) * per_batch):
            name = self.datasets[self._planned(number)[0]].name
            found[name] = found.get(name, 0) + self.block
        return found

    def pairs(self, step: int, rank: int = 0, world: int = 1) -> list[Pair]:
        """Return this rank's pairs of a step: every `world`-th row, so that each rank gets its share of every block.

        Raises:
            ValueError: the batch does not divide by the world size.
        """
        return [self.datasets[dataset][index] for _, (dataset, index) in self.own_rows(step, rank, world)]

    def own_rows(self, step: int, rank: int = 0, world: int = 1) -> list[tuple[int, tuple[int, int]]]:
        """Return the rows of `pairs`, each with its place in the global batch. Raises ValueError as `pairs`."""
        if self.batch % world:
            raise ValueError(f"batch = {self.batch} must be a multiple of the number of processes, {world}.")
        return list(enumerate(self.rows(step)))[rank::world]

    def _blocks(self, dataset: int) -> int:
        """Say how many blocks hold a data set."""
        return max(1, len(self.datasets[dataset]) // self.block)

    def _visits(self, dataset: int) -> int:
        """Say how many of its blocks an epoch visits."""
        return max(1, round(self._blocks(dataset) * self.weights.get(self.datasets[dataset].name, 1)))

    def _planned(self, number: int) -> tuple[int, int]:
        """Say which data set, and which of its blocks, a block of the run is."""
        epoch, place = divmod(number, len(self._plan))
        return self._plan[int(shuffled(self.seed, epoch, "blocks", len(self._plan))[place])]

    def _block(self, number: int) -> list[tuple[int, int]]:
        dataset, block = self._planned(number)
        epoch = number // len(self._plan)
        order = shuffled(self.seed, epoch, f"rows/{dataset}", len(self.datasets[dataset]))
        first = block % self._blocks(dataset) * self.block
        chosen = np.take(order, range(first, first + self.block), mode="wrap")
        return [(dataset, int(index)) for index in chosen]


@lru_cache(maxsize=256)
def shuffled(seed: int, epoch: int, what: str, length: int) -> np.ndarray:
    """Return a permutation of 0..length-1 (int64) that depends on the arguments alone."""
    key = int.from_bytes(f"{seed}/{epoch}/{what}".encode(), "little")
    return np.random.default_rng(key).permutation(length)
