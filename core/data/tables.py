"""Tables on disk (Parquet, JSON, JSON lines, CSV): rows that know their place."""

import csv
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import overload

import pyarrow as pa

from core.files import reading

ROWS_AT_ONCE = 8192
SUFFIXES = (".parquet", ".jsonl", ".json", ".csv")
SEPARATORS = {";": "semicolons", "\t": "tabs", "|": "bars"}
"""What CSV files are separated by that are none."""


@dataclass(frozen=True)
class ArrowRows(Sequence[Mapping[str, object]]):
    """The rows of an Arrow table, each made a mapping only when it is asked for."""

    table: pa.Table

    def __len__(self) -> int:
        return self.table.num_rows

    @overload
    def __getitem__(self, index: int) -> Mapping[str, object]: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Mapping[str, object]]: ...
    def __getitem__(self, index: int | slice) -> Mapping[str, object] | Sequence[Mapping[str, object]]:
        if isinstance(index, slice):
            return [self[each] for each in range(*index.indices(len(self)))]
        return {name: self.table.column(name)[index].as_py() for name in self.table.column_names}

    def __iter__(self) -> Iterator[Mapping[str, object]]:
        for batch in self.table.to_batches(ROWS_AT_ONCE):
            yield from batch.to_pylist()


@dataclass(frozen=True)
class Table:
    """A file's rows. `numbers` gives each row's number in the file as an editor or spreadsheet counts it, from 1."""

    path: Path
    columns: tuple[str, ...]
    rows: Sequence[Mapping[str, object]]
    numbers: Sequence[int]

    def where(self, index: int) -> str:
        """Return the place of the row at an index, "<file> row <n>", as every message names it."""
        return f"{self.path} row {self.numbers[index]}"


def read_table(path: Path, required: Sequence[str]) -> Table:
    """Read a table by the suffix of its name.

    A row's number is its record in Parquet and in a JSON array, and its line in JSON lines and CSV (the header is
    line 1, blank lines count).

    Raises:
        ValueError: the file is missing, damaged or not UTF-8, holds no row, names a column twice, or lacks a
            required column.
    """
    readers = {".parquet": read_parquet, ".jsonl": read_json, ".json": read_json, ".csv": read_csv}
    if path.suffix not in readers:
        raise ValueError(f"{path}: a table is one of {', '.join(SUFFIXES)}.")
    try:
        table = readers[path.suffix](path)
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: not UTF-8 text ({error.reason} at byte {error.start}). Save it as UTF-8.") from error
    except (OSError, pa.ArrowException, reading.TooLarge) as error:
        raise ValueError(f"{path}: cannot be read ({error}).") from error
    if not table.rows:
        raise ValueError(f"{path}: holds no rows.")
    missing = [name for name in required if name not in table.columns]
    if missing:
        raise ValueError(f"{path}: column {missing[0]!r} is missing; its columns are {', '.join(table.columns)}.")
    return table


def read_parquet(path: Path) -> Table:
    """Read Parquet; rows are counted from 1."""
    table = reading.read_parquet(path)
    check_columns(path, table.column_names)
    return Table(path, tuple(table.column_names), ArrowRows(table), range(1, table.num_rows + 1))


def read_json(path: Path) -> Table:
    """Read a JSON array of objects, or JSON lines.

    Raises:
        ValueError: something else is found; the message names the row.
    """
    text = path.read_text(encoding="utf-8-sig")
    if text.lstrip().startswith("["):
        try:
            values = reading.parse_json(text, reading.named_once)
        except json.JSONDecodeError as error:
            raise ValueError(f"{path} line {error.lineno}: not valid JSON ({error.msg}).") from error
        except reading.TwiceNamed as error:
            raise ValueError(f"{path}: {error}") from error
        numbers: Sequence[int] = range(1, len(values) + 1)
    else:
        lines = [(number, line) for number, line in enumerate(text.split("\n"), start=1) if line.strip()]
        values, numbers = [parse_line(path, *each) for each in lines], [number for number, _ in lines]
    rows: list[Mapping[str, object]] = []
    for number, value in zip(numbers, values, strict=True):
        if not isinstance(value, dict):
            raise ValueError(f'{path} row {number}: a row is a JSON object such as {{"text": "..."}}.')
        rows.append(value)
    columns = dict.fromkeys(name for row in rows for name in row)
    return Table(path, tuple(columns), rows, numbers)


def parse_line(path: Path, number: int, line: str) -> object:
    """Return the value of one line of JSON lines. Raises ValueError with the line's number."""
    try:
        return reading.parse_json(line, reading.named_once)
    except json.JSONDecodeError as error:
        raise ValueError(f"{path} row {number}: not valid JSON ({error.msg} at character {error.pos}).") from error
    except reading.TwiceNamed as error:
        raise ValueError(f"{path} row {number}: {error}") from error


def read_csv(path: Path) -> Table:
    """Read CSV with a header; a byte order mark and blank lines are passed over.

    Raises:
        ValueError: a row has more or fewer fields than the header, most often for a comma in an unquoted caption.
    """
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.reader(file, strict=True)
        records: list[tuple[int, list[str]]] = []
        start = 1
        try:
            for record in reader:
                records += [(start, record)] * bool(record)
                start = reader.line_num + 1
        except csv.Error as error:
            raise ValueError(f"{path} row {start}: not valid CSV ({error}).") from error
    if not records:
        return Table(path, (), [], [])
    header = records[0][1]
    check_header(path, header)
    for number, record in records[1:]:
        if len(record) != len(header):
            raise ValueError(
                f"{path} row {number}: {len(record)} fields where the header has {len(header)}. "
                "Put a caption that holds a comma in double quotes."
            )
    rows = [dict(zip(header, record, strict=True)) for _, record in records[1:]]
    return Table(path, tuple(header), rows, [number for number, _ in records[1:]])


def check_header(path: Path, header: Sequence[str]) -> None:
    """Check that the names of columns differ and are separated by commas.

    Raises:
        ValueError: two columns have one name, or there is one column whose name holds another separator.
    """
    for separator, name in SEPARATORS.items():
        pieces = header[0].split(separator) if len(header) == 1 else []
        if len(pieces) > 1 and all(piece.strip() for piece in pieces):
            raise ValueError(
                f"{path}: its columns seem to be separated by {name} ({header[0]!r}); a CSV is separated by commas. "
                "Save it with commas."
            )
    check_columns(path, header)


def check_columns(path: Path, names: Sequence[str]) -> None:
    """Raise ValueError if two columns have one name: the values of one of them would be lost."""
    seen: dict[str, int] = {}
    for place, name in enumerate(names, start=1):
        if name in seen:
            what = f"are both named {name!r}" if name else "both have no name"
            raise ValueError(f"{path}: columns {seen[name]} and {place} {what}. Rename or remove one of them.")
        seen[name] = place
