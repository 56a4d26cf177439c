"""The files of a bundle, each checked as it is read: its hash, its columns, its numbers.

Nothing is read whole that is not needed: hashes are taken in blocks, vectors stay on disk, pictures are read when they
are shown.
"""

import hashlib
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from jaxtyping import Float

from core.evaluation.bundle import SCHEMA
from core.files.reading import parse_json, read_parquet
from core.objectives.settings import BUILD, ObjectiveSettings

MANIFEST = "manifest.json"
NORM_TOLERANCE = 1e-3
ROWS_AT_ONCE = 2**15
LONGEST_HEADER = 2**20
COLUMNS: Mapping[str, tuple[str, ...]] = {
    "items.parquet": ("item", "modality", "text", "parts"),
    "rankings.parquet": (
        *("dataset", "meta_task", "in_distribution", "query", "positive", "pool", "size", "left_out", "right", "asks"),
        *("rank", "hit", "chance", "similarity", "hardest", "hardest_similarity", "margin", "auroc"),
    ),
    "pools.parquet": ("candidates",),
    "negatives.parquet": (
        *("ranking", "place", "negative", "similarity", "weight", "probability", "share"),
        *("true_hardness", "above_positive"),
    ),
    "histograms.parquet": ("dataset", "kind", "left", "right", "count"),
    "projection.parquet": ("pca_x", "pca_y"),
    "thumbnails.parquet": ("thumbnail", "webp"),
}
OLD_COLUMNS: Mapping[str, tuple[str, ...]] = {
    **{name: columns for name, columns in COLUMNS.items() if name != "pools.parquet"},
    "items.parquet": ("item", "modality", "text", "parts", "attributes"),
    "projection.parquet": ("x", "y"),
    "rankings.parquet": (
        *("dataset", "meta_task", "in_distribution", "query", "positive", "candidates", "right", "asks"),
        *("rank", "hit", "chance", "similarity", "hardest", "hardest_similarity", "margin"),
    ),
}
SCHEMAS: Mapping[int, Mapping[str, tuple[str, ...]]] = {1: OLD_COLUMNS, SCHEMA: COLUMNS}
"""The tables of a bundle and their columns, by schema."""
OTHERS = ("embeddings.safetensors", "scores.json")
SCORE_FIELDS = ("scope", "name", "metric", "value", "low", "high", "n", "pool", "chance")


