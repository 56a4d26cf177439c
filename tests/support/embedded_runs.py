"""Runs whose bundle was really embedded by a small model, for tests that search."""

from dataclasses import replace
from pathlib import Path

from core.data.miniature.benchmark import SOURCES, ranking_task
from core.encoder.embedder import Embedder
from core.evaluation.bundle import Description, write_bundle
from core.evaluation.bundle_rankings import RankedTables
from core.evaluation.embedded import distinct_items
from core.evaluation.encode import embed_distinct
from core.evaluation.scoring import ranked_in_turn, scores
from core.objectives.hardness import HardnessWeighted

QUERIES = 3


def make_run(run: Path, embedder: Embedder, datasets: tuple[str, ...], queries: int = QUERIES) -> Path:
    """A run of one checkpoint and its bundle: a few queries with six candidates each; the bundle's folder."""
    tasks = [ranking_task(source, 0, queries) for source in SOURCES if source.name in datasets]
    tasks = [
        replace(task, rankings=tuple(replace(each, candidates=each.candidates[:6]) for each in task.rankings))
        for task in tasks
    ]
    embedded = embed_distinct(embedder, distinct_items(tasks), progress=False)
    tables = RankedTables(embedded.items, HardnessWeighted(9.0, 0.02))
    placed = [tables.add(each) for each in ranked_in_turn(tasks, embedded)]
    checkpoint = run / "checkpoints" / "000007"
    embedder.save(checkpoint)
    objective = {"name": "llave", "alpha": 9.0, "temperature": 0.02}
    described = Description(str(checkpoint), 7, {"name": "miniature"}, objective)
    folder = run / "bundles" / "000007-miniature"
    write_bundle(folder, described, embedded, tables, scores(placed))
    return folder
