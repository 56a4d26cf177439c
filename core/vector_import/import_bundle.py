"""Import the vectors of another tool into a bundle that the explorer opens as any other."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tqdm import tqdm

from core.config.command_line import plain
from core.config.private_paths import shareable
from core.data.records import RankingTask
from core.evaluation.bundle import Description, write_bundle
from core.evaluation.bundle_rankings import RankedTables
from core.evaluation.embedded import Embedded
from core.evaluation.layouts import check_umap, umap_layout
from core.evaluation.metrics import Score
from core.evaluation.scoring import Ranked, clustering_scores, ranked_in_turn, scores
from core.objectives.settings import ObjectiveSettings
from core.vector_import.items import OutsideItems, read_items
from core.vector_import.pairs import read_pairs
from core.vector_import.row_pairs import Side, split_rows
from core.vector_import.vectors import UnitVectors, in_order, read_vectors, unit

MANY = 2**24
"""Candidates of all queries together, from which on progress is shown."""
ORIGIN = "imported"
"""suite.origin in the manifest of a bundle whose vectors another tool made."""


@dataclass
class ImportSettings:
    """Whose vectors to import, what they are of, and where to put the bundle."""

    embeddings: Path
    """The vectors: .npy (items, d), .safetensors, or .parquet with a column of lists. Rows are matched by the column
    that holds exactly the items' ids, whatever its name; without one, row n belongs to item n."""
    out: Path
    """Folder of the model, such as runs/clip: its bundle goes to <out>/bundles/<name>, and the explorer finds it with
    --root runs."""
    items: Path | None = None
    """Table (Parquet, CSV, JSON lines): id, text and/or image (a path); optional attributes, dataset, meta_task. By
    default the Parquet file of the vectors, if it has these columns."""
    pairs: Path | None = None
    """Table: query, positive (ids); optional candidates, dataset, meta_task, in_distribution, asks. Without pairs there
    is nothing to score: the explorer shows the map, neighbours, duplicates and search."""
    queries_from: Side | None = None
    """With targets_from, instead of pairs: each row of items is a pair, as CLIP's are. "text": its text is the query,
    with its own vector in query_embeddings."""
    targets_from: Side | None = None
    """What of a row is the right answer; its vector is in embeddings. Every row's is a candidate."""
    query_embeddings: Path | None = None
    """The vectors of the queries of queries_from, row by row like embeddings; by default the file embeddings."""
    query_column: str | None = None
    """The Parquet column or tensor of the queries' vectors, where the file has several."""
    name: str = "imported"
    """Name of the suite, and of the bundle's folder: letters, digits, "-", "_" and "."."""
    model: str = ""
    """What made the vectors, as the explorer calls it; by default the name of the folder out."""
    column: str | None = None
    """The Parquet column or tensor of the vectors, where the file has several."""
    pictures: Path | None = None
    """Folder that image paths are relative to, and which they do not leave; by default that of the items' table."""
    umap: bool = False
    """Make a UMAP of the items for the explorer's map, beside PCA: it takes 20 seconds and more, places at most 20,000
    items (an even sample of more), and needs the extra ui."""
    private_paths: bool = False
    """Write no folder of this machine into the bundle: every path is relative to the folder that the command is started
    in, and must lie there (a link does)."""
    objective: ObjectiveSettings | None = None
    """The objective that the model was trained with, if you know it: the explorer's what-ifs then begin there."""

    def __post_init__(self) -> None:
        letters = self.name.replace("-", "").replace("_", "").replace(".", "")
        if not letters.isalnum() or not self.name.isascii() or self.name.startswith("."):
            raise ValueError(f'name = {self.name!r} is no folder name: use letters, digits, "-", "_" and ".".')
        if (self.queries_from is None) != (self.targets_from is None):
            raise ValueError("queries_from and targets_from belong together: give both, or pairs, or none.")
        if self.queries_from is not None and self.pairs is not None:
            raise ValueError("pairs and queries_from both say which items belong together: give one of them.")
        if self.queries_from is not None and self.queries_from == self.targets_from:
            raise ValueError(f"queries_from and targets_from are both {self.queries_from!r}; one is text, one image.")
        if self.queries_from is None and (self.query_embeddings is not None or self.query_column is not None):
            raise ValueError("query_embeddings and query_column are vectors for queries_from, which is not given.")


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
    if settings.umap:
        check_umap()
    model = settings.model or settings.out.resolve().name
    suite = {"name": settings.name, "origin": ORIGIN, "model": model}
    names = ("embeddings", "items", "pairs", "queries_from", "targets_from", "query_embeddings")
    suite |= {name: str(value) for name in names if (value := getattr(settings, name)) is not None}
    folder = settings.out / "bundles" / settings.name
    refuse_others(folder, suite)
    items = read_items(settings.items or settings.embeddings, settings.pictures, progress)
    found = both_sides(settings, items) if settings.queries_from is not None else given(settings, items)
    objective = settings.objective
    tables = RankedTables(found.embedded.items, None if objective is None else objective.at(1, 1))
    placed = [tables.add(each) for each in told(ranked_in_turn(found.tasks, found.embedded), found.tasks, progress)]
    rated = scores(placed) + clustering_scores(placed, found.embedded)
    description = Description(model, 0, suite, None if objective is None else plain(objective))
    layouts = {"umap": umap_layout(found.embedded.vectors)} if settings.umap else {}
    private = settings.private_paths
    write_bundle(folder, description, found.embedded, tables, rated, private=private, layouts=layouts)
    return Imported(folder, rated, tuple(filter(None, found.notes)))


