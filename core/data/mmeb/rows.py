"""Make items of the rows of MMEB-train.

A row has qry, qry_image_path, pos_text, pos_image_path and maybe neg_text, neg_image_path; an empty string means
absent. `<|image_1|>` in a text marks where the first picture stands; without a mark pictures come first.
"""

import ast
import re
from collections.abc import Mapping, Sequence
from itertools import zip_longest

from core.data.checks.problems import BadRow, Problem
from core.data.images.image_folders import Finder
from core.data.records import Image, Item, Part, Text

COLUMNS = ("qry", "qry_image_path", "pos_text", "pos_image_path")
PLACEHOLDER = re.compile(r"<\|image_(\d+)\|>")


def read_item(row: Mapping[str, object], fields: tuple[str, str], pictures: Finder, where: str) -> Item:
    """Return the item of a text field and a path field.

    Raises:
        BadRow: both are empty, or the placeholders do not fit the pictures.
    """
    text, paths = row[fields[0]], as_list(row[fields[1]])
    if not isinstance(text, str | None):
        raise BadRow(Problem(where, f"{fields[0]} holds {type(text).__name__} {text!r}; it should be text."))
    return build_item(text or "", paths, pictures, where, fields)


def read_negatives(row: Mapping[str, object], pictures: Finder, where: str) -> tuple[Item, ...]:
    """Get the explicit negatives: none, one (plain strings), or several (lists, which mmE5's files store as strings).

    Raises:
        BadRow: there are more texts than paths or the reverse, or a negative makes no item.
    """
    texts, paths = as_list(row.get("neg_text")), as_list(row.get("neg_image_path"))
    if texts and paths and len(texts) != len(paths):
        raise BadRow(Problem(where, f"neg_text has {len(texts)} entries and neg_image_path {len(paths)}."))
    return tuple(
        build_item(text, [path] if path else [], pictures, where, ("neg_text", "neg_image_path"))
        for text, path in zip_longest(texts, paths, fillvalue="")
        if text or path
    )


def as_list(value: object) -> list[str]:
    """Return a field that holds nothing, one string, a list of strings, or such a list written as a string.

    A string that begins with "[" and is no such list is one string.
    """
    if isinstance(value, list):
        return ["" if each is None else str(each) for each in value]
    if not isinstance(value, str) or not value:
        return []
    if value.startswith("["):
        try:
            parsed = ast.literal_eval(value)
        except (ValueError, SyntaxError, MemoryError, RecursionError):
            return [value]
        if isinstance(parsed, list) and all(isinstance(each, str) for each in parsed):
            return parsed
    return [value]


def build_item(text: str, paths: Sequence[str], pictures: Finder, where: str, fields: tuple[str, str]) -> Item:
    """Return an item with its pictures where the placeholders stand, or in front of the text where there are none.

    White space next to a placeholder is dropped: it belongs to the placeholder's line. That at the ends of the text
    stays: MMEB's queries end with a line break, which published models were trained to read (VLM2Vec's vector is its).

    Raises:
        BadRow: there is neither text nor picture, or the placeholders do not name each picture.
    """
    shown = [Image(pictures.find(path, where)) for path in paths if path]
    pieces = PLACEHOLDER.split(text)
    named = [int(number) for number in pieces[1::2]]
    if named and set(named) != set(range(1, len(shown) + 1)):
        marks = ", ".join(f"<|image_{number}|>" for number in named)
        raise BadRow(Problem(where, f"{fields[0]} has {marks} and {fields[1]} names {len(shown)} pictures."))
    parts: list[Part] = [] if named else list(shown)
    for position, piece in enumerate(pieces):
        if position % 2:
            parts.append(shown[int(piece) - 1])
        elif piece.strip():
            words = piece.lstrip() if position else piece
            parts.append(Text(words.rstrip() if position + 1 < len(pieces) else words))
    if not parts:
        raise BadRow(Problem(where, f"{fields[0]} and {fields[1]} are both empty; one of them must say something."))
    return Item(tuple(parts))
