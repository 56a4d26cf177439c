"""One's own ranking tasks with any mix of texts, pictures and clips, as JSON lines.

    {"query": [{"text": "What is this?"}, {"image": "a.png"}], "candidates": [[{"text": "a cat"}], ...], "right": [0]}

An item is a list of parts in reading order; a part is {"text": words}, {"image": path} or {"video": path}, paths
relative to the file's folder. Candidates that many queries share are named once, before these:

    {"pool": "cards", "candidates": [[{"text": "..."}, {"image": "b.png"}], ...]}
    {"query": [{"text": "..."}], "pool": "cards", "right": [3, 17]}

"dataset" (by default the file's name) and "meta_task" (by default retrieval) of a query say what it is averaged with.
Queries of meta-task classification are clustered too, by what is right for them.
"""

import json
import logging
import os
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from core.data.checks.problems import BadItems, BadRow, OnBadItem, Problem, naming
from core.data.file_names import inside
from core.data.images.image_files import FileImage
from core.data.records import Image, Item, Part, Ranking, RankingTask, Text, Video
from core.data.tables import read_table
from core.data.video.named_clips import Clips

SUFFIXES = (".jsonl", ".json")
KINDS = ("text", "image", "video")
META_TASK = "retrieval"

logger = logging.getLogger(__name__)


def read_records(
    path: Path, frames: int = 32, on_bad_item: OnBadItem = "stop", queries: int | None = None, seed: int = 0
) -> list[RankingTask]:
    """Return the ranking tasks of a file, one a data set, in order of first use.

    Args:
        path: the file, .jsonl or .json.
        frames: of each clip, at most.
        on_bad_item: "stop" refuses a file with bad rows, "skip" leaves them out and logs them; of a pool only its bad
            candidates are left out. A pool without a name, or without a list of candidates, stops always.
        queries: at most so many of each data set, drawn at random; None for all.
        seed: of that draw.

    Raises:
        ValueError: the file cannot be read, holds no queries, or gives a data set two meta-tasks; or a pool is bad.
        BadItems: rows are bad and `on_bad_item` is "stop".
    """
    if path.suffix not in SUFFIXES:
        raise ValueError(f"{path}: a file of one's own rankings is one of {', '.join(SUFFIXES)}.")
    table = read_table(path, [])
    reader = Reader(path.parent, Clips(path.parent, frames))
    problems: list[Problem] = []
    tasks: dict[str, tuple[str, list[Ranking]]] = {}
    for index, row in enumerate(table.rows):
        where = table.where(index)
        if "query" not in row:
            problems += reader.define(row, where)
            continue
        try:
            with naming(where):
                name, meta_task = words(row, "dataset", path.stem, where), words(row, "meta_task", META_TASK, where)
                ranking = reader.ranking(row, where)
        except BadRow as error:
            problems.append(error.problem)
            continue
        known, rankings = tasks.setdefault(name, (meta_task, []))
        if known != meta_task:
            raise ValueError(
                f"{where}: meta_task = {meta_task!r}, but data set {name!r} has {known!r} in a row before."
            )
        rankings.append(ranking)
    if problems and on_bad_item == "stop":
        raise BadItems(problems, len(table.rows), "--suite.on_bad_item")
    for problem in problems:
        logger.warning("Left out of the rankings: %s", problem)
    if not tasks:
        raise ValueError(
            f'{path}: holds no usable query; a row of one has "query", "candidates" or "pool", and "right".'
        )
    return [
        RankingTask(name, meta_task, False, drawn(rankings, queries, f"{seed}/{name}"))
        for name, (meta_task, rankings) in tasks.items()
    ]


def drawn(rankings: Sequence[Ranking], queries: int | None, seed: str) -> tuple[Ranking, ...]:
    """At most so many rankings, in their order."""
    if queries is None or len(rankings) <= queries:
        return tuple(rankings)
    places = sorted(random.Random(seed).sample(range(len(rankings)), queries))
    return tuple(rankings[place] for place in places)


