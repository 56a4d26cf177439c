"""The tables of a bundle as this version uses them, from either schema; every row number is checked."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from core.evaluation.bundle_items import ATTRIBUTE
from core.evaluation.part_records import PART
from core.files.reading import announced, parse_json, refuse_expansion
from workbench.bundles.candidates import Candidates, Lists, lists_of
from workbench.bundles.files import COLUMNS, OLD_COLUMNS, BundleError, check_range, read_table

KINDS = ("text", "image", "video")
POOLS_AT_ONCE = 1024


@dataclass(frozen=True)
class Items:
    """What the items are, row by row.

    table: item (an id), modality, text. parts: a list of {"type", "text" or "thumbnail"} each. attributes: what they
    truly show, a column each; missing where unknown.
    """

    table: pd.DataFrame
    parts: pa.ChunkedArray
    attributes: pd.DataFrame


def read_items(path: Path, schema: int) -> Items:
    """Return the items. Raises BundleError."""
    if schema == 1:
        found = old_items(path)
    else:
        table = read_table(path, COLUMNS[path.name])
        named = [name for name in table.column_names if name.startswith(ATTRIBUTE)]
        attributes = {name.removeprefix(ATTRIBUTE): categories(table.column(name)) for name in named}
        found = Items(items_frame(table), table.column("parts"), pd.DataFrame(attributes, index=range(len(table))))
    ids = found.table["item"]
    if not ids.is_unique:
        raise BundleError(path, f"item {str(pd.Series(ids[ids.duplicated()]).iloc[0])!r} stands there twice.")
    check_parts(path, found.parts)
    return found


def items_frame(table: pa.Table) -> pd.DataFrame:
    """Return id, modality and text of the items."""
    return pd.DataFrame(
        {
            "item": table.column("item").to_pandas(),
            "modality": categories(table.column("modality")),
            "text": table.column("text").to_pandas(),
        }
    )


def categories(column: pa.ChunkedArray) -> pd.Categorical:
    """Return words as categories: a million of few kinds need four bytes each."""
    return pd.Categorical(column.to_pandas())


def check_parts(path: Path, parts: pa.ChunkedArray) -> None:
    """Raise BundleError unless every item has parts, each a text, an image or a video."""
    if not pa.types.is_list(parts.type) or not pa.types.is_struct(parts.type.value_type):
        raise BundleError(path, "parts are not lists of texts, images or videos.")
    lengths = pc.call_function("list_value_length", [parts]).fill_null(0)
    empty = np.flatnonzero(lengths.to_numpy() == 0)
    if len(empty):
        raise BundleError(path, f"row {empty[0]}: parts = [] are not texts, images or videos.")
    flat = pc.call_function("list_flatten", [parts]).combine_chunks()
    kinds, texts, thumbnails = (flat.field(name) for name in ("type", "text", "thumbnail"))
    is_text = np.asarray(pc.call_function("equal", [kinds, "text"]).fill_null(False))
    known = np.asarray(pc.call_function("is_in", [kinds], pc.SetLookupOptions(pa.array(KINDS))))
    whole = known & np.where(is_text, np.asarray(texts.is_valid()), np.asarray(thumbnails.is_valid()))
    if not whole.all():
        place = int(np.argmin(whole))
        row = int(np.searchsorted(np.cumsum(np.asarray(lengths)), place, side="right"))
        raise BundleError(path, f"row {row}: parts = {str(parts[row].as_py())[:80]} are not texts, images or videos.")


def old_items(path: Path) -> Items:
    """Return the items of schema 1, which had parts and attributes as JSON. Raises BundleError."""
    table = read_table(path, OLD_COLUMNS[path.name])
    try:
        parts = [parse_json(each) for each in table.column("parts").to_pylist()]
        attributes = [parse_json(each) for each in table.column("attributes").to_pylist()]
    except (TypeError, ValueError) as error:
        raise BundleError(path, f"parts or attributes are not JSON ({error}).") from error
    for row, named in enumerate(attributes):
        if not isinstance(named, dict):
            raise BundleError(path, f"row {row}: attributes = {str(named)[:80]} are not named values.")
    for row, listed in enumerate(parts):
        if not isinstance(listed, list) or not all(isinstance(each, dict) for each in listed):
            raise BundleError(path, f"row {row}: parts = {str(listed)[:80]} are not texts, images or videos.")
    try:
        lists = pa.chunked_array([pa.array(parts, pa.list_(PART))])
    except pa.ArrowException as error:
        raise BundleError(path, f"parts are not texts, images or videos ({error}).") from error
    return Items(items_frame(table), lists, attribute_frame(attributes))


def attribute_frame(attributes: Sequence[Mapping[str, object]]) -> pd.DataFrame:
    """Return named values as a column each, as words."""
    names = sorted({name for each in attributes for name in each})
    return pd.DataFrame(
        {name: pd.Categorical([as_word(each.get(name)) for each in attributes]) for name in names},
        index=range(len(attributes)),
    )


def as_word(value: object) -> str | None:
    """Return an attribute's value as words."""
    return value if value is None or isinstance(value, str) else json.dumps(value)


