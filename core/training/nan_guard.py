"""The NaN guard: find NaN and infinity in a step on any rank, tell all ranks, and trace them to their items."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TypeVar

import torch
import torch.distributed as dist
from jaxtyping import Bool, Float
from torch import Tensor

from core.data.records import Item, Pair
from core.files.atomic import write_text, writing
from core.files.reading import parse_json
from core.files.run_layout import NONFINITE
from core.parallel.collectives import rank, sum_over_ranks, world_size
from core.training.step_data import StepData

NAMED = 5
"""Items named by each rank, at most."""

Listed = TypeVar("Listed")


@dataclass(frozen=True)
class Suspect:
    """An item of a step that is not finite. role: query, target, negative or pair."""

    rank: int
    dataset: str
    origin: str
    role: str
    content_id: str

    def __str__(self) -> str:
        return f"{self.role} of {self.origin or self.dataset} (content id {self.content_id[:15]}, rank {self.rank})"


@dataclass(frozen=True)
class NonFiniteFault:
    """What of a step, counted from 1, is not finite on some rank, and where. The same on every rank.

    datasets: all that the step drew from. suspects: where it came from, or for a loss or gradient the pairs that pull
    hardest. weights: names of weights whose gradient is not finite.
    """

    step: int
    what: str
    datasets: tuple[str, ...]
    suspects: tuple[Suspect, ...]
    weights: tuple[str, ...] = ()

    def __str__(self) -> str:
        rows = "; ".join(map(str, self.suspects)) or "none"
        weights = f" Weights: {', '.join(self.weights)}." if self.weights else ""
        return (
            f"Step {self.step} (data sets {', '.join(self.datasets)}): {self.what} not finite. Items: {rows}.{weights}"
        )


class NonFiniteStep(ValueError):
    """Training met NaN or infinity; the message names step, data sets and items."""


def anywhere(local: Bool[Tensor, ""]) -> bool:
    """Tell whether a flag is set on any rank; every rank answers alike."""
    return float(sum_over_ranks(local.float())) > 0


def bad_rows(vectors: Float[Tensor, "items d"]) -> Bool[Tensor, " items"]:
    """Tell which vectors hold NaN or infinity."""
    return ~torch.isfinite(vectors).all(dim=1)


def items_with_rows(data: StepData) -> Iterable[tuple[int, Pair, str, Item]]:
    """Return each pair's query, target and explicit negatives with their rows among the step's vectors."""
    for role, rows, owners in (
        ("query", data.query_rows.tolist(), range(len(data.pairs))),
        ("target", data.target_rows.tolist(), range(len(data.pairs))),
        ("negative", data.negative_rows.tolist(), data.negative_owners.tolist()),
    ):
        for row, owner in zip(rows, owners, strict=True):
            yield row, data.pairs[owner], role, data.items[row]


def vector_fault(data: StepData, bad: Bool[Tensor, " items"], what: str) -> NonFiniteFault:
    """Return the fault of vectors that are not finite, on this rank or another. Every rank must call it."""
    marked = set(bad.nonzero().flatten().tolist())
    found = {
        row: Suspect(rank(), pair.dataset, pair.origin, role, item.content_id)
        for row, pair, role, item in items_with_rows(data)
        if row in marked
    }
    return agreed(data, what, list(found.values()), [])


def pull_fault(data: StepData, margin: Float[Tensor, " n"], what: str, weights: Sequence[str] = ()) -> NonFiniteFault:
    """Return the fault of a loss or gradient: no vector is to blame, so the pairs of least margin are named.

    margin: positive minus hardest negative similarity of this rank's pairs. Every rank must call it.
    """
    worst = margin.nan_to_num(nan=-torch.inf).argsort()[:NAMED].tolist()
    pairs = [data.pairs[row] for row in worst]
    suspects = [Suspect(rank(), pair.dataset, pair.origin, "pair", pair.query.content_id) for pair in pairs]
    return agreed(data, what, suspects, weights)


def agreed(data: StepData, what: str, suspects: Sequence[Suspect], weights: Sequence[str]) -> NonFiniteFault:
    """Return the same fault on every rank, from what each of them knows."""
    datasets = from_all_ranks(sorted({pair.dataset for pair in data.pairs}))
    everyone = from_all_ranks(list(suspects[:NAMED]))
    return NonFiniteFault(
        data.step + 1,
        what,
        tuple(sorted(set(datasets))),
        tuple(everyone),
        tuple(dict.fromkeys(from_all_ranks(list(weights[:NAMED])))),
    )


def from_all_ranks(local: list[Listed]) -> list[Listed]:
    """Return the ranks' lists laid behind one another."""
    if world_size() == 1:
        return local
    found: list[list[Listed]] = [[] for _ in range(world_size())]
    dist.all_gather_object(found, local)
    return [each for part in found for each in part]


def write_fault(run: Path, fault: NonFiniteFault) -> None:
    """Append a fault to `nonfinite.jsonl`.

    Raises:
        core.files.atomic.CannotWrite: the system refused.
    """
    path = run / NONFINITE
    with writing(path), path.open("a") as file:
        file.write(json.dumps(asdict(fault)) + "\n")


def forget_faults_after(run: Path, step: int) -> None:
    """Drop the faults of later steps, which a resumed run does again, and a last line cut short by a kill."""
    path = run / NONFINITE
    if not path.is_file():
        return
    kept = []
    for line in path.read_text().splitlines():
        try:
            found = parse_json(line)
        except json.JSONDecodeError:
            break
        if not isinstance(found, dict) or not isinstance(found.get("step"), int):
            break
        if found["step"] <= step:
            kept.append(line + "\n")
    write_text(path, "".join(kept))
