"""Read vectors from files of other tools (.npy, .safetensors, a list column of Parquet), check and normalise them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from jaxtyping import Float, Int
from safetensors import SafetensorError, safe_open

from core.files.reading import TooLarge, parse_json, read_parquet

ID = "id"
WHOLE_NUMBERS = ("I64", "I32", "I16", "I8", "U64", "U32", "U16", "U8")
"""How safetensors spells the types that ids may have."""
SUFFIXES = (".parquet", ".npy", ".safetensors")
ROWS_AT_ONCE = 2**15
UNIT = 1e-3
"""Norms nearer to 1 than this count as unit; those of vectors that were stored in 16 bits are off by as much."""


@dataclass(frozen=True)
class RawVectors:
    """What a file holds: vectors, and its columns of words or whole numbers, any of which may be the items' ids.

    The rows may lie on disk still, as floats of any width.
    """

    path: Path
    rows: Float[np.ndarray, "rows d"]
    columns: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True)
class UnitVectors:
    """Vectors of norm 1. rescaled: how many were not; smallest, largest: the norms that were found."""

    rows: Float[np.ndarray, "rows d"]
    rescaled: int
    smallest: float
    largest: float

    @property
    def note(self) -> str:
        """What the reader has to know of the norms; empty where all were unit."""
        if not self.rescaled:
            return ""
        return (
            f"{self.rescaled} of {len(self.rows)} vectors were not of unit length (norms {self.smallest:.4g} to "
            f"{self.largest:.4g}); they were divided by their norms, so similarities are cosines."
        )


def read_vectors(path: Path, name: str | None = None) -> RawVectors:
    """Read the vectors of a file, not yet checked.

    Args:
        path: a .npy array (items, d); a .safetensors file, where a tensor of whole numbers or an entry of the
            metadata, a JSON list, may name the item of each row; or Parquet with a column of lists, where another
            column may.
        name: the tensor or the Parquet column; None takes the only one that can be meant.

    Raises:
        ValueError: the file cannot be read, does not hold a table of floats, or `name` is needed or unknown.
    """
    readers = {".parquet": from_parquet, ".npy": from_npy, ".safetensors": from_safetensors}
    if path.suffix not in readers:
        raise ValueError(f"embeddings = {path}: vectors are read from {', '.join(SUFFIXES)}.")
    if not path.is_file():
        raise ValueError(f"embeddings = {path}: no such file.")
    found = readers[path.suffix](path, name)
    if not found.rows.size:
        raise ValueError(f"{path}: holds no vectors (shape {found.rows.shape}).")
    return found


def from_npy(path: Path, name: str | None) -> RawVectors:
    """Return a numpy array of floats, never pickled objects."""
    if name is not None:
        raise ValueError(f"{path}: a .npy file has no names; leave out --column {name}.")
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except (ValueError, OSError, EOFError, MemoryError, SyntaxError) as error:
        raise ValueError(f"{path}: is no numpy array of numbers ({error}). Save it by numpy.save.") from error
    if not isinstance(array, np.ndarray):
        array.close()
        raise ValueError(f"{path}: is an archive of arrays; save the one array of vectors by numpy.save.")
    refuse_no_floats(path, array)
    return RawVectors(path, array)


def from_safetensors(path: Path, name: str | None) -> RawVectors:
    """Return one tensor of a safetensors file, of any float type."""
    try:
        with safe_open(path, framework="pt") as file:
            kinds = {each: file.get_slice(each).get_dtype() for each in sorted(file.keys())}
            numbers = [each for each, kind in kinds.items() if kind in WHOLE_NUMBERS]
            chosen = only_one(path, "tensor", [each for each in kinds if each not in numbers or each == name], name)
            tensor = file.get_tensor(chosen)
            columns = {each: file.get_tensor(each) for each in numbers if each != chosen}
            named = {**(file.metadata() or {})}
    except (OSError, SafetensorError) as error:
        raise ValueError(f"{path}: is not safetensors ({error}).") from error
    if not tensor.is_floating_point():
        raise ValueError(f"{path}: tensor {chosen!r} is {tensor.dtype}, not floats.")
    found = {each: tuple(map(str, values.tolist())) for each, values in columns.items() if values.dim() == 1}
    lists = {each: list_of_ids(text) for each, text in named.items()}
    found |= {f"metadata {each}": values for each, values in lists.items() if values is not None}
    rows = as_float32(path, tensor.to(torch.float32).numpy())
    return RawVectors(path, rows, {each: values for each, values in found.items() if len(values) == len(rows)})


def list_of_ids(text: str) -> tuple[str, ...] | None:
    """Return the names in a JSON list of words or whole numbers; None for anything else."""
    try:
        found = parse_json(text)
    except ValueError:
        return None
    is_list = isinstance(found, list) and all(isinstance(each, str | int) for each in found)
    return tuple(map(str, found)) if is_list else None


def from_parquet(path: Path, name: str | None) -> RawVectors:
    """Return a column of lists of one length, and the columns that may be ids."""
    try:
        schema = pq.read_schema(path)
        lists = [each.name for each in schema if is_list_of_floats(each.type)]
        chosen = only_one(path, "column of lists of floats", lists, name)
        table = read_parquet(path, [chosen, *(each.name for each in schema if may_be_ids(each.type))])
    except (OSError, pa.ArrowException, TooLarge) as error:
        raise ValueError(f"{path}: cannot be read ({error}).") from error
    column = table.column(chosen).combine_chunks()
    lengths = [len(each) if each.is_valid else None for each in column]
    odd = next((row for row, length in enumerate(lengths) if not length or length != lengths[0]), None)
    if odd is not None:
        found = f"has {lengths[odd]} numbers, but row 1 {lengths[0]}" if lengths[odd] else "is empty"
        raise ValueError(f"{path} row {odd + 1}: {chosen} {found}; all vectors have one length.")
    numbers = column.flatten().to_numpy(zero_copy_only=False)
    columns = {each: table.column(each) for each in table.column_names if each != chosen}
    for each, values in columns.items():
        if each.lower() == ID and values.null_count:
            row = 1 + values.to_pylist().index(None)
            raise ValueError(f"{path} row {row}: {each} is empty; name the item of every row, or take the column out.")
    named = {each: tuple(map(str, values.to_pylist())) for each, values in columns.items() if not values.null_count}
    return RawVectors(path, as_float32(path, numbers.reshape(len(lengths), -1) if lengths else numbers[:, None]), named)


def may_be_ids(kind: pa.DataType) -> bool:
    """Tell whether a column holds words or whole numbers."""
    words = kind.value_type if pa.types.is_dictionary(kind) else kind
    return pa.types.is_string(words) or pa.types.is_large_string(words) or pa.types.is_integer(words)


def is_list_of_floats(kind: pa.DataType) -> bool:
    """Tell whether a column holds lists of floats, of fixed or of any length."""
    listed = pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind)
    return listed and pa.types.is_floating(kind.value_type)


def only_one(path: Path, what: str, names: Sequence[str], name: str | None) -> str:
    """Return the named one, or the only one. Raises ValueError."""
    if name is None and len(names) == 1:
        return names[0]
    if name is None:
        raise ValueError(f"{path}: has {len(names)} {what}s ({', '.join(names) or 'none'}); name one by --column.")
    if name not in names:
        raise ValueError(f"{path}: has no {what} {name!r}; there are {', '.join(names) or 'none'}.")
    return name


def refuse_no_floats(path: Path, array: np.ndarray) -> None:
    """Raise ValueError unless an array is a table of floats."""
    if array.ndim != 2 or not np.issubdtype(array.dtype, np.floating):
        raise ValueError(f"{path}: is {array.dtype} of shape {array.shape}, not floats of shape (items, dimensions).")


def as_float32(path: Path, array: np.ndarray) -> Float[np.ndarray, "rows d"]:
    """Return the array in float32. Raises ValueError unless it is a table of floats."""
    refuse_no_floats(path, array)
    with np.errstate(over="ignore"):  # a float64 beyond float32 becomes infinite, which the check of values names
        return np.ascontiguousarray(array, dtype=np.float32)


def in_order(vectors: RawVectors, ids: Sequence[str], items: Path) -> tuple[Int[np.ndarray, " items"] | None, str]:
    """Return the row of each item's vector (None: row n is item n's), and how they were matched, "" if by "id".

    They are matched by the column that holds exactly the items' ids, whatever its name. A file without any has its rows
    in the items' order, which is said.

    Raises:
        ValueError: two such columns disagree; a column named "id", or one of words, names other items than there are;
            or, row by row, there are more or fewer vectors than items.
    """
    exact = {name: column for name, column in vectors.columns.items() if are_ids(column, ids)}
    if len(set(exact.values())) > 1:
        raise ValueError(
            f"{vectors.path}: the columns {', '.join(exact)} each hold exactly the ids of {items}, but in different "
            "orders; keep the one that names the item of each row."
        )
    for name, column in exact.items():
        place = {each: row for row, each in enumerate(column)}
        note = "" if name == ID else f"{vectors.path}: rows are matched by {name}, which holds exactly the items' ids."
        return np.array([place[each] for each in ids]), note
    refuse_other_ids(vectors, ids, items)
    if len(vectors.rows) != len(ids):
        raise ValueError(
            f"{vectors.path}: has {len(vectors.rows)} vectors, but {items} has {len(ids)} items; row n belongs to "
            "item n."
        )
    columns = f"none of its columns ({', '.join(vectors.columns)}) holds" if vectors.columns else "it does not hold"
    return None, f"{vectors.path}: {columns} the items' ids, so row n is taken for item n of {items}."


def are_ids(column: Sequence[str], ids: Sequence[str]) -> bool:
    """Tell whether a column holds every id once and nothing else."""
    return len(column) == len(ids) and set(column) == set(ids)


def refuse_other_ids(vectors: RawVectors, ids: Sequence[str], items: Path) -> None:
    """Raise ValueError for a column that means to name items but does not hold exactly their ids.

    One is called "id" in any spelling, or holds words of which some are ids; whole numbers may just count rows.
    """
    known = set(ids)
    for name, column in vectors.columns.items():
        words = any(not each.lstrip("-").isdecimal() for each in column)
        if name.lower() == ID or (words and not known.isdisjoint(column)):
            refuse_column(vectors.path, name, column, ids, items)


def refuse_column(path: Path, name: str, column: Sequence[str], ids: Sequence[str], items: Path) -> NoReturn:
    """Raise ValueError that says how a column differs from the items' ids."""
    place: dict[str, int] = {}
    for row, each in enumerate(column):
        if each in place:
            raise ValueError(f"{path} row {row + 1}: {name} {each!r} stands also in row {place[each] + 1}.")
        place[each] = row
    missing = next((each for each in ids if each not in place), None)
    if missing is not None:
        raise ValueError(f"{path}: has no vector for item {missing!r} of {items} (by its column {name}).")
    extra = next(each for each in place if each not in set(ids))
    raise ValueError(f"{path} row {place[extra] + 1}: {name} {extra!r} is no item of {items}.")


