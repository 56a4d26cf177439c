"""Collate the pairs of a step: every distinct item once, tokenized, in chunks of similar length."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import torch
from jaxtyping import Int
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from core.data.batches import BatchSampler
from core.data.checks.problems import BadRow, OnBadItem, naming
from core.data.records import Item, Pair
from core.encoder.inputs import ModelInputs, TokenizedItem, sorted_chunks
from core.encoder.item_rules import arriving
from core.training.step_pairs import BadStep, PreparedItems, Substitution, whole_pairs


@dataclass(frozen=True)
class StepData:
    """One rank's part of one step.

    chunks: the distinct items, in chunks sorted by length. items: the same one by one; item r is row r of the vectors
    of all chunks laid behind one another. query_rows, target_rows, negative_rows: which row each pair's query, its
    target and each explicit negative is. query_ids, target_ids, negative_ids: their content ids. negative_owners:
    which pair each explicit negative was given for. known: pairs (query id, item id) that the data set knows to be
    right besides the rows of the step, None where it asks nothing several times. substitutions: pairs that others
    stand in for. cut: tokens of texts that were left out.
    """

    step: int
    pairs: list[Pair]
    chunks: list[ModelInputs]
    items: list[Item]
    query_rows: Int[Tensor, " n"]
    target_rows: Int[Tensor, " n"]
    query_ids: Int[Tensor, " n"]
    target_ids: Int[Tensor, " n"]
    negative_rows: Int[Tensor, " k"]
    negative_ids: Int[Tensor, " k"]
    negative_owners: Int[Tensor, " k"]
    known: Int[Tensor, "pairs 2"] | None = None
    substitutions: tuple[Substitution, ...] = ()
    cut: int = 0

    @property
    def tokens(self) -> int:
        """Tokens encoded, padding left out."""
        return sum(int(chunk.attention_mask.sum()) for chunk in self.chunks)


def integer_id(content_id: str) -> int:
    """Return the first 60 bits of a content id as a number, which fits a tensor of int64."""
    return int(content_id[:15], 16)


def step_data(
    step: int,
    pairs: Sequence[Pair],
    prepare: Callable[[Item], TokenizedItem],
    collate: Callable[[Sequence[TokenizedItem]], ModelInputs],
    chunk: int,
    negatives: int = 0,
    positives: Mapping[str, Sequence[str]] | None = None,
) -> StepData:
    """Prepare a rank's pairs: items that occur more than once are encoded once and their gradients add up.

    At most `negatives` explicit hard negatives of each pair are used, in the order in which the data gives them.
    `positives` names what the data set knows to be right for queries that it asks several times, by content ids.
    """
    owned = [(owner, item) for owner, pair in enumerate(pairs) for item in pair.negatives[:negatives]]
    items = [item for pair in pairs for item in (pair.query, pair.positive)] + [item for _, item in owned]
    # Prepared before an id is asked for: a picture that was opened knows its id, so none is decoded for it alone.
    tokenized = {item: prepare(item) for item in dict.fromkeys(items)}
    id_of = {item: item.content_id for item in tokenized}
    first: dict[str, Item] = {}
    for item, name in id_of.items():
        first.setdefault(name, item)
    distinct = list(first.values())
    prepared = [tokenized[item] for item in distinct]
    indices = sorted_chunks([each.length for each in prepared], chunk)
    in_order = [distinct[index] for each in indices for index in each]
    row_of = {id_of[item]: row for row, item in enumerate(in_order)}

    def rows(items: Sequence[Item]) -> Tensor:
        return torch.tensor([row_of[id_of[item]] for item in items], dtype=torch.long)

    def ids(items: Sequence[Item]) -> Tensor:
        return torch.tensor([integer_id(id_of[item]) for item in items], dtype=torch.long)

    queries, targets = [pair.query for pair in pairs], [pair.positive for pair in pairs]
    given = [item for _, item in owned]
    return StepData(
        step,
        list(pairs),
        [collate([prepared[index] for index in each]) for each in indices],
        in_order,
        query_rows=rows(queries),
        target_rows=rows(targets),
        query_ids=ids(queries),
        target_ids=ids(targets),
        negative_rows=rows(given),
        negative_ids=ids(given),
        negative_owners=torch.tensor([owner for owner, _ in owned], dtype=torch.long),
        cut=sum(each.cut for each in prepared),
        known=known_pairs([id_of[item] for item in dict.fromkeys(queries)], positives or {}),
    )


def known_pairs(queries: Sequence[str], positives: Mapping[str, Sequence[str]]) -> Int[Tensor, "pairs 2"] | None:
    """Return what is known to be right for some queries as pairs of ids; None where nothing is known."""
    pairs = [
        (integer_id(query), integer_id(item)) for query in dict.fromkeys(queries) for item in positives.get(query, ())
    ]
    return torch.tensor(pairs, dtype=torch.long) if pairs else None


def whole(data: StepData | BadStep) -> StepData:
    """Return the data of a step, for one process that does its steps without a trainer.

    Raises:
        ValueError: pairs of it cannot be prepared; the message names them.
    """
    if isinstance(data, BadStep):
        raise ValueError(f"Step {data.step + 1} lacks pairs: {'; '.join(map(str, data.problems[:5]))}")
    return data


@dataclass(frozen=True)
class Steps(Dataset[StepData | BadStep]):
    """The steps of one rank as a map from step number to data, so that loader processes can work ahead."""

    batches: BatchSampler
    prepare: Callable[[Item], TokenizedItem]
    collate: Callable[[Sequence[TokenizedItem]], ModelInputs]
    chunk: int
    rank: int
    world: int
    negatives: int = 0
    positives: Mapping[str, Sequence[str]] = field(default_factory=dict)
    on_bad_item: OnBadItem = "stop"

    def __getitem__(self, step: int) -> StepData | BadStep:
        items = PreparedItems(self.prepare)
        pairs, substitutions, problems = whole_pairs(
            self.batches, step, self.rank, self.world, items, self.negatives, self.on_bad_item
        )
        if problems:
            return BadStep(step, tuple(problems), tuple(substitutions))
        try:
            with naming(f"{pairs[0].dataset}: a pair of step {step + 1}"):
                data = step_data(step, pairs, items, self.collate, self.chunk, self.negatives, self.positives)
        except BadRow as error:
            return BadStep(step, (error.problem,), tuple(substitutions))
        return replace(data, substitutions=tuple(substitutions))


def load(steps: Steps, first: int, last: int, workers: int) -> Iterator[StepData | BadStep]:
    """Return steps first..last-1, prepared ahead by `workers` processes (0: in this one).

    Raises:
        core.encoder.item_rules.LoaderLost: one of the processes has died.
    """
    loader = DataLoader(steps, batch_size=None, sampler=range(first, last), num_workers=workers)
    return arriving(loader, workers)
