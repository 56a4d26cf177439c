"""Time and memory of the contrast of N pairs: ours, LLaVE's published form, and sentence-transformers' chunked one.

    python benchmarks/contrast.py

Given embeddings in, loss and gradients of the embeddings out. Times are taken in turns in one process; memory apart,
in a fresh process a case. Beyond `compare` only ours runs, to show how time and memory grow.

    published       both N x N matrices whole, by autograd (`benchmarks.published_loss`)
    chunked         CachedMultipleNegativesRankingLoss.calculate_loss, its chunk chosen by trial; it has the weights
                    on query -> target only, so its loss is checked against that (benchmarks.agreement's table)
"""

import math
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import normalize

from benchmarks.machine import PeakMemory, in_fresh_process, table, write_result
from benchmarks.published_loss import published_gradients
from benchmarks.timing import Spread, ratio, take_turns, timed
from core.config.command_line import parse
from core.contrast.contrast import value_and_gradient
from core.contrast.similarity_tiles import EmbeddingBatch
from core.objectives.hardness import HardnessWeighted

ALPHA, SCALE = 9.0, 50.0
NOISE = 0.15
SIDES = ("ours", "published", "chunked")
FASTER, LESS_MEMORY, LIMIT_MB = 2.0, 10.0, 2000.0
COLUMNS = ("pairs", "side", "chunk", "seconds", "theirs / ours", "extra_mb", "total_mb", "memory / ours")
Gradients = tuple[Tensor, Tensor, Tensor]


@dataclass
class ContrastSettings:
    """What to compare."""

    output: Path = Path("runs/benchmarks/contrast.json")
    """The results."""
    compare: list[int] = field(default_factory=lambda: [2048, 8192])
    """Numbers of pairs at which all sides run."""
    alone: list[int] = field(default_factory=lambda: [16384, 32768, 65536])
    """Numbers of pairs at which ours runs alone."""
    dimensions: int = 1024
    """Of an embedding."""
    rounds: int = 7
    """Timed calls of each side; ours alone is called once."""
    chunks: list[int] = field(default_factory=lambda: [32, 128, 512])
    """Chunks to try for the chunked side."""
    threads: int = os.cpu_count() or 1
    """Threads of torch."""


def embeddings(pairs: int, dimensions: int, dtype: torch.dtype = torch.float32) -> tuple[Tensor, Tensor]:
    """Random unit vectors; each target lies near its query."""
    chance = torch.Generator().manual_seed(pairs)
    queries = normalize(torch.randn(pairs, dimensions, generator=chance, dtype=dtype), dim=-1)
    noise = torch.randn(pairs, dimensions, generator=chance, dtype=dtype)
    return queries, normalize(queries + NOISE * noise, dim=-1)


def ours(queries: Float[Tensor, "n d"], targets: Float[Tensor, "n d"], both: bool = True) -> Gradients:
    """Our contrast."""
    ids = torch.arange(len(queries))
    objective = HardnessWeighted(ALPHA, 1 / SCALE, both)
    contrast = value_and_gradient(objective, EmbeddingBatch(queries, targets, ids, ids + len(ids)))
    return contrast.loss, contrast.query_gradients, contrast.target_gradients


def published(queries: Float[Tensor, "n d"], targets: Float[Tensor, "n d"]) -> Gradients:
    """LLaVE's published form."""
    return published_gradients(queries, targets, ALPHA, SCALE)


def chunked(queries: Float[Tensor, "n d"], targets: Float[Tensor, "n d"], chunk: int, both: bool = True) -> Gradients:
    """sentence-transformers' similarities by chunks of rows, with back-propagation chunk by chunk."""
    from sentence_transformers.sentence_transformer import losses

    loss = losses.CachedMultipleNegativesRankingLoss(
        torch.nn.Sequential(torch.nn.Identity()),  # pyright: ignore[reportArgumentType] - never called: vectors are given
        scale=SCALE,
        mini_batch_size=chunk,
        directions=("query_to_doc", "doc_to_query") if both else ("query_to_doc",),
        partition_mode="per_direction",
        hardness_mode="in_batch_negatives",
        hardness_strength=ALPHA,
    )
    columns = [queries.detach().requires_grad_(), targets.detach().requires_grad_()]
    value = loss.calculate_loss([[column] for column in columns], with_backward=True)
    assert columns[0].grad is not None
    assert columns[1].grad is not None
    return value, columns[0].grad, columns[1].grad


def call_of(side: str, chunk: int) -> Callable[[Tensor, Tensor], Gradients]:
    """The function of a side."""
    if side == "chunked":
        return lambda queries, targets: chunked(queries, targets, chunk)
    return {"ours": ours, "published": published}[side]


def differences(pairs: int, dimensions: int) -> dict[str, float]:
    """How far loss and gradients are from the published form's in both precisions, and from the chunked one's.

    Relative to the loss, and to the largest gradient.
    """
    found: dict[str, float] = {}
    for dtype in (torch.float64, torch.float32):
        queries, targets = embeddings(pairs, dimensions, dtype)
        found[f"published, {str(dtype).removeprefix('torch.')}"] = apart(
            ours(queries, targets), published(queries, targets)
        )
    queries, targets = embeddings(pairs, dimensions)
    mine, theirs = ours(queries, targets, False), chunked(queries, targets, 64, False)
    found["chunked, query -> target"] = apart(tangential(mine, queries, targets), tangential(theirs, queries, targets))
    return found


