"""The pairs of a step that can be prepared: others of the same data set stand in for those that cannot.

The check before training has read every row, so this is for what changes afterwards: a picture that vanishes, a disk
that fails. Which pair stands in depends on the seed, the step and the place in the global batch alone: every rank,
every number of loader processes and every resumed run chooses the same.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from core.data.batches import BatchSampler
from core.data.checks.problems import BadRow, OnBadItem, Problem, naming
from core.data.records import Item, Pair
from core.encoder.inputs import TokenizedItem
from core.encoder.item_rules import prepared_or_reason

ATTEMPTS = 16
"""Pairs that are tried for one place; if all are bad, it is not the rows but the disk."""


@dataclass(frozen=True)
class Substitution:
    """A pair that could not be used in a step, counted from 1, why, and where the pair was read that stands in."""

    step: int
    dataset: str
    where: str
    reason: str
    substitute: str


@dataclass(frozen=True)
class BadStep:
    """A step whose pairs cannot be prepared on this rank, handed over in place of its data.

    It is not raised, since loader processes garble exceptions, and the other ranks have to know.
    """

    step: int
    problems: tuple[Problem, ...]
    substitutions: tuple[Substitution, ...] = ()

    @property
    def tokens(self) -> int:
        """None are encoded."""
        return 0


@dataclass
class PreparedItems:
    """The items of a step, prepared once each; called again, it gives what it has. Equal items are told by parts."""

    prepare: Callable[[Item], TokenizedItem]
    _known: dict[Item, TokenizedItem | str] = field(default_factory=dict)

    def why_not(self, pair: Pair, negatives: int) -> str | None:
        """Prepare what of a pair is used; the reason if that cannot be done."""
        for item in (pair.query, pair.positive, *pair.negatives[:negatives]):
            if item not in self._known:
                self._known[item] = prepared_or_reason(self.prepare, item)
            found = self._known[item]
            if isinstance(found, str):
                return found
        return None

    def __call__(self, item: Item) -> TokenizedItem:
        """Return a prepared item of a pair that `why_not` found nothing against."""
        found = self._known[item]
        assert isinstance(found, TokenizedItem)
        return found


def whole_pairs(
    batches: BatchSampler,
    step: int,
    rank: int,
    world: int,
    items: PreparedItems,
    negatives: int,
    on_bad_item: OnBadItem,
) -> tuple[list[Pair], list[Substitution], list[Problem]]:
    """Return this rank's pairs of a step, all of whose items are prepared; what stands in for which; and problems.

    There are problems, and pairs missing, only if `on_bad_item` is "stop", or no pair could be found to stand in.
    """
    pairs: list[Pair] = []
    substitutions: list[Substitution] = []
    problems: list[Problem] = []
    chosen = batches.rows(step)
    for place, (dataset, index) in batches.own_rows(step, rank, world):
        pair = pair_or_problem(batches, dataset, index, items, negatives)
        if isinstance(pair, Pair):
            pairs.append(pair)
            continue
        found = None
        if on_bad_item == "skip":
            candidates = substitutes(batches, step, place, dataset, {row for each, row in chosen if each == dataset})
            tried = (pair_or_problem(batches, dataset, each, items, negatives) for each in candidates)
            found = next((each for each in tried if isinstance(each, Pair)), None)
        if found is None:
            problems.append(pair)
            continue
        pairs.append(found)
        name = batches.datasets[dataset].name
        substitutions.append(Substitution(step + 1, name, pair.where, pair.reason, found.origin))
    return pairs, substitutions, problems


def pair_or_problem(
    batches: BatchSampler, dataset: int, index: int, items: PreparedItems, negatives: int
) -> Pair | Problem:
    """Return a pair whose items are prepared, or why there is none."""
    source = batches.datasets[dataset]
    try:
        with naming(f"{source.name} row {index + 1}"):  # readers name file and row better
            pair = source[index]
    except BadRow as error:
        return error.problem
    reason = items.why_not(pair, negatives)
    return pair if reason is None else Problem(pair.origin or f"{pair.dataset} row {index + 1}", reason)


def substitutes(batches: BatchSampler, step: int, place: int, dataset: int, taken: set[int]) -> Sequence[int]:
    """Return the rows to try for a place of the global batch, at most ATTEMPTS; those of the batch come last."""
    key = int.from_bytes(f"{batches.seed}/{step}/{place}/substitute".encode(), "little")
    drawn = np.random.default_rng(key).integers(0, len(batches.datasets[dataset]), 4 * ATTEMPTS).tolist()
    rows = sorted(dict.fromkeys(drawn), key=lambda row: row in taken)  # a stable sort
    return rows[:ATTEMPTS]
