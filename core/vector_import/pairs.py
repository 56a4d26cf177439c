"""Read the table of right answers: queries with their targets and, if given, their candidates."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from core.data.records import Ranking, RankingTask
from core.data.tables import read_table
from core.files.reading import parse_json
from core.vector_import.items import DATASET, META_TASK, NamedItem, OutsideItems, id_of, words

QUERY, POSITIVE, CANDIDATES, ASKS, TRAINED = "query", "positive", "candidates", "asks", "in_distribution"
DEFAULT_META_TASK = "retrieval"


@dataclass(frozen=True)
class Asked:
    """A row of the table. candidates: None stands for every target of the data set."""

    where: str
    query: NamedItem
    right: tuple[NamedItem, ...]
    candidates: tuple[NamedItem, ...] | None
    asks: tuple[str, ...]


@dataclass
class Group:
    """The rows of one data set, in order."""

    meta_task: str
    trained: bool
    where: str
    rows: list[Asked] = field(default_factory=list)


def read_pairs(path: Path, items: OutsideItems, default_dataset: str) -> list[RankingTask]:
    """Read a table with the columns query and positive: ids of items; a cell holds one, a list, or a JSON array.

    Optional columns: candidates (ids to rank; the right ones are added where they lack), dataset and meta_task (by
    default those of the query's item), in_distribution (whether the model was trained on the data set), asks (names
    of attributes that the query pins down: then true hardness is known). A row without candidates ranks every target
    of its data set: all right answers and all candidates that any row of it names, without the query itself. Items
    with the same words and picture as a right answer are right too, and so is what another row of the data set names
    for the same query.

    Raises:
        ValueError: the table cannot be read, or an id is no item's; the message names file, row and column.
    """
    table = read_table(path, [QUERY, POSITIVE])
    groups: dict[str, Group] = {}
    for index, row in enumerate(table.rows):
        where = table.where(index)
        asked = read_row(row, where, items)
        name = words(row.get(DATASET), where, DATASET) or items.datasets[asked.query.name] or default_dataset
        meta_task = words(row.get(META_TASK), where, META_TASK) or items.meta_tasks[asked.query.name]
        trained = flag(row.get(TRAINED), where)
        group = groups.setdefault(name, Group(meta_task or DEFAULT_META_TASK, trained, where))
        for column, old, new in (
            (META_TASK, group.meta_task, meta_task or DEFAULT_META_TASK),
            (TRAINED, group.trained, trained),
        ):
            if old != new:
                raise ValueError(f"{where}: {column} = {new!r}, but {old!r} in {group.where} of the data set {name}.")
        group.rows.append(asked)
    return [task_of(name, group) for name, group in groups.items()]


def read_row(row: Mapping[str, object], where: str, items: OutsideItems) -> Asked:
    """Return one query. Raises ValueError."""
    names = ids_of(row.get(QUERY), where, QUERY)
    if len(names) != 1:
        raise ValueError(f"{where}: {QUERY} names {len(names)} items; a row has one query.")
    query = known(items, names, where, QUERY)[0]
    right = known(items, ids_of(row.get(POSITIVE), where, POSITIVE), where, POSITIVE)
    if not right:
        raise ValueError(f"{where}: {POSITIVE} is empty; a query has at least one right answer.")
    if query in right:
        raise ValueError(f"{where}: the query {query.name!r} is its own {POSITIVE}; that would always be found.")
    listed = ids_of(row.get(CANDIDATES), where, CANDIDATES)
    candidates = known(items, listed, where, CANDIDATES) if listed else None
    asks = tuple(ids_of(row.get(ASKS), where, ASKS))
    for name in asks:
        lacking = next((each for each in right if name not in each.attributes), None)
        if lacking is not None:
            raise ValueError(f"{where}: {ASKS} names {name!r}, which item {lacking.name!r} has no attribute of.")
    return Asked(where, query, right, candidates, asks)


def ids_of(value: object, where: str, column: str) -> list[str]:
    """Return the ids in a cell: one, a list, or a JSON array; repeated ones once. Raises ValueError."""
    if value is None or value == "":
        return []
    if isinstance(value, str) and value.lstrip().startswith("["):
        try:
            value = parse_json(value)
        except json.JSONDecodeError as error:
            raise ValueError(f"{where}: {column} = {value[:80]!r} is no JSON array ({error.msg}).") from error
    values = value if isinstance(value, list) else [value]
    return list(dict.fromkeys(id_of(each, where, column) for each in values))


def known(items: OutsideItems, names: Sequence[str], where: str, column: str) -> tuple[NamedItem, ...]:
    """Return the items of these ids. Raises ValueError."""
    unknown = next((each for each in names if each not in items.by_id), None)
    if unknown is not None:
        raise ValueError(f"{where}: {column} names {unknown!r}, which is no id in {items.path}.")
    return tuple(items.by_id[each] for each in names)


def flag(value: object, where: str) -> bool:
    """Yes or no, also as the words of CSV; no where nothing is said. Raises ValueError."""
    answers = {None: False, "": False, True: True, False: False, "true": True, "false": False}
    key = value.strip().lower() if isinstance(value, str) else value
    if key not in (None, "", True, False, "true", "false"):
        raise ValueError(f"{where}: {TRAINED} = {value!r} is neither true nor false.")
    return answers[key]


def task_of(name: str, group: Group) -> RankingTask:
    """Get the rankings of one data set. The pool of all its targets is one object, whatever the number of queries."""
    pool = tuple(dict.fromkeys(item for row in group.rows for item in (*row.right, *(row.candidates or ()))))
    shared = places(pool)
    right = right_by_query(group.rows)
    rankings = []
    for row in group.rows:
        known, own = right[row.query.content], row.query.content
        if row.candidates is None:
            left_out = tuple(place for place in shared.get(own, ()) if pool[place] not in known)
            rankings.append(ranking(row, known, pool, shared, left_out))
        else:
            chosen = tuple(each for each in own_candidates(row) if each.content != own or each in known)
            rankings.append(ranking(row, known, chosen, places(chosen)))
    return RankingTask(name, group.meta_task, group.trained, tuple(rankings))


def right_by_query(rows: Sequence[Asked]) -> dict[tuple[str, ...], tuple[NamedItem, ...]]:
    """Return all right answers that the rows of a data set name for each content of a query, whatever its id."""
    found: dict[tuple[str, ...], dict[NamedItem, None]] = {}
    for row in rows:
        found.setdefault(row.query.content, {}).update(dict.fromkeys(row.right))
    return {query: tuple(items) for query, items in found.items()}


def own_candidates(row: Asked) -> tuple[NamedItem, ...]:
    """Return the candidates that a row names, its right answers first."""
    return tuple(dict.fromkeys((*row.right, *(row.candidates or ()))))


def places(pool: Sequence[NamedItem]) -> dict[tuple[str, ...], list[int]]:
    """Say where each content stands in a pool; several places where it stands there under several ids."""
    found: dict[tuple[str, ...], list[int]] = {}
    for place, item in enumerate(pool):
        found.setdefault(item.content, []).append(place)
    return found


def ranking(
    row: Asked,
    known: Sequence[NamedItem],
    pool: tuple[NamedItem, ...],
    where: Mapping[tuple[str, ...], Sequence[int]],
    left_out: tuple[int, ...] = (),
) -> Ranking:
    """Return one query over its pool; whatever looks like an answer that is known to be right is right."""
    right = sorted({place for item in known for place in where.get(item.content, ())}.difference(left_out))
    return Ranking(row.query, pool, tuple(right), row.asks, left_out=left_out)