def unit(vectors: RawVectors, order: Int[np.ndarray, " items"] | None, ids: Sequence[str]) -> UnitVectors:
    """Return the items' vectors divided by their norms, in float32, made block by block.

    Args:
        vectors: what a file holds.
        order: the row of each item's vector; None where row n is item n's.
        ids: the items' ids, for messages.

    Raises:
        ValueError: a vector holds NaN or infinity, or is zero; the message names the file, the item and the number.
    """
    scaled = np.empty((len(ids), vectors.rows.shape[1]), dtype=np.float32)
    norms = np.empty(len(ids))
    for start in range(0, len(ids), ROWS_AT_ONCE):
        rows = slice(start, start + ROWS_AT_ONCE)
        with np.errstate(over="ignore"):  # a float64 beyond float32 becomes infinite, which is named
            block = np.asarray(vectors.rows[rows if order is None else order[rows]], dtype=np.float32)
        norms[rows] = np.sqrt(np.einsum("ij,ij->i", block, block, dtype=np.float64))
        if not np.isfinite(norms[rows]).all():
            refuse_not_finite(vectors, order, ids)
        smallest = np.finfo(np.float32).tiny
        scaled[rows] = block / np.maximum(norms[rows], smallest)[:, None]
    refuse_zero(vectors.path, norms, ids)
    return UnitVectors(scaled, int((np.abs(norms - 1) > UNIT).sum()), float(norms.min()), float(norms.max()))


def refuse_not_finite(vectors: RawVectors, order: Int[np.ndarray, " items"] | None, ids: Sequence[str]) -> None:
    """Raise ValueError that names the first item whose vector holds NaN or infinity, and how many there are."""
    with np.errstate(over="ignore"):
        rows = np.asarray(vectors.rows if order is None else vectors.rows[order], dtype=np.float32)
    bad = np.argwhere(~np.isfinite(rows))
    row, place = (int(each) for each in bad[0])
    raise ValueError(
        f"{vectors.path}: number {place + 1} of the vector of item {ids[row]!r} is {rows[row, place]} "
        f"({len(np.unique(bad[:, 0]))} such vectors). Embed these items again."
    )


def refuse_zero(path: Path, norms: Float[np.ndarray, " items"], ids: Sequence[str]) -> None:
    """Raise ValueError that names the first item whose vector is zero, if there is one."""
    zero = np.flatnonzero(norms < np.finfo(np.float32).tiny)
    if len(zero):
        raise ValueError(
            f"{path}: the vector of item {ids[int(zero[0])]!r} is zero ({len(zero)} such vectors): it is like nothing, "
            "and no cosine is defined. Embed these items again, or leave them out."
        )
