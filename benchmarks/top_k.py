"""Seconds of exact search: `core.evaluation.top_k` and faiss-cpu's IndexFlatIP, same threads, float32, in one run.

    python benchmarks/top_k.py

Both find the ten nearest of 100,000 vectors of 1024 numbers, for one query and for a thousand. Ours tells besides how
many further vectors tie with the last. Sides take turns; both must find the same rows, in any order: float32 rounds
nearly equal cosines one way or the other.
"""

import os
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import normalize

from benchmarks.machine import table, write_result
from benchmarks.timing import Spread, ratio, take_turns
from core.config.command_line import parse
from core.evaluation.top_k import top_k

COLUMNS = ("queries", "side", "seconds", "theirs / ours", "same rows")


@dataclass
class TopKSettings:
    """What to search."""

    output: Path = Path("runs/benchmarks/top_k.json")
    """The results."""
    vectors: int = 100_000
    """Searched."""
    dimensions: int = 1024
    """Of a vector."""
    queries: list[int] = field(default_factory=lambda: [1, 1000])
    """Searched for at once."""
    k: int = 10
    """Nearest vectors of each query."""
    rounds: int = 15
    """Timed searches of each side."""
    threads: int = os.cpu_count() or 1
    """Threads of both sides."""


def unit_vectors(count: int, dimensions: int, seed: int) -> Float[Tensor, "n d"]:
    """Random unit vectors."""
    return normalize(torch.randn(count, dimensions, generator=torch.Generator().manual_seed(seed)), dim=-1)


def measure(settings: TopKSettings) -> list[dict[str, Any]]:
    """Every number of queries; results are written as they come."""
    import faiss

    torch.set_num_threads(settings.threads)
    faiss.omp_set_num_threads(settings.threads)
    vectors = unit_vectors(settings.vectors, settings.dimensions, 0)
    index = faiss.IndexFlatIP(settings.dimensions)
    index.add(vectors.numpy())  # pyright: ignore[reportCallIssue] - faiss replaces the signature at import
    rows: list[dict[str, Any]] = []
    for count in settings.queries:
        queries = unit_vectors(count, settings.dimensions, count)
        calls = {
            "ours": lambda _, queries=queries: top_k(queries, vectors, settings.k),
            "faiss": lambda _, queries=queries: index.search(queries.numpy(), settings.k),  # pyright: ignore[reportCallIssue]
        }
        ours, theirs = calls["ours"](0).rows.numpy(), calls["faiss"](0)[1]
        same = float(np.mean(np.sort(ours, axis=1) == np.sort(theirs, axis=1)))
        seconds = take_turns(calls, settings.rounds)
        against = ratio(seconds["faiss"], seconds["ours"])
        for side, taken in seconds.items():
            spread = Spread.of(taken)
            row = {"queries": count, "side": side, "seconds": spread.median, "quartiles": [spread.low, spread.high]}
            rows.append(row | {"all_seconds": list(taken), "same rows": same})
        rows[-2] |= {"ratio": asdict(against), "theirs / ours": str(against)}
        write_result(settings.output, "top_k", asdict(settings), rows)
    return rows


def main() -> None:
    """Measure and print."""
    settings = parse(TopKSettings, "Exact search of the nearest vectors: ours and faiss-cpu's.")
    rows = measure(settings)
    print(table(rows, COLUMNS))
    print(f"{settings.output} written.")


if __name__ == "__main__":
    main()
