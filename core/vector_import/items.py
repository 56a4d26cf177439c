"""Read the table of items that somebody else embedded: an id each, words, a picture, and what is known of it."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from core.data.checks.problems import naming
from core.data.checks.visuals import unreadable
from core.data.file_names import inside
from core.data.images.image_files import FileImage
from core.data.records import Image, Item, Part, Text, refuse_half_characters
from core.data.tables import Table, read_table
from core.files.reading import parse_json

ID, TEXT, IMAGE, ATTRIBUTES, DATASET, META_TASK = "id", "text", "image", "attributes", "dataset", "meta_task"
LISTED = 10


@dataclass(frozen=True)
class NamedItem(Item):
    """An item that is known by the id that its owner gave it: the same words may have been embedded twice."""

    name: str = ""

    @cached_property
    def content_id(self) -> str:
        """The owner's id."""
        return self.name

    @cached_property
    def content(self) -> tuple[str, ...]:
        """Equal for items of equal parts, whatever their ids."""
        return tuple(part.content_id for part in self.parts)


@dataclass(frozen=True)
class OutsideItems:
    """The items of a table in its order, and the data set and meta-task that a row names ("" where it does not)."""

    path: Path
    items: tuple[NamedItem, ...]
    datasets: Mapping[str, str]
    meta_tasks: Mapping[str, str]

    @cached_property
    def by_id(self) -> dict[str, NamedItem]:
        """Each item by its id."""
        return {item.name: item for item in self.items}


def read_items(path: Path, pictures: Path | None = None, progress: bool = True) -> OutsideItems:
    """Read a table with the columns id, text and/or image, and optionally dataset, meta_task and attributes.

    Args:
        path: Parquet, CSV, JSON or JSON lines.
        pictures: the folder that image paths are relative to, and which they do not leave; by default the table's.
        progress: show a bar while pictures are checked.

    Raises:
        ValueError: the table cannot be read, an id is missing or repeated, a row has neither words nor a picture, or
            a picture cannot be read; the message names file, row and column.
    """
    table = read_table(path, [ID])
    if TEXT not in table.columns and IMAGE not in table.columns:
        raise ValueError(f"{path}: has neither a column {TEXT!r} nor {IMAGE!r}; its columns are {table.columns}.")
    first: dict[str, int] = {}
    items: list[NamedItem] = []
    extra: dict[str, dict[str, str]] = {DATASET: {}, META_TASK: {}}
    for index, row in enumerate(table.rows):
        where = table.where(index)
        name = id_of(row.get(ID), where, ID)
        if name in first:
            raise ValueError(f"{where}: {ID} = {name!r} stands also in row {table.numbers[first[name]]}; ids differ.")
        first[name] = index
        items.append(NamedItem(parts_of(row, pictures or path.parent, where), attributes_of(row, where), name=name))
        for column, values in extra.items():
            values[name] = words(row.get(column), where, column)
    refuse_unreadable(table, items, progress)
    return OutsideItems(path, tuple(items), extra[DATASET], extra[META_TASK])


def id_of(value: object, where: str, column: str) -> str:
    """Return an id: words or a whole number. Raises ValueError."""
    if isinstance(value, bool) or not isinstance(value, str | int) or not str(value).strip():
        raise ValueError(f"{where}: {column} = {value!r} is no id; an id is a text or a whole number.")
    return words(str(value), where, column)


def words(value: object, where: str, column: str) -> str:
    """Return a cell of words, empty where there is none. Raises ValueError."""
    if value is None:
        return ""
    if not isinstance(value, str):
        raise ValueError(f"{where}: {column} = {value!r} is no text.")
    with naming(f"{where}: {column}"):
        refuse_half_characters(value)
    return value


def parts_of(row: Mapping[str, object], root: Path, where: str) -> tuple[Part, ...]:
    """Return the picture, then the words. Raises ValueError."""
    picture, text = words(row.get(IMAGE), where, IMAGE), words(row.get(TEXT), where, TEXT)
    parts: list[Part] = [Image(FileImage(inside(root, picture, where)))] if picture else []
    if text:
        parts.append(Text(text))
    if not parts:
        raise ValueError(f"{where}: has neither {TEXT} nor {IMAGE}; there would be nothing to show.")
    return tuple(parts)


def attributes_of(row: Mapping[str, object], where: str) -> dict[str, str]:
    """Named values: a struct of Parquet, or a JSON object. Raises ValueError."""
    value = row.get(ATTRIBUTES)
    if isinstance(value, str) and value.strip():
        try:
            value = parse_json(value)
        except json.JSONDecodeError as error:
            raise ValueError(f"{where}: {ATTRIBUTES} = {value[:80]!r} is not JSON ({error.msg}).") from error
    if isinstance(value, list) and all(isinstance(each, tuple) and len(each) == 2 for each in value):
        value = dict(value)  # a map column of Parquet
    if value is None or value == "":
        return {}
    if not isinstance(value, dict):
        raise ValueError(f'{where}: {ATTRIBUTES} = {value!r} is no object such as {{"colour": "red"}}.')
    return {str(name): str(each) for name, each in value.items() if each is not None}


def refuse_unreadable(table: Table, items: Sequence[NamedItem], progress: bool) -> None:
    """Raise ValueError, naming up to ten rows, if pictures cannot be read."""
    rows: dict[object, list[int]] = {}
    for index, item in enumerate(items):
        for source in item.images():
            rows.setdefault(source, []).append(index)
    found = (
        unreadable([source for item in items for source in item.images()], str(table.path), progress) if rows else ()
    )
    reasons = {source: reason for source, reason in found}
    bad = sorted((index, reason) for source, reason in reasons.items() for index in rows[source])
    if bad:
        lines = [f"  {table.where(index)}: {IMAGE}: {reason}" for index, reason in bad[:LISTED]]
        lines += [f"  ... and {len(bad) - LISTED} more"] * (len(bad) > LISTED)
        raise ValueError("\n".join([f"{len(bad)} of {len(items)} items have pictures that cannot be read:", *lines]))
