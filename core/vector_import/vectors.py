"""Read vectors from files of other tools (.npy, .safetensors, a list column of Parquet), check and normalise them."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from jaxtyping import Float
from safetensors import SafetensorError, safe_open

SUFFIXES = (".parquet", ".npy", ".safetensors")
UNIT = 1e-3
"""Norms nearer to 1 than this count as unit; those of vectors that were stored in 16 bits are off by as much."""


@dataclass(frozen=True)
class RawVectors:
    """What a file holds. ids: the item of each row where the file says it, else None (the rows are in order)."""

    path: Path
    rows: Float[np.ndarray, "rows d"]
    ids: tuple[str, ...] | None = None


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
        path: a .npy array (items, d); a .safetensors file; or Parquet with a column of lists, whose column "id", if
            there is one, names the item of each row.
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
        array = np.load(path, allow_pickle=False)
    except (ValueError, OSError, EOFError) as error:
        raise ValueError(f"{path}: is no numpy array of numbers ({error}). Save it by numpy.save.") from error
    if not isinstance(array, np.ndarray):
        array.close()
        raise ValueError(f"{path}: is an archive of arrays; save the one array of vectors by numpy.save.")
    return RawVectors(path, as_float32(path, array))


def from_safetensors(path: Path, name: str | None) -> RawVectors:
    """Return one tensor of a safetensors file, of any float type."""
    try:
        with safe_open(path, framework="pt") as file:
            chosen = only_one(path, "tensor", sorted(file.keys()), name)
            tensor = file.get_tensor(chosen)
    except SafetensorError as error:
        raise ValueError(f"{path}: is not safetensors ({error}).") from error
    if not tensor.is_floating_point():
        raise ValueError(f"{path}: tensor {chosen!r} is {tensor.dtype}, not floats.")
    return RawVectors(path, as_float32(path, tensor.to(torch.float32).numpy()))


def from_parquet(path: Path, name: str | None) -> RawVectors:
    """Return a column of lists of one length, and the column "id" if there is one."""
    try:
        file = pq.ParquetFile(path)
        schema = file.schema_arrow
        lists = [field.name for field in schema if is_list_of_floats(field.type)]
        chosen = only_one(path, "column of lists of floats", lists, name)
        table = file.read(columns=[chosen] + ["id"] * ("id" in schema.names))
    except (OSError, pa.ArrowException) as error:
        raise ValueError(f"{path}: cannot be read ({error}).") from error
    column = table.column(chosen).combine_chunks()
    lengths = [len(each) if each.is_valid else None for each in column]
    odd = next((row for row, length in enumerate(lengths) if not length or length != lengths[0]), None)
    if odd is not None:
        found = f"has {lengths[odd]} numbers, but row 1 {lengths[0]}" if lengths[odd] else "is empty"
        raise ValueError(f"{path} row {odd + 1}: {chosen} {found}; all vectors have one length.")
    values = column.flatten().to_numpy(zero_copy_only=False)
    ids = tuple(str(each) for each in table.column("id").to_pylist()) if "id" in table.column_names else None
    return RawVectors(path, as_float32(path, values.reshape(len(lengths), -1) if lengths else values[:, None]), ids)


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


def as_float32(path: Path, array: np.ndarray) -> Float[np.ndarray, "rows d"]:
    """Return the array in float32. Raises ValueError unless it is a table of floats."""
    if array.ndim != 2 or not np.issubdtype(array.dtype, np.floating):
        raise ValueError(f"{path}: is {array.dtype} of shape {array.shape}, not floats of shape (items, dimensions).")
    with np.errstate(over="ignore"):  # a float64 beyond float32 becomes infinite, which the check of values names
        return np.ascontiguousarray(array, dtype=np.float32)


def in_order(vectors: RawVectors, ids: Sequence[str], items: Path) -> Float[np.ndarray, "items d"]:
    """Return the vector of each item: by its id where the file has ids, else the rows as they stand.

    Raises:
        ValueError: an item has no vector, a vector no item, or an id stands there twice.
    """
    if vectors.ids is None:
        if len(vectors.rows) != len(ids):
            raise ValueError(
                f"{vectors.path}: has {len(vectors.rows)} vectors, but {items} has {len(ids)} items; row n belongs to "
                "item n."
            )
        return vectors.rows
    place: dict[str, int] = {}
    for row, each in enumerate(vectors.ids):
        if each in place:
            raise ValueError(f"{vectors.path} row {row + 1}: id {each!r} stands also in row {place[each] + 1}.")
        place[each] = row
    missing = next((each for each in ids if each not in place), None)
    if missing is not None:
        raise ValueError(f"{vectors.path}: has no vector for item {missing!r} of {items}.")
    if len(place) > len(ids):
        known = set(ids)
        extra = next(each for each in place if each not in known)
        raise ValueError(f"{vectors.path} row {place[extra] + 1}: id {extra!r} is no item of {items}.")
    return vectors.rows[[place[each] for each in ids]]


def unit(rows: Float[np.ndarray, "rows d"], ids: Sequence[str], path: Path) -> UnitVectors:
    """Return vectors divided by their norms.

    Raises:
        ValueError: a vector holds NaN or infinity, or is zero; the message names the file, the item and the number.
    """
    bad = np.argwhere(~np.isfinite(rows))
    if len(bad):
        row, place = (int(each) for each in bad[0])
        count = len(np.unique(bad[:, 0]))
        raise ValueError(
            f"{path}: number {place + 1} of the vector of item {ids[row]!r} is {rows[row, place]} ({count} such "
            "vectors). Embed these items again."
        )
    norms = np.linalg.norm(rows.astype(np.float64), axis=1)
    zero = np.flatnonzero(norms < np.finfo(np.float32).tiny)
    if len(zero):
        raise ValueError(
            f"{path}: the vector of item {ids[int(zero[0])]!r} is zero ({len(zero)} such vectors): it is like nothing, "
            "and no cosine is defined. Embed these items again, or leave them out."
        )
    scaled = (rows / norms[:, None]).astype(np.float32)
    return UnitVectors(scaled, int((np.abs(norms - 1) > UNIT).sum()), float(norms.min()), float(norms.max()))
