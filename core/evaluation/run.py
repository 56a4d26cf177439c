"""One evaluation from settings: load, embed, rank, score, write the bundle."""

from dataclasses import dataclass, field, replace
from pathlib import Path

import yaml

from core import checkpoint as checkpoints
from core.bundle import Description, write_bundle
from core.command_line import plain
from core.encoder.embedder import Embedder
from core.evaluation.encode import distinct_items, embed_distinct
from core.evaluation.evaluator import clustering_scores, rank_all, scores
from core.evaluation.metrics import Score
from core.evaluation.suites import SuiteSettings, suite_tasks
from core.logs import CONFIG
from core.objectives.settings import ObjectiveSettings


@dataclass
class EvalSettings:
    """What to evaluate, on what."""

    checkpoint: Path
    """The folder of a checkpoint, or of a run (its latest checkpoint)."""
    suite: SuiteSettings = field(default_factory=SuiteSettings)
    """What to score it on."""
    out: Path | None = None
    """Folder of the bundle; by default <run>/bundles/<step>-<suite>."""


def evaluate(settings: EvalSettings, progress: bool = True) -> tuple[Path, list[Score]]:
    """Score a checkpoint and write its bundle; the bundle's folder and the scores.

    Raises:
        ValueError: there is no checkpoint, the suite cannot be read, or the vectors are not finite.
    """
    checkpoint = checkpoints.resolve(settings.checkpoint)
    tasks = suite_tasks(settings.suite)
    embedder = Embedder.load(checkpoint.folder)
    embedded = embed_distinct(embedder, distinct_items(tasks), progress=progress)
    ranked = rank_all(tasks, embedded)
    found = scores(ranked) + clustering_scores(ranked, embedded)
    objective = trained_objective(checkpoint.folder)
    folder = settings.out or default_folder(checkpoint, settings.suite.name)
    description = Description(
        str(checkpoint.folder),
        checkpoint.step,
        plain(settings.suite),
        plain(objective),
    )
    write_bundle(folder, description, objective.at(1, 1), embedded, ranked, found)
    return folder, found


def trained_objective(checkpoint: Path) -> ObjectiveSettings:
    """The objective of the run that a checkpoint belongs to; LLaVE's defaults for a checkpoint outside a run.

    A temperature (and SigLIP's bias) that was learned is the one that the checkpoint had reached.
    """
    config = checkpoint.parent.parent / CONFIG
    if not config.is_file():
        return ObjectiveSettings()
    settings = ObjectiveSettings(**yaml.safe_load(config.read_text())["objective"])
    if settings.learn_temperature:
        reached = checkpoints.training_state(checkpoints.Checkpoint(checkpoint, 0)).objective
        learned = {name: reached[name] for name in ("temperature", "bias") if name in reached}
        return replace(settings, **learned)
    return settings


def default_folder(checkpoint: checkpoints.Checkpoint, suite: str) -> Path:
    """<run>/bundles/<step>-<suite>, or <checkpoint>/bundle-<suite> outside a run."""
    if checkpoint.folder.parent.name == "checkpoints":
        return checkpoint.folder.parent.parent / "bundles" / f"{checkpoint.step:06d}-{suite}"
    return checkpoint.folder / f"bundle-{suite}"
