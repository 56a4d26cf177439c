"""Read settings, records and tables of unknown origin: what is far larger inside than outside is not opened."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import yaml

LARGEST_SETTINGS = 10_000_000
"""Bytes of a file of settings, or of its lists of weights."""
MOST_ENTRIES = 100_000
"""Entries of a YAML file once each of its aliases is written out."""
ENOUGH = 500_000_000
"""Bytes that a table may take in memory however small its file is."""
EXPANSION = 1000
"""How many times larger than its file a table may be that takes more than that."""


class TooLarge(ValueError):
    """A file is larger inside than anything of its kind."""


class TwiceNamed(ValueError):
    """A JSON object that has one name twice, so that one of its values would be lost."""


Pairs: TypeAlias = list[tuple[str, object]]


def named_once(pairs: Pairs) -> dict[str, object]:
    """Return a JSON object from its names and values. Raises `TwiceNamed`."""
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise TwiceNamed(f"{twice!r} is named twice in one object. Remove or rename one of them.")
    return found


def parse_json(text: str | bytes, make_object: Callable[[Pairs], object] = dict) -> Any:  # noqa: ANN401 - any JSON
    """Return the value of a JSON text; `make_object` makes an object of its names and values.

    Raises:
        json.JSONDecodeError: it is not JSON, or nested too deeply.
        ValueError: it is not UTF-8, or `make_object` refuses an object.
    """
    try:
        return json.loads(text, object_pairs_hook=make_object)
    except RecursionError as error:
        raise json.JSONDecodeError("objects and lists are nested too deeply", "", 0) from error
    except (json.JSONDecodeError, UnicodeDecodeError, TwiceNamed):
        raise
    except ValueError as error:  # the only other one is of numbers with thousands of digits
        raise json.JSONDecodeError("a number has more digits than any number here", "", 0) from error


def read_settings_text(path: Path) -> str:
    """Return the text of a file of settings.

    Raises:
        OSError: it cannot be read.
        ValueError: it is not UTF-8, or larger than any settings.
    """
    size = path.stat().st_size
    if size > LARGEST_SETTINGS:
        raise TooLarge(f"{size:,} bytes are more than a file of settings has ({LARGEST_SETTINGS:,})")
    text = path.read_text(encoding="utf-8")
    if "\0" in text:
        raise ValueError("it holds NUL bytes, which are no text")
    return text


def read_settings(path: Path) -> dict[str, Any]:
    """Return the names and values of a file of settings, YAML or JSON.

    Raises:
        ValueError: it cannot be read, or holds something else; the message names the file.
    """
    try:
        found = parse_yaml(read_settings_text(path))
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise ValueError(f"{path}: cannot be read ({' '.join(str(error).split())}).") from error
    if not isinstance(found, dict):
        raise ValueError(f"{path}: holds a {type(found).__name__}, not names and values of settings.")
    return found


def parse_yaml(text: str) -> Any:  # noqa: ANN401 - any YAML
    """Return the value of a YAML text of plain values.

    Raises:
        yaml.YAMLError: it is not YAML.
        ValueError: its aliases stand for more than any settings hold, or it is nested too deeply.
    """
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        if node is not None:
            refuse_bomb(node)
        return yaml.safe_load(text)
    except RecursionError as error:
        raise TooLarge("it is nested too deeply") from error


def refuse_bomb(root: yaml.Node) -> None:
    """Raise TooLarge if a YAML document has too many entries once its aliases are written out, or holds itself."""
    sizes: dict[int, int] = {}
    begun: set[int] = set()

    def size(node: yaml.Node) -> int:
        if id(node) in sizes:
            return sizes[id(node)]
        if id(node) in begun:
            raise TooLarge("an alias stands for what it is a part of")
        begun.add(id(node))
        total = 1
        if isinstance(node, yaml.CollectionNode):
            inner = [each for pair in node.value for each in (pair if isinstance(pair, tuple) else (pair,))]
            total += sum(size(each) for each in inner)
        sizes[id(node)] = total
        return total

    found = size(root)
    if found > MOST_ENTRIES:
        raise TooLarge(f"its aliases stand for {found:,} entries; settings have at most {MOST_ENTRIES:,}")


def read_parquet(source: Path | pa.Buffer, columns: list[str] | None = None) -> pa.Table:
    """Return columns of a Parquet file, all by default, as plain columns.

    Words that repeat are kept once in the file and often in memory: they are counted before they are written out.

    Raises:
        OSError, pa.ArrowException: it is no Parquet.
        ValueError: it would take far more memory than its file could account for.
    """
    outside = source.stat().st_size if isinstance(source, Path) else source.size
    with pq.ParquetFile(readable(source), read_dictionary=repeated(source)) as file:
        refuse_expansion(announced(file.metadata, columns), outside)
        table = file.read(columns=columns)
    words = sum(written_out(chunk) for column in table.columns for chunk in column.chunks)
    refuse_expansion(words, outside)
    plain = [pa.field(each.name, plain_type(each.type), each.nullable, each.metadata) for each in table.schema]
    return table.cast(pa.schema(plain, metadata=table.schema.metadata))


def readable(source: Path | pa.Buffer) -> Path | pa.BufferReader:
    """Return what pyarrow reads Parquet from."""
    return source if isinstance(source, Path) else pa.BufferReader(source)


def repeated(source: Path | pa.Buffer) -> list[str]:
    """Return the paths of the columns of words or bytes, which a file may hold once and refer to.

    Not those within lists: of several row groups pyarrow 26 cannot read them so.
    """
    with pq.ParquetFile(readable(source)) as file:
        schema = file.metadata.schema
        found = [schema.column(place) for place in range(len(schema))]
    return [each.path for each in found if each.physical_type == "BYTE_ARRAY" and not each.max_repetition_level]


def announced(metadata: pq.FileMetaData, columns: list[str] | None) -> int:
    """Return the bytes of columns in memory by the file's own account: as stored, or of so many numbers, the larger."""
    total = 0
    for group in range(metadata.num_row_groups):
        for place in range(metadata.num_columns):
            chunk = metadata.row_group(group).column(place)
            if columns is None or chunk.path_in_schema.partition(".")[0] in columns:
                total += max(chunk.total_uncompressed_size, 4 * chunk.num_values)
    return total


def written_out(chunk: pa.Array) -> int:
    """Return the bytes of a column's words, repeated ones as often as they stand there."""
    if not isinstance(chunk, pa.DictionaryArray):
        return 0
    lengths = pc.call_function("binary_length", [chunk.dictionary]).take(chunk.indices)
    return int(pc.call_function("sum", [lengths.cast(pa.int64())]).as_py() or 0)


def plain_type(kind: pa.DataType) -> pa.DataType:
    """Return the type of a column whose repeated words are written out."""
    return kind.value_type if pa.types.is_dictionary(kind) else kind


def refuse_expansion(inside: int, outside: int) -> None:
    """Raise TooLarge if so many bytes in memory cannot come from so many in a file."""
    if inside > max(ENOUGH, EXPANSION * outside):
        raise TooLarge(
            f"its {outside:,} bytes stand for {inside / 1e9:.1f} GB, more than {EXPANSION} times as many; such a file "
            "is made to fill the memory"
        )