class BundleError(ValueError):
    """A bundle cannot be shown; the message names the file and the reason."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"{path}: {reason}")
        self.path = path
        self.reason = reason


def read_bytes(path: Path) -> bytes:
    """Return the content of a plain file. Raises BundleError."""
    if path.is_symlink():
        raise BundleError(path, "is a link; a bundle holds plain files only.")
    try:
        return path.read_bytes()
    except OSError as error:
        raise BundleError(
            path, f"cannot be read ({error.strerror}). Evaluate again to write the bundle anew."
        ) from error


def read_manifest(folder: Path) -> tuple[str, dict[str, Any]]:
    """Return the digest and the fields of the manifest, of a schema that this version reads. Raises BundleError."""
    path = folder / MANIFEST
    content = read_bytes(path)
    try:
        manifest = parse_json(content)
    except ValueError as error:
        raise BundleError(path, f"is not JSON ({error}).") from error
    schema = manifest.get("schema") if isinstance(manifest, dict) else None
    if not isinstance(schema, int) or schema not in SCHEMAS:
        newer = isinstance(schema, int) and schema > SCHEMA
        do = "A newer version wrote it: update this one." if newer else "Evaluate again."
        raise BundleError(path, f"schema = {schema!r}, but this version reads {', '.join(map(str, SCHEMAS))}. {do}")
    files, suite = manifest.get("files"), manifest.get("suite")
    if not isinstance(suite, dict) or "name" not in suite:
        raise BundleError(path, "suite has no name.")
    for name in (*SCHEMAS[schema], *OTHERS):
        if not isinstance(files, dict) or not isinstance(files.get(name), str):
            raise BundleError(path, f"files does not list {name}.")
    for name in ("step", "dimensions"):
        if not isinstance(manifest.get(name), int):
            raise BundleError(path, f"{name} = {manifest.get(name)!r} is not a whole number.")
    check_objective(path, manifest.get("objective"))
    return hashlib.sha256(content).hexdigest(), manifest


def check_objective(path: Path, objective: object) -> None:
    """Raise BundleError unless the manifest's objective is one that can be built, or None where it is not known.

    It holds the fields of `ObjectiveSettings`; older manifests hold name, alpha and temperature alone.
    """
    if objective is None:
        return
    fields = {"name", "temperature"}
    if not isinstance(objective, dict) or not fields <= set(objective):
        raise BundleError(path, f"objective = {objective!r} does not have the fields {sorted(fields)}.")
    if objective["name"] not in list(BUILD):
        raise BundleError(path, f"objective.name = {objective['name']!r} is none of {', '.join(BUILD)}.")
    try:
        ObjectiveSettings(**objective).at(1, 1)
    except (TypeError, ValueError) as error:
        raise BundleError(path, f"objective = {objective!r} is not usable: {error}") from error


def check_hash(path: Path, expected: str) -> None:
    """Raise BundleError unless a plain file has the hash that the manifest gives."""
    if path.is_symlink():
        raise BundleError(path, "is a link; a bundle holds plain files only.")
    try:
        with path.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise BundleError(
            path, f"cannot be read ({error.strerror}). Evaluate again to write the bundle anew."
        ) from error
    if found != expected:
        raise BundleError(path, "was changed or cut short after it was written (its sha256 differs). Evaluate again.")


def read_table(path: Path, columns: tuple[str, ...], only: list[str] | None = None) -> pa.Table:
    """Return a parquet file that has some columns: `only` some of them, by default all it has. Raises BundleError."""
    try:
        names = pq.read_schema(path).names
        missing = [name for name in columns if name not in names]
        if not missing:
            return read_parquet(path, only)
    except (pa.ArrowException, OSError, ValueError) as error:
        raise BundleError(path, f"is not parquet ({error}).") from error
    raise BundleError(path, f"has no column {', '.join(missing)}.")


def read_scores(path: Path) -> pd.DataFrame:
    """scores.json as a table, one row a score. Raises BundleError."""
    try:
        rows = parse_json(read_bytes(path))
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            raise ValueError(f"it holds {str(rows)[:80]}")
        scores = pd.DataFrame(rows, columns=list(SCORE_FIELDS))
    except BundleError:
        raise
    except ValueError as error:
        raise BundleError(path, f"is not a list of scores ({error}).") from error
    if scores.isna().any().any():
        row = int(scores.isna().any(axis=1).to_numpy().argmax())
        raise BundleError(path, f"a field of score {row} is missing.")
    return scores


def map_vectors(path: Path, manifest: Mapping[str, Any]) -> tuple[Float[np.ndarray, "items d"], int]:
    """Return the vectors, finite and of unit norm, and how many are zero. They stay on disk. Raises BundleError."""
    start, described = safetensors_header(path)
    kind, shape = described.get("dtype"), described.get("shape")
    dimensions = manifest["dimensions"]
    if kind != "F32" or not isinstance(shape, list) or len(shape) != 2 or shape[1] != dimensions:
        names = {"F32": "float32", "F64": "float64", "F16": "float16", "BF16": "bfloat16"}
        found = f"{names.get(str(kind), kind)} of shape {tuple(shape) if isinstance(shape, list) else shape}"
        raise BundleError(path, f"items is {found}, not float32 of shape (items, {dimensions}).")
    begin, end = described.get("data_offsets", (0, 0))
    if end - begin != 4 * shape[0] * shape[1] or path.stat().st_size < start + end:
        raise BundleError(path, 'has no readable tensor "items" (its data is cut short).')
    zeros = checked_norms(path, start + begin, shape[0], shape[1])
    # Copy on write: nothing writes, but torch takes only arrays that it could write to.
    vectors = np.memmap(path, dtype="<f4", mode="c", offset=start + begin, shape=(shape[0], shape[1]))
    return vectors.view(np.ndarray), zeros


def safetensors_header(path: Path) -> tuple[int, dict[str, Any]]:
    """Return where the data of a safetensors file begins, and what it says of its "items". Raises BundleError."""
    try:
        with path.open("rb") as file:
            (length,) = struct.unpack("<Q", file.read(8))
            if length > LONGEST_HEADER:
                raise ValueError(f"its header has {length} bytes")
            header = parse_json(file.read(length))
        return 8 + length, header["items"]
    except (OSError, ValueError, KeyError, TypeError, struct.error) as error:
        raise BundleError(path, f'has no readable tensor "items" ({error}).') from error


def checked_norms(path: Path, begin: int, items: int, dimensions: int) -> int:
    """Return how many vectors are zero. Raises BundleError where one is not finite or neither unit nor zero.

    Each block is mapped by itself, so that what was checked does not stay in memory.
    """
    zeros = 0
    for start in range(0, items, ROWS_AT_ONCE):
        shape = (min(ROWS_AT_ONCE, items - start), dimensions)
        block = np.memmap(path, dtype="<f4", mode="r", offset=begin + 4 * start * dimensions, shape=shape)
        norms = np.sqrt(np.einsum("ij,ij->i", block, block))
        bad = np.flatnonzero(~np.isfinite(norms))
        if len(bad):
            raise BundleError(path, f"vectors hold NaN or infinity, the first is row {start + bad[0]}.")
        off = np.flatnonzero((np.abs(norms - 1) > NORM_TOLERANCE) & (norms > 0))
        if len(off):
            raise BundleError(path, f"row {start + off[0]} has norm {norms[off[0]]:.4f}, not 1.")
        zeros += int((norms == 0).sum())
    return zeros


def check_range(path: Path, name: str, rows: np.ndarray, count: int) -> None:
    """Raise BundleError unless every row number is in [0, count)."""
    outside = rows[(rows < 0) | (rows >= count)]
    if len(outside):
        raise BundleError(path, f"{name} = {outside[0]} names none of the {count} rows there are.")
