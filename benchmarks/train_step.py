"""Pairs per second of our training step and of sentence-transformers' on the same models, files, batch and objective.

    PEER/bin/python benchmarks/train_step.py            (what PEER is: benchmarks/sentence_transformers_peer.py)

The deep model is the one that counts: models that people train have 24 blocks and more, and what is saved once a pass
shrinks with depth. Both sides first prove that they compute the same (`benchmarks.agreement`). Then each case runs in a
process of its own, where the sides take turns step by step; reading and preparing the pictures is part of the step. A
short trial chooses each side's chunk (mini-batch), whether ours packs, and the rival's attention under bfloat16. Peak
memory is measured apart, one fresh process a side.

    ours            the default: graphs are kept
    ours, twice     every chunk is encoded twice (no graph kept), at the cached rival's memory
    ours, seen      frozen tower: its features come from the feature cache, as in every epoch but the first
    cached, plain   CachedMultipleNegativesRankingLoss and MultipleNegativesRankingLoss
"""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, astuple, dataclass, field, replace
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

import torch

from benchmarks import torchvision_operators
from benchmarks.anyres_model import write_model, write_processor
from benchmarks.machine import PeakMemory, in_fresh_process, table, write_result
from benchmarks.mixture import read_rows, write_mixture
from benchmarks.our_step import Ours, OurSettings
from benchmarks.sentence_transformers_peer import HOW_TO, Peer, PeerSettings, available
from benchmarks.timing import Ratio, Spread, ratio, take_turns, timed
from core.config.command_line import parse

BARS = {("cached", "frozen"): 3.0, ("cached", "trained"): 1.5, ("plain", "frozen"): 1.0, ("plain", "trained"): 1.0}
COLUMNS = (
    "model",
    "batch",
    "block",
    "tower",
    "precision",
    "side",
    "choice",
    "pairs_per_s",
    "step_s",
    "theirs / ours",
    "bar",
    "extra_mb",
)


@dataclass(frozen=True)
class Size:
    """Width of both towers, and blocks of the language model and of the vision tower."""

    width: int
    layers: int
    vision_layers: int


MODELS: Mapping[str, Size] = {"deep": Size(96, 24, 6), "shallow": Size(128, 3, 3), "tiny": Size(32, 1, 1)}
"""deep: as many blocks as LLaVE-0.5B, narrow, so that it trains on a CPU. tiny: for tests."""


@dataclass
class TrainStepSettings:
    """What to compare, and for how long."""

    work: Path = Path("runs/benchmarks/train_step")
    """Folder of the generated model and files; made on first use."""
    output: Path = Path("runs/benchmarks/train_step.json")
    """The results."""
    models: list[Literal["deep", "shallow", "tiny"]] = field(default_factory=lambda: ["deep", "shallow"])
    """Sizes of the model, of `MODELS`."""
    batches: list[int] = field(default_factory=lambda: [128, 256])
    """Pairs a step, multiples of the blocks."""
    blocks: list[int] = field(default_factory=lambda: [1, 32])
    """Pairs of one data set that stay together in a batch; 1 is a shuffled mix, as other trainers draw it."""
    towers: list[Literal["frozen", "trained"]] = field(default_factory=lambda: ["frozen", "trained"])
    """Whether the vision tower trains."""
    precisions: list[Literal["float32", "bfloat16"]] = field(default_factory=lambda: ["float32", "bfloat16"])
    """Of both sides; bfloat16 is autocast."""
    chunks: list[int] = field(default_factory=lambda: [8, 16, 32, 64, 128])
    """Chunks (mini-batches) to try for each side."""
    rounds: int = 7
    """Timed steps of each side in each case."""
    pairs_per_dataset: int = 800
    """Size of the five generated data sets."""
    threads: int = os.cpu_count() or 1
    """Threads of torch."""
    memory: bool = True
    """Measure the sides' memory too."""


@dataclass(frozen=True)
class Case:
    """One line of comparison, and where its inputs are."""

    model: str
    batch: int
    block: int
    tower: str
    precision: str
    ours: Path
    peer: Path
    data: Path

    def our_side(
        self, chunk: int, packing: bool = False, recompute: bool = False, features: Path | None = None
    ) -> Ours:
        """Ours; `recompute` keeps no graph."""
        bfloat16, frozen = self.precision == "bfloat16", self.tower == "frozen"
        settings = OurSettings(self.batch, chunk, self.block, bfloat16, frozen, recompute, packing, features)
        return Ours(self.ours, self.data, settings)

    def peer_side(self, loss: Literal["cached", "plain"], chunk: int, attention: str = "sdpa") -> Peer:
        """The rival."""
        bfloat16, frozen = self.precision == "bfloat16", self.tower == "frozen"
        settings = PeerSettings(loss, chunk, bfloat16, frozen, attention=attention)
        return Peer(self.peer, self.data, read_rows(self.data), settings)


