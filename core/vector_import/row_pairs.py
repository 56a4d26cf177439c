"""Pairs out of a table whose rows hold a text and a picture each, as image-text models are trained and scored."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from core.data.records import Image, RankingTask, Text
from core.vector_import.items import NamedItem, OutsideItems
from core.vector_import.pairs import DEFAULT_META_TASK, Asked, Group, task_of

Side: TypeAlias = Literal["text", "image"]
KINDS = {"text": Text, "image": Image}


@dataclass(frozen=True)
class Sides:
    """The queries of all rows, then the targets of all rows; and the rankings, one a row."""

    items: OutsideItems
    tasks: list[RankingTask]


def split_rows(items: OutsideItems, queries: Side, targets: Side, default_dataset: str) -> Sides:
    """Make two items of each row: its query and its target, which is the right answer among all rows' of the data set.

    Rows with the same text (or picture) are right for one another.

    Raises:
        ValueError: a row lacks its text or its picture; the message names the file and the item.
    """
    asking, answering = (one_side(items, side) for side in (queries, targets))
    groups: dict[str, Group] = {}
    for query, target, row in zip(asking, answering, items.items, strict=True):
        name = items.datasets[row.name] or default_dataset
        meta_task = items.meta_tasks[row.name] or DEFAULT_META_TASK
        where = f"{items.path}: item {row.name!r}"
        group = groups.setdefault(name, Group(meta_task, False, where))
        if group.meta_task != meta_task:
            raise ValueError(f"{where}: meta_task = {meta_task!r}, but {group.meta_task!r} in {group.where}.")
        group.rows.append(Asked(where, query, (target,), None, ()))
    names = [item.name for item in (*asking, *answering)]
    every = OutsideItems(items.path, (*asking, *answering), dict.fromkeys(names, ""), dict.fromkeys(names, ""))
    return Sides(every, [task_of(name, group) for name, group in groups.items()])


def one_side(items: OutsideItems, side: Side) -> Sequence[NamedItem]:
    """Return the texts or the pictures of all rows, named after their rows. Raises ValueError."""
    found = []
    for item in items.items:
        parts = tuple(part for part in item.parts if isinstance(part, KINDS[side]))
        if not parts:
            raise ValueError(f"{items.path}: item {item.name!r} has no {side}; with queries_from each row has both.")
        found.append(NamedItem(parts, item.attributes, name=f"{item.name} ({side})"))
    return found
