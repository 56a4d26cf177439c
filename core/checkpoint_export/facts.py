"""Gather what is known of a checkpoint, how it was trained and scored, from the files of its run and bundles."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from core.checkpoint_export.model import has_one_crop
from core.checkpoint_export.settings import ExportSettings
from core.checkpoints.listing import Checkpoint
from core.encoder.embedder import Embedder
from core.evaluation.metrics import Score
from core.files.reading import parse_json, read_settings
from core.files.run_layout import CONFIG, ENVIRONMENT

SKIPPED = "skipped.jsonl"


@dataclass(frozen=True)
class Evaluation:
    """One bundle: the suite's settings and the scores."""

    suite: Mapping[str, Any]
    scores: tuple[Score, ...]


@dataclass(frozen=True)
class Facts:
    """All that a model card says.

    one_crop: the folder holds LLaVA 1.5 in place of LLaVA-OneVision (core/checkpoint_export/one_crop.py).
    recipe: the run's settings, empty for a checkpoint outside a run. environment: likewise. reached: the objective's
    numbers at the checkpoint's step, as far as training wrote them down. skipped: bad items left out of the data.
    """

    checkpoint: Path
    name: str
    step: int
    family: str
    dimensions: int
    parameters: int
    dtype: str
    license: str | None
    base_model: str | None
    for_sentence_transformers: bool
    one_crop: bool = False
    repo: str | None = None
    recipe: Mapping[str, Any] = field(default_factory=dict)
    environment: Mapping[str, Any] = field(default_factory=dict)
    reached: Mapping[str, Any] = field(default_factory=dict)
    skipped: int = 0
    evaluations: tuple[Evaluation, ...] = ()


def gather(checkpoint: Checkpoint, embedder: Embedder, settings: ExportSettings) -> Facts:
    """Everything about a checkpoint.

    Raises:
        ValueError: a file of its run or of a bundle cannot be read.
    """
    run = run_of(checkpoint.folder)
    name = (settings.repo or "").partition("/")[2] or (settings.output.name if settings.output else "")
    skipped = run / SKIPPED if run else None
    return Facts(
        checkpoint=checkpoint.folder,
        name=name,
        step=checkpoint.step,
        family=embedder.backbone.config.model_type,
        dimensions=embedder.dimensions,
        parameters=sum(weight.numel() for weight in embedder.backbone.parameters()),
        dtype=str(embedder.backbone.dtype).removeprefix("torch."),
        license=settings.license,
        base_model=settings.base_model,
        for_sentence_transformers=settings.for_sentence_transformers,
        repo=settings.repo,
        one_crop=settings.for_sentence_transformers and has_one_crop(embedder),
        recipe=without_folders(read_settings(run / CONFIG)) if run else {},
        environment=read_settings(run / ENVIRONMENT) if run and (run / ENVIRONMENT).is_file() else {},
        reached=reached(checkpoint.folder),
        skipped=len(skipped.read_text().splitlines()) if skipped and skipped.is_file() else 0,
        evaluations=tuple(evaluation(each) for each in newest_of_each_suite(checkpoint.folder)),
    )


def run_of(checkpoint: Path) -> Path | None:
    """Return the run that a checkpoint lies in, if it lies in one."""
    run = checkpoint.parent.parent
    return run if checkpoint.parent.name == "checkpoints" and (run / CONFIG).is_file() else None


def bundles_of(checkpoint: Path) -> list[Path]:
    """Return the bundles that evaluated this very checkpoint, the newest first."""
    run = run_of(checkpoint)
    candidates = (run / "bundles").glob("*") if run else checkpoint.glob("bundle-*")
    found = []
    for folder in candidates:
        if not (folder / "scores.json").is_file() or not (folder / "manifest.json").is_file():
            continue
        # Of a run's bundles, those of its other checkpoints are about other weights.
        if run is None or Path(str(read_settings(folder / "manifest.json").get("checkpoint"))).name == checkpoint.name:
            found.append(folder)
    return sorted(found, key=lambda each: (each / "scores.json").stat().st_mtime_ns, reverse=True)


def newest_bundle(checkpoint: Path) -> Path | None:
    """Return the bundle that was written last, or None."""
    return next(iter(bundles_of(checkpoint)), None)


def newest_of_each_suite(checkpoint: Path) -> list[Path]:
    """For each suite, by name and the files that it reads, the bundle that was written last."""
    found: dict[tuple[str, str], Path] = {}
    for folder in bundles_of(checkpoint):
        suite = read_settings(folder / "manifest.json").get("suite", {})
        found.setdefault((str(suite.get("name")), str(suite.get("path"))), folder)
    return list(found.values())


def evaluation(bundle: Path) -> Evaluation:
    """Return the suite and the scores of a bundle.

    Raises:
        ValueError: a file cannot be read.
    """
    path = bundle / "scores.json"
    wanted = [each.name for each in fields(Score)]
    try:
        rows = parse_json(path.read_text())
        scores = tuple(Score(**{name: row[name] for name in wanted if name in row}) for row in rows)
    except (OSError, ValueError, TypeError) as error:
        raise ValueError(f"{path}: the scores cannot be read ({error!r}). Evaluate again by core/eval.py.") from error
    return Evaluation(without_folders(read_settings(bundle / "manifest.json").get("suite", {})), scores)


def reached(checkpoint: Path) -> dict[str, Any]:
    """Return the objective's numbers at the checkpoint's step, by training.json."""
    path = checkpoint / "training.json"
    found = read_settings(path).get("objective") if path.is_file() else None
    return dict(found) if isinstance(found, Mapping) else {}


def without_folders(value: Any) -> Any:  # noqa: ANN401 - settings hold any plain type
    """Return settings for others to read: of a path only its last name, since folders are nobody else's business."""
    if isinstance(value, Mapping):
        return {name: without_folders(each) for name, each in value.items()}
    if isinstance(value, list):
        return [without_folders(each) for each in value]
    return value.replace("\\", "/").rstrip("/").rpartition("/")[2] if isinstance(value, str) else value
