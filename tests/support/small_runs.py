"""Small runs with bundles of random vectors: real tasks and pictures, no model. Loaded by the conftests beside it."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from core.config.command_line import plain, to_yaml
from core.config.settings import TrainSettings
from core.data.miniature.benchmark import SOURCES, ranking_task
from core.data.records import RankingTask
from core.evaluation.bundle import Description, sha256, write_bundle
from core.evaluation.bundle_rankings import RankedTables
from core.evaluation.embedded import Embedded, distinct_items
from core.evaluation.scoring import clustering_scores, ranked_in_turn, scores
from core.objectives.settings import ObjectiveSettings

DATASETS = ("shape", "look-alike", "story", "clips")


def small_tasks(names: Sequence[str] = DATASETS, queries: int = 6, pool: int = 9) -> list[RankingTask]:
    """Some data sets of the miniature with few queries and candidates."""
    tasks = [ranking_task(source, 0, queries) for source in SOURCES if source.name in names]
    return [
        replace(task, rankings=tuple(replace(each, candidates=each.candidates[:pool]) for each in task.rankings))
        for task in tasks
    ]


def write_settings(run: Path, steps: int = 10, name: str = "llave") -> None:
    """A run's config.yaml and environment.json."""
    run.mkdir(parents=True, exist_ok=True)
    settings = TrainSettings(output=run, steps=steps, objective=ObjectiveSettings(name=name))
    (run / "config.yaml").write_text(to_yaml(settings))
    (run / "environment.json").write_text(json.dumps({"processes": 2}))


def write_metrics(run: Path, steps: int = 10) -> None:
    """A run's metrics.jsonl."""
    rows = [
        {"step": step, "loss": 3 / step, "infonce_loss": 2 / step, "margin": step / 100, "pairs_per_second": 64.0}
        for step in range(1, steps + 1)
    ]
    (run / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))


def write_small_bundle(
    folder: Path,
    tasks: Sequence[RankingTask],
    vectors: np.ndarray | None = None,
    dimensions: int = 16,
    name: str = "llave",
    objective: ObjectiveSettings | None = None,
) -> None:
    """A bundle of the tasks with random unit vectors, or the given ones."""
    items = distinct_items(tasks)
    if vectors is None:
        drawn = np.random.default_rng(0).normal(size=(len(items), dimensions))
        vectors = (drawn / np.linalg.norm(drawn, axis=1, keepdims=True)).astype(np.float32)
    embedded = Embedded(tuple(items), vectors)
    settings = objective or ObjectiveSettings(name=name)
    description = Description("checkpoint", 10, {"name": "miniature", "queries": 6}, plain(settings))
    tables = RankedTables(embedded.items, settings.at(1, 1))
    placed = [tables.add(each) for each in ranked_in_turn(tasks, embedded)]
    write_bundle(folder, description, embedded, tables, scores(placed) + clustering_scores(placed, embedded))


def write_run(root: Path, run: str = "good", **options: object) -> Path:
    """A finished run with one bundle of the small tasks; the run's folder."""
    folder = root / run
    name = str(options.get("name", "llave"))
    write_settings(folder, name=name)
    write_metrics(folder)
    tasks = options.pop("tasks", None) or small_tasks()
    write_small_bundle(folder / "bundles" / "000010-miniature", tasks, **options)
    return folder


def rewrite_manifest(folder: Path, **fields: object) -> None:
    """Give the manifest the present hashes of the files, and some other fields."""
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["files"] = {name: sha256(folder / name) for name in manifest["files"]}
    (folder / "manifest.json").write_text(json.dumps(manifest | fields))
