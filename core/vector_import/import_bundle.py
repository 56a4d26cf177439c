"""Import the vectors of another tool into a bundle that the explorer opens as any other."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from core.config.command_line import plain
from core.config.private_paths import shareable
from core.evaluation.bundle import Description, write_bundle
from core.evaluation.bundle_rankings import RankedTables
from core.evaluation.encode import Embedded
from core.evaluation.metrics import Score
from core.evaluation.scoring import clustering_scores, ranked_in_turn, scores
from core.objectives.settings import ObjectiveSettings
from core.vector_import.items import OutsideItems, read_items
from core.vector_import.pairs import read_pairs
from core.vector_import.vectors import in_order, read_vectors, unit

ORIGIN = "imported"
"""suite.origin in the manifest of a bundle whose vectors another tool made."""


@dataclass
class ImportSettings:
    """Whose vectors to import, what they are of, and where to put the bundle."""

    embeddings: Path
    """The vectors: .npy (items, d), .safetensors, or .parquet with a column of lists. Rows are matched by the column
    that holds exactly the items' ids, whatever its name; without one, row n belongs to item n."""
    items: Path
    """Table (Parquet, CSV, JSON lines): id, text and/or image (a path); optional attributes, dataset, meta_task."""
    pairs: Path
    """Table: query, positive (ids); optional candidates, dataset, meta_task, in_distribution, asks."""
    out: Path
    """Folder of the model, such as runs/clip: its bundle goes to <out>/bundles/<name>, and the explorer finds it with
    --root runs."""
    name: str = "imported"
    """Name of the suite, and of the bundle's folder: letters, digits, "-", "_" and "."."""
    model: str = ""
    """What made the vectors, as the explorer calls it; by default the name of the folder out."""
    column: str | None = None
    """The Parquet column or tensor of the vectors, where the file has several."""
    pictures: Path | None = None
    """Folder that image paths are relative to, and which they do not leave; by default that of the items' table."""
    private_paths: bool = False
    """Write no folder of this machine into the bundle: every path is relative to the folder that the command is started
    in, and must lie there (a link does)."""
    objective: ObjectiveSettings | None = None
    """The objective that the model was trained with, if you know it: the explorer's what-ifs then begin there."""

    def __post_init__(self) -> None:
        letters = self.name.replace("-", "").replace("_", "").replace(".", "")
        if not letters.isalnum() or not self.name.isascii() or self.name.startswith("."):
            raise ValueError(f'name = {self.name!r} is no folder name: use letters, digits, "-", "_" and ".".')


@dataclass(frozen=True)
class Imported:
    """The bundle that was written, its scores, and what the user has to know."""

    folder: Path
    scores: list[Score]
    notes: tuple[str, ...]


def import_embeddings(settings: ImportSettings, progress: bool = True) -> Imported:
    """Rank, score and write as the settings say.

    Raises:
        ValueError: a file cannot be used; the message names it, the row, the column and the value.
    """
    settings = shareable(settings) if settings.private_paths else settings
    model = settings.model or settings.out.resolve().name
    suite = {"name": settings.name, "origin": ORIGIN, "model": model}
    suite |= {name: str(getattr(settings, name)) for name in ("embeddings", "items", "pairs")}
    folder = settings.out / "bundles" / settings.name
    refuse_others(folder, suite)
    items = read_items(settings.items, settings.pictures, progress)
    ids = [item.name for item in items.items]
    raw = read_vectors(settings.embeddings, settings.column)
    rows, matched = in_order(raw, ids, items.path)
    vectors = unit(rows, ids, raw.path)
    tasks = read_pairs(settings.pairs, items, settings.name)
    embedded = Embedded(items.items, vectors.rows)
    objective = settings.objective
    tables = RankedTables(embedded.items, None if objective is None else objective.at(1, 1))
    placed = [tables.add(each) for each in ranked_in_turn(tasks, embedded)]
    found = scores(placed) + clustering_scores(placed, embedded)
    description = Description(model, 0, suite, None if objective is None else plain(objective))
    write_bundle(folder, description, embedded, tables, found, private=settings.private_paths)
    return Imported(folder, found, tuple(filter(None, (vectors.note, repeats(items), matched))))


def refuse_others(folder: Path, suite: Mapping[str, str]) -> None:
    """Raise ValueError if a folder holds the bundle of other files or of another model, which would be lost."""
    manifest = folder / "manifest.json"
    if not manifest.is_file():
        return
    try:
        there = json.loads(manifest.read_text())["suite"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{manifest}: cannot be read ({error}); name another bundle by --name.") from error
    differs = [name for name, value in suite.items() if there.get(name) != value]
    if differs:
        raise ValueError(
            f"{folder}: holds a bundle of {differs[0]} = {there.get(differs[0])!r}, not {suite[differs[0]]!r}, which "
            "would be lost. Name another bundle by --name, or delete that one."
        )


def repeats(items: OutsideItems) -> str:
    """Return a line about items that differ in their ids alone; empty where there are none."""
    distinct = len({item.content for item in items.items})
    if distinct == len(items.items):
        return ""
    return (
        f"{len(items.items) - distinct} of {len(items.items)} items repeat the words and picture of another id; where "
        "one of them is a right answer, the others count as right too."
    )