def run_case(case: Case, chunks: Sequence[int], rounds: int) -> list[dict[str, Any]]:
    """Try the chunks, then time every side in turns; one row a side."""
    attentions = ("sdpa", "eager") if case.precision == "bfloat16" else ("sdpa",)
    our_choice = fastest(list(product(chunks, (False, True))), lambda choice: case.our_side(*choice).step)
    chosen_by = case.our_side(*our_choice).chosen
    peer_choice = fastest(
        list(product(chunks, attentions)),
        lambda choice: peer_step(case.peer_side("cached", *choice), chosen_by),
    )
    with TemporaryDirectory() as features:
        sides = {
            "ours": case.our_side(*our_choice).step,
            "ours, twice": case.our_side(*our_choice, recompute=True).step,
            "cached": peer_step(case.peer_side("cached", *peer_choice), chosen_by),
            "plain": peer_step(case.peer_side("plain", *peer_choice), chosen_by),
        }
        if case.tower == "frozen":
            seen = case.our_side(*our_choice, features=Path(features))
            seen.remember(range(rounds + 1))
            sides["ours, seen"] = seen.step
        seconds = take_turns(sides, rounds)
    rows = []
    for name in sides:
        row = {each: getattr(case, each) for each in ("model", "batch", "block", "tower", "precision")}
        row |= {"side": name, "choice": our_choice if name.startswith("ours") else peer_choice}
        rows.append(row | figures(seconds[name], seconds["ours"], case.batch, BARS.get((name, case.tower))))
    return rows


def peer_step(side: Peer, chosen_by: Callable[[int], list[tuple[str, int]]]) -> Callable[[int], object]:
    """The rival's step on the pairs of a step of ours."""
    return lambda number: side.step(chosen_by(number))


def figures(seconds: Sequence[float], ours: Sequence[float], batch: int, bar: float | None) -> dict[str, Any]:
    """One side's speed, and how many times our time it takes; `passes` says whether the bar is reached."""
    step, against = Spread.of(seconds), ratio(seconds, ours)
    return {
        "seconds": list(seconds),
        "step_s": step.median,
        "step_s_quartiles": [step.low, step.high],
        "pairs_per_s": batch / step.median,
        "ratio": asdict(against),
        "theirs / ours": str(against),
        "bar": bar,
        "passes": None if bar is None else passes(against, bar),
    }


def passes(against: Ratio, bar: float) -> bool:
    """Whether the median ratio reaches the bar; a bar of 1 allows for the interval ("never slower")."""
    return against.median >= bar or (bar == 1.0 and against.high >= 1.0)


def fastest(choices: Sequence[Any], step_of: Callable[[Any], Callable[[int], object]]) -> Any:  # noqa: ANN401
    """The choice whose second or third step is the quickest."""
    if len(choices) == 1:
        return choices[0]
    times = {}
    for choice in choices:
        step = step_of(choice)
        step(0)
        times[choice] = min(timed(lambda number=number, step=step: step(number)) for number in (1, 2))
    return min(times, key=lambda choice: times[choice])


def memory_of(case: Case, side: str, choice: tuple[int, Any]) -> float:
    """MB above those before its first step that a side's first three steps take; call it in a fresh process."""
    if side.startswith("ours"):
        step: Callable[[int], object] = case.our_side(*choice, recompute=side == "ours, twice").step
    else:
        loss: Literal["cached", "plain"] = "cached" if side == "cached" else "plain"
        step = peer_step(case.peer_side(loss, *choice), case.our_side(8).chosen)
    with PeakMemory() as memory:
        for number in range(3):
            step(number)
    return memory.extra_mb


def prove(case: Case) -> dict[str, float]:
    """How far the sides' results are apart.

    Raises:
        benchmarks.agreement.Disagreement: too far.
    """
    from benchmarks.agreement import check

    return dict(check(case.ours, case.peer, case.data, read_rows(case.data)))


def prepare(settings: TrainStepSettings, model: str) -> Case:
    """Write a model's inputs where they are not there yet."""
    size = astuple(MODELS[model])
    name = "-".join(map(str, size))
    data = write_mixture(settings.work / f"mixture-{settings.pairs_per_dataset}", settings.pairs_per_dataset)
    ours = write_model(settings.work / f"ours-{name}", *size)
    return Case(model, 0, 1, "", "", ours, write_processor(ours, settings.work / f"peer-{name}"), data)


def compare(settings: TrainStepSettings) -> list[dict[str, Any]]:
    """Every case; results are written as they come.

    Raises:
        benchmarks.agreement.Disagreement: the sides do not compute the same.
    """
    torch.set_num_threads(settings.threads)
    inputs = {model: prepare(settings, model) for model in settings.models}
    agreement = {model: in_fresh_process(prove, each) for model, each in inputs.items()}
    described = asdict(settings) | {"agreement": agreement}
    rows: list[dict[str, Any]] = []
    every = product(settings.models, settings.precisions, settings.towers, settings.batches, settings.blocks)
    for model, precision, tower, batch, block in every:
        case = replace(inputs[model], batch=batch, block=block, tower=tower, precision=precision)
        found = in_fresh_process(run_case, case, settings.chunks, settings.rounds)
        for row in found if settings.memory else []:
            row["extra_mb"] = in_fresh_process(memory_of, case, row["side"], row["choice"])
        rows += found
        write_result(settings.output, "train_step", described, rows)
        print(table(found, COLUMNS), flush=True)
    return rows


def main() -> None:
    """Compare and print."""
    settings = parse(TrainStepSettings, "Our training step against sentence-transformers'.")
    if not available():
        raise SystemExit(f"torchvision is missing, which sentence-transformers needs: {HOW_TO}.")
    assert torchvision_operators.OPERATORS  # imported before transformers: see there
    rows = compare(settings)
    print(table(rows, COLUMNS))
    failed = [" ".join(str(row[name]) for name in COLUMNS[:6]) for row in rows if row["passes"] is False]
    print(f"{settings.output} written; below their bar: {', '.join(failed) or 'none'}.")


if __name__ == "__main__":
    main()