@dataclass(frozen=True)
class Reader:
    """Rows to rankings; equal items and clips are one object each, and a named pool is one tuple."""

    root: Path
    clips: Clips
    _items: dict[str, Item] = field(default_factory=dict, repr=False)
    _pools: dict[str, "Pool"] = field(default_factory=dict, repr=False)

    def define(self, row: Mapping[str, Any], where: str) -> list[Problem]:
        """Keep a named pool without its bad candidates; their problems. Raises `BadRow` if there is no pool."""
        name = words(row, "pool", "", where)
        if not name:
            raise BadRow(Problem(where, 'neither "query" nor "pool" is there; a row is a query or names a pool.'))
        if name in self._pools:
            raise BadRow(Problem(where, f"pool = {name!r} is named in a row before; give this one another name."))
        items: list[Item] = []
        places: list[int | None] = []
        problems: list[Problem] = []
        for place, each in enumerate(listed_candidates(row, where)):
            try:
                with naming(where):
                    items.append(self.item(each, f"candidates[{place}]", where))
                places.append(len(items) - 1)
            except BadRow as error:
                problems.append(error.problem)
                places.append(None)
        self._pools[name] = Pool(tuple(items), tuple(places))
        return problems

    def ranking(self, row: Mapping[str, Any], where: str) -> Ranking:
        """Return the ranking of a row. Raises `BadRow`."""
        query = self.item(row.get("query"), "query", where)
        if ("pool" in row) == ("candidates" in row):
            raise BadRow(Problem(where, 'a query has either "candidates" or "pool".'))
        if "pool" in row and row["pool"] not in self._pools:
            known = ", ".join(self._pools) or "none"
            raise BadRow(Problem(where, f"pool = {row['pool']!r} is not named in a row before; known: {known}."))
        if "pool" not in row:
            candidates = self.items(row, where)
            return Ranking(query, candidates, right(row, len(candidates), where), origin=where)
        pool = self._pools[row["pool"]]
        places = [pool.places[place] for place in right(row, len(pool.places), where)]
        kept = tuple(place for place in places if place is not None)
        if not kept:
            raise BadRow(Problem(where, f"what is right for it cannot be used in pool {row['pool']!r}."))
        return Ranking(query, pool.items, kept, origin=where)

    def items(self, row: Mapping[str, Any], where: str) -> tuple[Item, ...]:
        """Return the candidates of a row. Raises `BadRow`."""
        listed = listed_candidates(row, where)
        return tuple(self.item(each, f"candidates[{place}]", where) for place, each in enumerate(listed))

    def item(self, listed: Any, name: str, where: str) -> Item:  # noqa: ANN401 - what JSON holds
        """Return the item of a list of parts. Raises `BadRow`."""
        if not isinstance(listed, list) or not listed:
            raise BadRow(Problem(where, f'{name} is not a list of parts such as [{{"text": "..."}}].'))
        key = json.dumps(listed, sort_keys=True)
        if key not in self._items:
            parts = tuple(self.part(each, f"{name}[{place}]", where) for place, each in enumerate(listed))
            self._items[key] = Item(parts)
        return self._items[key]

    def part(self, part: Any, name: str, where: str) -> Part:  # noqa: ANN401 - what JSON holds
        """Return a text, picture or clip; clips are looked into, pictures opened later. Raises `BadRow`."""
        kind = next(iter(part), "") if isinstance(part, dict) and len(part) == 1 else ""
        value = part[kind] if kind else None
        if kind not in KINDS or not isinstance(value, str) or not value.strip():
            wanted = " or ".join(f'{{"{each}": "..."}}' for each in KINDS)
            raise BadRow(Problem(where, f"{name} = {str(part)[:60]} is no part; a part is {wanted}."))
        if kind == "text":
            return Text(value)
        return self.picture(value, where) if kind == "image" else self.clip(value, where)

    def picture(self, name: str, where: str) -> Image:
        """Return a picture that is there. Raises `BadRow`."""
        path = inside(self.root, name, where)
        if not os.path.isfile(path):  # which is False for names too long, too
            raise BadRow(Problem(where, f"the picture {path} is missing."))
        return Image(FileImage(path))

    def clip(self, name: str, where: str) -> Video:
        """Return a clip that is there. Raises `BadRow`."""
        return self.clips.find(name, where)


@dataclass(frozen=True)
class Pool:
    """The usable candidates of a named pool, and of each that the row lists its place among them; None if it is bad."""

    items: tuple[Item, ...]
    places: tuple[int | None, ...]


def listed_candidates(row: Mapping[str, Any], where: str) -> list[Any]:
    """Return the candidates that a row lists, not yet read. Raises `BadRow`."""
    listed = row.get("candidates")
    if not isinstance(listed, list) or not listed:
        raise BadRow(Problem(where, "candidates is not a list of items."))
    return listed


def right(row: Mapping[str, Any], size: int, where: str) -> tuple[int, ...]:
    """Tell which candidates are right, each once. Raises `BadRow`."""
    listed = row.get("right")
    places = [listed] if isinstance(listed, int) else listed
    if not isinstance(places, list) or not places:
        raise BadRow(Problem(where, "right is not a list of places in the candidates, counted from 0."))
    for place in places:
        if not isinstance(place, int) or isinstance(place, bool) or not 0 <= place < size:
            raise BadRow(Problem(where, f"right holds {place!r}; there are candidates 0 to {size - 1}."))
    return tuple(dict.fromkeys(places))


def words(row: Mapping[str, Any], name: str, default: str, where: str) -> str:
    """Return a field of a row that is a word, if it is there. Raises `BadRow`."""
    value = row.get(name, default)
    if not isinstance(value, str) or not (value.strip() or value == default):
        raise BadRow(Problem(where, f"{name} = {value!r} is no word."))
    return value
