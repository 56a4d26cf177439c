"""Seconds from MMEB's files to scores: ours, and encoding as published, on the same files and model in one run.

    python benchmarks/evaluator.py

The files are synthetic, in MMEB-eval's layout, all 36 data sets; benchmarks/mmeb_files.py says what occurs how often.
The model is a tiny LLaVA-OneVision with AnyRes crops, up to 2 x 2 beside the whole picture, as LLaVE's. Both sides read
the tables, open the pictures, encode and score, in one process; ours checks every picture before and computes six
metrics with bootstrap intervals. Sides take turns.

    published (LLaVE)     its harness, which gives each text an empty picture; benchmarks/published_evaluation.py
    published (VLM2Vec)   the one that it was made of, without them. The batch of either is chosen by a trial
    ours                  every distinct item once, sorted by length, packed; pools ranked by matrix products
    ours, warm            a second evaluation of the same checkpoint: every vector is in the cache on the disk

The bar is on `ours` against LLaVE's. All must find the same P@1, but for ties; `differs` is the largest difference of
a published side over data sets.
"""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch

from benchmarks.anyres_model import write_model
from benchmarks.machine import table, write_result
from benchmarks.mmeb_files import write_mmeb_eval
from benchmarks.published_evaluation import LLAVE, VLM2VEC, Rival, published_scores, sides
from benchmarks.timing import Spread, ratio, take_turns, timed
from core.config.command_line import parse
from core.data.mmeb.evaluation import read_mmeb_eval
from core.encoder.embedder import Embedder
from core.encoder.freezing import set_attention
from core.evaluation.embedded import distinct_items
from core.evaluation.encode import Encoding
from core.evaluation.encode_distributed import embed_distributed
from core.evaluation.encoding_workers import EncodingWorkers
from core.evaluation.scoring import rank_all, scores
from core.evaluation.suites import SuiteSettings, suite_tasks
from core.evaluation.vector_cache import VectorCache, encoder_name

BAR = 3.0
COLUMNS = ("side", "choice", "items", "seconds", "LLaVE's / its", "VLM2Vec's / its", "bar", "differs")
PUBLISHED = {"published (LLaVE)": LLAVE, "published (VLM2Vec)": VLM2VEC}
AGAINST, AGAINST_TOO = PUBLISHED


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
    batches: list[int] = field(default_factory=lambda: [4, 16, 32])
    """Batches to try for the published sides: that of LLaVE's read-me, of VLM2Vec's scripts, of LLaVE's default."""
    width: int = 128
    """Of both towers of the model."""
    layers: int = 3
    """Of both towers."""
    threads: int = os.cpu_count() or 1
    """Threads of torch."""


def ours(root: Path, embedder: Embedder, cache: VectorCache | None = None) -> dict[str, float]:
    """P@1 of every data set, by the evaluator of `core/eval.py`, bundle and report left out."""
    tasks = suite_tasks(SuiteSettings("mmeb", root), progress=False)
    embedded = embed_distributed(EncodingWorkers(), embedder, distinct_items(tasks), Encoding(), cache, progress=False)
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
    """All sides in turns; results are written at the end."""
    torch.set_num_threads(settings.threads)
    with TemporaryDirectory() as work:
        root = Path(work) / "mmeb"
        write_mmeb_eval(root, settings.queries, settings.candidates)
        model = write_model(Path(work) / "model", settings.width, settings.layers, settings.layers)
        rivals = fastest(root, model, settings.batches)
        own = packed(Embedder.load(model))
        warm = VectorCache(Path(work) / "vectors", encoder_name(own))
        first = ours(root, own, warm)
        differs = {name: difference(first, published_scores(root, rival)) for name, rival in rivals.items()}
        calls: dict[str, Callable[[int], object]] = {
            **{name: lambda _, rival=rival: published_scores(root, rival) for name, rival in rivals.items()},
            "ours": lambda _: ours(root, own),
            "ours, warm": lambda _: ours(root, own, warm),
        }
        seconds = take_turns(calls, settings.rounds, warmup=0)
        items = encoded_items(root)
    rows = [
        row_of(name, items["published"], seconds) | {"choice": f"batch {rival.batch}", "differs": differs[name]}
        for name, rival in rivals.items()
    ]
    cold = row_of("ours", items["ours"], seconds)
    rows += [cold | {"bar": BAR, "passes": cold["ratio"]["median"] >= BAR}, row_of("ours, warm", 0, seconds)]
    write_result(settings.output, "evaluator", asdict(settings), rows)
    return rows


def fastest(root: Path, model: Path, batches: Sequence[int]) -> dict[str, Rival]:
    """Each published side with the batch that takes it the shortest time, by one trial of each."""
    found = {}
    for name, harness in PUBLISHED.items():
        sides = [Rival(Embedder.load(model).eval(), harness, batch) for batch in batches]
        trial = [timed(lambda rival=rival: published_scores(root, rival)) for rival in sides]
        found[name] = sides[trial.index(min(trial))]
    return found


def difference(one: Mapping[str, float], other: Mapping[str, float]) -> float:
    """The largest over data sets."""
    return max(abs(one[name] - other[name]) for name in other)


def row_of(side: str, items: int, seconds: Mapping[str, Sequence[float]]) -> dict[str, Any]:
    """One side's time; of ours also how many times longer the published ways take."""
    spread = Spread.of(seconds[side])
    row: dict[str, Any] = {
        "side": side,
        "items": items,
        "seconds": spread.median,
        "quartiles": [spread.low, spread.high],
        "all_seconds": list(seconds[side]),
    }
    if side in PUBLISHED:
        return row
    llave, vlm2vec = (ratio(seconds[name], seconds[side]) for name in (AGAINST, AGAINST_TOO))
    return row | {"ratio": asdict(llave), "LLaVE's / its": str(llave), "VLM2Vec's / its": str(vlm2vec)}


def main() -> None:
    """Measure and print."""
    settings = parse(EvaluatorSettings, "Evaluation of all 36 data sets of MMEB's layout: ours and as published.")
    rows = measure(settings)
    print(table(rows, COLUMNS))
    failed = [row["side"] for row in rows if row.get("passes") is False]
    print(f"{settings.output} written; below their bar: {', '.join(failed) or 'none'}.")


if __name__ == "__main__":
    main()