def tangential(of: Gradients, queries: Float[Tensor, "n d"], targets: Float[Tensor, "n d"]) -> Gradients:
    """Without what would change a vector's length: the chunked side normalizes its vectors again, ours does not."""
    loss, *gradients = of
    along = [(g * v).sum(dim=1, keepdim=True) * v for g, v in zip(gradients, (queries, targets), strict=True)]
    return loss, gradients[0] - along[0], gradients[1] - along[1]


def apart(mine: Gradients, theirs: Gradients) -> float:
    """The largest of the relative differences of loss and gradients."""
    scales = [float(each.abs().max()) for each in theirs]
    return max(float((a - b).abs().max()) / scale for a, b, scale in zip(mine, theirs, scales, strict=True))


def memory_of(side: str, chunk: int, pairs: int, dimensions: int) -> dict[str, float]:
    """Memory above that of embeddings and libraries, the process's peak, and seconds; call it in a fresh process."""
    call = call_of(side, chunk)
    call(*embeddings(256, dimensions))
    queries, targets = embeddings(pairs, dimensions)
    with PeakMemory() as memory:
        seconds = timed(lambda: call(queries, targets))
    return {"extra_mb": memory.extra_mb, "total_mb": memory.total_mb, "alone_s": seconds}


def compare(settings: ContrastSettings, pairs: int) -> list[dict[str, Any]]:
    """All sides at one number of pairs."""
    queries, targets = embeddings(pairs, settings.dimensions)
    trial = {each: timed(lambda each=each: chunked(queries, targets, each)) for each in settings.chunks}
    chunk = min(trial, key=lambda each: trial[each])
    calls = {side: call_of(side, chunk) for side in SIDES}
    sides = {side: lambda _, call=call: call(queries, targets) for side, call in calls.items()}
    seconds = take_turns(sides, settings.rounds)
    memory = {side: in_fresh_process(memory_of, side, chunk, pairs, settings.dimensions) for side in SIDES}
    return [row_of(side, pairs, chunk, seconds, memory) for side in SIDES]


def row_of(
    side: str,
    pairs: int,
    chunk: int,
    seconds: Mapping[str, Sequence[float]],
    memory: Mapping[str, Mapping[str, float]],
) -> dict[str, Any]:
    """One side's time and memory beside ours."""
    spread, against = Spread.of(seconds[side]), ratio(seconds[side], seconds["ours"])
    times = memory[side]["extra_mb"] / max(memory["ours"]["extra_mb"], 1e-9)
    return {
        "pairs": pairs,
        "side": side,
        "chunk": chunk if side == "chunked" else None,
        "seconds": spread.median,
        "quartiles": [spread.low, spread.high],
        "all_seconds": list(seconds[side]),
        "ratio": asdict(against),
        "theirs / ours": str(against),
        "memory / ours": times,
        "passes": passes(pairs, against.median, times) if side == "published" else None,
        **memory[side],
    }


def passes(pairs: int, times_faster: float, times_less_memory: float) -> bool:
    """The bars against the published form; that of memory is meant for 8192 pairs or more."""
    return times_faster >= FASTER and (pairs < 8192 or times_less_memory >= LESS_MEMORY)


def growth(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """How time and memory of ours grow from one number of pairs to the next, as the exponent e of N^e."""
    mine = [row for row in rows if row["side"] == "ours"]
    found = []
    for before, after in pairwise(mine):
        step = math.log(after["pairs"] / before["pairs"])
        found.append(
            {
                "pairs": after["pairs"],
                "side": "growth of ours",
                **{
                    name: math.log(max(after[name], 1e-9) / max(before[name], 1e-9)) / step
                    for name in ("alone_s", "extra_mb")
                },
            }
        )
    return found


def measure(settings: ContrastSettings) -> list[dict[str, Any]]:
    """Every case; results are written as they come."""
    torch.set_num_threads(settings.threads)
    described = asdict(settings) | {"differences": in_fresh_process(differences, 512, settings.dimensions)}
    rows: list[dict[str, Any]] = []
    for pairs in settings.compare:
        rows += compare(settings, pairs)
        write_result(settings.output, "contrast", described, rows)
    for pairs in settings.alone:
        found = in_fresh_process(memory_of, "ours", 0, pairs, settings.dimensions)
        rows.append({"pairs": pairs, "side": "ours", "seconds": found["alone_s"], **found})
        rows[-1]["passes"] = found["total_mb"] <= LIMIT_MB
        write_result(settings.output, "contrast", described, rows)
    rows += growth(rows)
    write_result(settings.output, "contrast", described, rows)
    return rows


def main() -> None:
    """Measure and print."""
    settings = parse(ContrastSettings, "The contrast of N pairs: time and memory.")
    rows = measure(settings)
    measured = [row for row in rows if row["side"] != "growth of ours"]
    print(table(measured, COLUMNS))
    for row in rows[len(measured) :]:
        print(f"up to {row['pairs']} pairs ours grows as N^{row['alone_s']:.2f}, its memory as N^{row['extra_mb']:.2f}")
    failed = [f"{row['side']} at {row['pairs']}" for row in measured if row.get("passes") is False]
    print(f"{settings.output} written; below their bar: {', '.join(failed) or 'none'}.")


if __name__ == "__main__":
    main()