@dataclass(frozen=True)
class Rankings:
    """The queries and whom they were offered. table: one row a query, without the lists."""

    table: pd.DataFrame
    candidates: Candidates


def read_rankings(folder: Path, schema: int, items: int) -> Rankings:
    """Return the queries. Raises BundleError."""
    path = folder / "rankings.parquet"
    if schema == 1:
        found = old_rankings(path, items)
    else:
        table = read_table(path, COLUMNS[path.name])
        lists = read_pools(folder / "pools.parquet")
        if (lists.lengths == 0).any():
            raise BundleError(folder / "pools.parquet", "candidates is empty for a pool.")
        check_range(folder / "pools.parquet", "candidates", lists.values, items)
        left_out, right = (lists_in(table.column(name)) for name in ("left_out", "right"))
        frame = rankings_frame(table.drop_columns(["left_out", "right"]))
        check_range(path, "pool", frame["pool"].to_numpy(), len(lists))
        found = Rankings(frame, Candidates(frame["pool"].to_numpy(), lists, left_out, right))
    check_rankings(path, found, items)
    return found


def read_pools(path: Path) -> Lists:
    """Return the candidates of each pool, read a row group at a time. Raises BundleError."""
    read_table(path, COLUMNS[path.name], [])
    try:
        with pq.ParquetFile(path, memory_map=True) as file:
            refuse_expansion(announced(file.metadata, None), path.stat().st_size)
            groups = [lists_in(batch.column(0)) for batch in file.iter_batches(POOLS_AT_ONCE)]
    except (pa.ArrowException, OSError, ValueError) as error:
        raise BundleError(path, f"cannot be read ({error}).") from error
    starts = np.cumsum(np.concatenate([[0], *(each.lengths for each in groups)]), dtype=np.int64)
    return Lists(starts, np.concatenate([np.empty(0, np.int32), *(each.values for each in groups)]))


def old_rankings(path: Path, items: int) -> Rankings:
    """Return the queries of schema 1, which listed its candidates for each query. Raises BundleError."""
    table = read_table(path, OLD_COLUMNS[path.name])
    listed, right = (lists_in(table.column(name)) for name in ("candidates", "right"))
    if (listed.lengths == 0).any():
        raise BundleError(path, "candidates is empty for a query.")
    check_range(path, "candidates", listed.values, items)
    numbers: dict[bytes, int] = {}
    pool = [numbers.setdefault(listed[each].tobytes(), len(numbers)) for each in range(len(listed))]
    first = np.unique(pool, return_index=True)[1] if pool else []
    frame = rankings_frame(table.drop_columns(["candidates", "right"]))
    frame["pool"], frame["size"], frame["auroc"] = pool, listed.lengths, np.nan
    nobody = Lists(np.zeros(len(listed) + 1, np.int64), np.empty(0, np.int32))
    candidates = Candidates(
        np.asarray(pool, dtype=np.int64), lists_of(listed[int(each)] for each in first), nobody, right
    )
    return Rankings(frame, candidates)


def rankings_frame(table: pa.Table) -> pd.DataFrame:
    """Return one row a query; names of data sets and meta-tasks as categories in order of first use."""
    frame = table.to_pandas()
    for name in ("dataset", "meta_task"):
        frame[name] = pd.Categorical(frame[name], categories=list(dict.fromkeys(frame[name])))
    return frame


def lists_in(column: pa.ChunkedArray | pa.Array) -> Lists:
    """Return a column of lists of whole numbers."""
    lengths = pc.call_function("list_value_length", [column]).fill_null(0)
    values = pc.call_function("list_flatten", [column]).to_numpy()
    starts = np.concatenate([[0], np.cumsum(lengths.to_numpy())]).astype(np.int64)
    return Lists(starts, values.astype(np.int32, copy=False))


def check_rankings(path: Path, found: Rankings, items: int) -> None:
    """Raise BundleError unless each query has candidates and right answers, and all rows exist.

    There may be no query at all: vectors without pairs.
    """
    if (found.candidates.sizes <= 0).any():
        raise BundleError(path, "candidates is empty for a query.")
    if (found.candidates.right.lengths == 0).any():
        raise BundleError(path, "right is empty for a query.")
    for name, lists in (("right", found.candidates.right), ("left_out", found.candidates.left_out)):
        check_range(path, name, lists.values, items)
    for name in ("query", "positive"):
        check_range(path, name, found.table[name].to_numpy(), items)
