"""Seconds from MMEB's files to scores: ours, and encoding as published, on the same files and model in one run.

    python benchmarks/evaluator.py

The files are synthetic, in MMEB-eval's layout, all 36 data sets: labels serve every query of a data set, candidates
come from the data set's own targets, and nine data sets show the pictures of one collection. Both sides read the
tables, open the pictures, encode and score; ours checks every picture before and computes six metrics with bootstrap
intervals. Sides take turns.

    published    benchmarks/published_evaluation.py, its batch chosen by a trial
    ours         every distinct item once, sorted by length, packed; pools ranked by matrix products
    ours, warm   a second evaluation of the same checkpoint: every vector is in the cache on the disk

Both must find the same P@1, but for ties; `differs` is the largest difference over data sets.
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch

from benchmarks.machine import table, write_result
from benchmarks.mmeb_files import write_mmeb_eval
from benchmarks.published_evaluation import published_scores, sides
from benchmarks.timing import Spread, ratio, take_turns, timed
from core.command_line import parse
from core.data.mmeb_eval import read_mmeb_eval
from core.encoder.embedder import Embedder
from core.encoder.tiny import tiny_embedder
from core.encoder.trainable import set_attention
from core.evaluation.encode import Encoding, distinct_items
from core.evaluation.encode_together import embed_together
from core.evaluation.evaluator import rank_all, scores
from core.evaluation.suites import SuiteSettings, suite_tasks
from core.evaluation.team import Team
from core.evaluation.vector_cache import VectorCache, encoder_name

BAR = 3.0
COLUMNS = ("side", "choice", "items", "seconds", "theirs / ours", "bar", "differs")


@dataclass
class EvaluatorSettings:
    """How large a benchmark, and how often."""

    output: Path = Path("runs/benchmarks/evaluator.json")
    """The results."""
    queries: int = 100
    """Of each data set; MMEB has 1000."""
    candidates: int = 200
    """Of each query, at most; MMEB has 2 to 1000."""
    rounds: int = 5
    """Timed evaluations of each side."""
    batches: list[int] = field(default_factory=lambda: [16, 64])
    """Batches to try for the published side; its scripts use 16."""
    width: int = 128
    """Of both towers of the model."""
    layers: int = 3
    """Of both towers."""
    threads: int = os.cpu_count() or 1
    """Threads of torch."""


def ours(root: Path, embedder: Embedder, cache: VectorCache | None = None) -> dict[str, float]:
    """P@1 of every data set, by the evaluator of `core/eval.py`, bundle and report left out."""
    tasks = suite_tasks(SuiteSettings("mmeb", root), progress=False)
    embedded = embed_together(Team(), embedder, distinct_items(tasks), Encoding(), cache, progress=False)
    found = scores(rank_all(tasks, embedded))
    return {each.name: each.value for each in found if each.scope == "dataset" and each.metric == "P@1"}


def packed(embedder: Embedder) -> Embedder:
    """An embedder as `core/eval.py` sets it up."""
    embedder.requires_grad_(False)
    embedder.eval()
    set_attention(embedder, "auto")
    return embedder


def encoded_items(root: Path) -> dict[str, int]:
    """How many items each side encodes."""
    tasks = read_mmeb_eval(root, progress=False)
    return {"ours": len(distinct_items(tasks)), "published": sum(len(side) for task in tasks for side in sides(task))}


def measure(settings: EvaluatorSettings) -> list[dict[str, Any]]:
    """Both sides in turns; results are written at the end."""
    torch.set_num_threads(settings.threads)
    models = [tiny_embedder(0, settings.width, settings.layers, settings.layers) for _ in range(2)]
    rival, own = models[0].eval(), packed(models[1])
    with TemporaryDirectory() as work:
        root = Path(work) / "mmeb"
        write_mmeb_eval(root, settings.queries, settings.candidates)
        items = encoded_items(root)
        trial = {each: timed(lambda each=each: published_scores(root, rival, each)) for each in settings.batches}
        batch = min(trial, key=lambda each: trial[each])
        warm = VectorCache(Path(work) / "vectors", encoder_name(own))
        first, theirs = ours(root, own, warm), published_scores(root, rival, batch)
        differs = max(abs(first[name] - theirs[name]) for name in theirs)
        calls = {
            "published": lambda _: published_scores(root, rival, batch),
            "ours": lambda _: ours(root, own),
            "ours, warm": lambda _: ours(root, own, warm),
        }
        seconds = take_turns(calls, settings.rounds, warmup=0)
    counts = {"published": items["published"], "ours": items["ours"], "ours, warm": 0}
    rows = [row_of(side, batch, counts[side], seconds, differs) for side in calls]
    write_result(settings.output, "evaluator", asdict(settings), rows)
    return rows


def row_of(side: str, batch: int, items: int, seconds: Mapping[str, Sequence[float]], differs: float) -> dict[str, Any]:
    """One side's time; of ours also how many times longer the published way takes."""
    spread = Spread.of(seconds[side])
    row: dict[str, Any] = {
        "side": side,
        "items": items,
        "seconds": spread.median,
        "quartiles": [spread.low, spread.high],
        "all_seconds": list(seconds[side]),
        "differs": differs,
    }
    if side == "published":
        return row | {"choice": f"batch {batch}"}
    against = ratio(seconds["published"], seconds[side])
    row |= {"ratio": asdict(against), "theirs / ours": str(against)}
    return row | ({"bar": BAR, "passes": against.median >= BAR} if side == "ours" else {})


def main() -> None:
    """Measure and print."""
    settings = parse(EvaluatorSettings, "Evaluation of all 36 data sets of MMEB's layout: ours and as published.")
    rows = measure(settings)
    print(table(rows, COLUMNS))
    failed = [row["side"] for row in rows if row.get("passes") is False]
    print(f"{settings.output} written; below their bar: {', '.join(failed) or 'none'}.")


if __name__ == "__main__":
    main()