@dataclass(frozen=True)
class Outside:
    """What was read: items with their vectors, the rankings, and what the user has to know ("" for nothing)."""

    embedded: Embedded
    tasks: list[RankingTask]
    notes: tuple[str, ...]


def given(settings: ImportSettings, items: OutsideItems) -> Outside:
    """Return items with their vectors, and their pairs where there is a table of them. Raises ValueError."""
    ids = [item.name for item in items.items]
    vectors, matched = vectors_of(settings.embeddings, settings.column, ids, items.path)
    tasks = [] if settings.pairs is None else read_pairs(settings.pairs, items, settings.name)
    return Outside(Embedded(items.items, vectors.rows), tasks, (vectors.note, repeats(items), matched))


def both_sides(settings: ImportSettings, items: OutsideItems) -> Outside:
    """Return the texts and pictures of rows that hold both, as queries and targets. Raises ValueError."""
    if settings.queries_from is None or settings.targets_from is None:
        raise ValueError("both_sides needs queries_from and targets_from.")
    sides = split_rows(items, settings.queries_from, settings.targets_from, settings.name)
    ids = [item.name for item in items.items]
    asked, how = vectors_of(settings.query_embeddings or settings.embeddings, settings.query_column, ids, items.path)
    answering, matched = vectors_of(settings.embeddings, settings.column, ids, items.path)
    if asked.rows.shape[1] != answering.rows.shape[1]:
        raise ValueError(
            f"the queries' vectors have {asked.rows.shape[1]} numbers, those of {settings.embeddings} "
            f"{answering.rows.shape[1]}; they come from one model."
        )
    rows = np.concatenate([asked.rows, answering.rows])
    notes = (asked.note, answering.note, repeats(sides.items), how, matched if matched != how else "")
    return Outside(Embedded(sides.items.items, rows), sides.tasks, notes)


def vectors_of(path: Path, column: str | None, ids: Sequence[str], items: Path) -> tuple[UnitVectors, str]:
    """Return the unit vectors of the items in a file, and how they were matched. Raises ValueError."""
    raw = read_vectors(path, column)
    order, matched = in_order(raw, ids, items)
    return unit(raw, order, ids), matched


def told(ranked: Iterator[Ranked], tasks: Sequence[RankingTask], progress: bool) -> Iterator[Ranked]:
    """Return rankings in turn with a bar, where there are many candidates to go through."""
    count = sum(len(task.rankings) for task in tasks)
    pairs = sum(len(each.candidates) for task in tasks for each in task.rankings)
    yield from tqdm(ranked, "ranking", count, unit="query", disable=not progress or pairs < MANY)


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
