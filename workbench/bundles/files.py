"""The files of a bundle, each checked as it is read: its hash, its columns, its rows against the vectors."""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from jaxtyping import Float
from safetensors import SafetensorError
from safetensors.numpy import load

from core.evaluation.bundle import SCHEMA
from core.files.reading import parse_json, read_parquet
from core.objectives.settings import BUILD, ObjectiveSettings

MANIFEST = "manifest.json"
NORM_TOLERANCE = 1e-3
COLUMNS: Mapping[str, tuple[str, ...]] = {
    "items.parquet": ("item", "modality", "text", "parts", "attributes"),
    "rankings.parquet": (
        *("dataset", "meta_task", "in_distribution", "query", "positive", "candidates", "right", "asks"),
        *("rank", "hit", "chance", "similarity", "hardest", "hardest_similarity", "margin"),
    ),
    "negatives.parquet": (
        *("ranking", "place", "negative", "similarity", "weight", "probability", "share"),
        *("true_hardness", "above_positive"),
    ),
    "histograms.parquet": ("dataset", "kind", "left", "right", "count"),
    "projection.parquet": ("method", "x", "y"),
    "thumbnails.parquet": ("thumbnail", "webp"),
}
SCORE_FIELDS = ("scope", "name", "metric", "value", "low", "high", "n", "pool", "chance")
FILES = (*COLUMNS, "embeddings.safetensors", "scores.json")


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
    """Return the digest and the fields of the manifest, of the schema that this version reads. Raises BundleError."""
    path = folder / MANIFEST
    content = read_bytes(path)
    try:
        manifest = parse_json(content)
    except ValueError as error:
        raise BundleError(path, f"is not JSON ({error}).") from error
    if not isinstance(manifest, dict) or manifest.get("schema") != SCHEMA:
        found = manifest.get("schema") if isinstance(manifest, dict) else None
        raise BundleError(path, f"schema = {found!r}, but this version reads {SCHEMA}. Evaluate again.")
    files, suite = manifest.get("files"), manifest.get("suite")
    if not isinstance(suite, dict) or "name" not in suite:
        raise BundleError(path, "suite has no name.")
    for name in FILES:
        if not isinstance(files, dict) or not isinstance(files.get(name), str):
            raise BundleError(path, f"files does not list {name}.")
    for name in ("step", "dimensions"):
        if not isinstance(manifest.get(name), int):
            raise BundleError(path, f"{name} = {manifest.get(name)!r} is not a whole number.")
    check_objective(path, manifest.get("objective"))
    return hashlib.sha256(content).hexdigest(), manifest


def check_objective(path: Path, objective: object) -> None:
    """Raise BundleError unless the manifest's objective is one that can be built.

    It holds the fields of `ObjectiveSettings`; older manifests hold name, alpha and temperature alone.
    """
    fields = {"name", "temperature"}
    if not isinstance(objective, dict) or not fields <= set(objective):
        raise BundleError(path, f"objective = {objective!r} does not have the fields {sorted(fields)}.")
    if objective["name"] not in list(BUILD):
        raise BundleError(path, f"objective.name = {objective['name']!r} is none of {', '.join(BUILD)}.")
    try:
        ObjectiveSettings(**objective).at(1, 1)
    except (TypeError, ValueError) as error:
        raise BundleError(path, f"objective = {objective!r} is not usable: {error}") from error


def checked_bytes(path: Path, expected: str) -> bytes:
    """Return the content of a file whose hash the manifest gives. Raises BundleError."""
    content = read_bytes(path)
    found = hashlib.sha256(content).hexdigest()
    if found != expected:
        raise BundleError(path, "was changed or cut short after it was written (its sha256 differs). Evaluate again.")
    return content


def read_table(path: Path, content: bytes) -> pd.DataFrame:
    """Return a parquet file with the columns that its name promises. Raises BundleError."""
    try:
        table = read_parquet(pa.py_buffer(content))
    except (pa.ArrowException, OSError, ValueError) as error:
        raise BundleError(path, f"is not parquet ({error}).") from error
    missing = [name for name in COLUMNS[path.name] if name not in table.column_names]
    if missing:
        raise BundleError(path, f"has no column {', '.join(missing)}.")
    return table.to_pandas()


def read_scores(path: Path, content: bytes) -> pd.DataFrame:
    """scores.json as a table, one row a score. Raises BundleError."""
    try:
        rows = parse_json(content)
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            raise ValueError(f"it holds {str(rows)[:80]}")
        scores = pd.DataFrame(rows, columns=list(SCORE_FIELDS))
    except ValueError as error:
        raise BundleError(path, f"is not a list of scores ({error}).") from error
    if scores.isna().any().any():
        row = int(scores.isna().any(axis=1).to_numpy().argmax())
        raise BundleError(path, f"a field of score {row} is missing.")
    return scores


def parsed_items(path: Path, items: pd.DataFrame) -> pd.DataFrame:
    """Return the items with parts and attributes out of their JSON; ids must differ. Raises BundleError."""
    ids = items["item"].tolist()
    if len(set(ids)) < len(ids):
        twice = next(each for row, each in enumerate(ids) if each in ids[:row])
        raise BundleError(path, f"item {twice!r} stands there twice.")
    try:
        parts = [parse_json(each) for each in items["parts"]]
        attributes = [parse_json(each) for each in items["attributes"]]
    except (TypeError, ValueError) as error:
        raise BundleError(path, f"parts or attributes are not JSON ({error}).") from error
    for row, (listed, named) in enumerate(zip(parts, attributes, strict=True)):
        if not isinstance(listed, list) or not listed or not all(is_part(part) for part in listed):
            raise BundleError(path, f"row {row}: parts = {str(listed)[:80]} are not texts, images or videos.")
        if not isinstance(named, dict):
            raise BundleError(path, f"row {row}: attributes = {str(named)[:80]} are not named values.")
    return items.assign(
        parts=pd.Series(parts, dtype=object, index=items.index),
        attributes=pd.Series(attributes, dtype=object, index=items.index),
    )


def is_part(part: object) -> bool:
    """Tell whether a record is one that `core.evaluation.bundle.part_record` writes."""
    if not isinstance(part, dict):
        return False
    field = {"text": "text", "image": "thumbnail", "video": "thumbnail"}.get(str(part.get("type")))
    return field is not None and isinstance(part.get(field), str)


def read_vectors(path: Path, content: bytes, manifest: Mapping[str, Any]) -> tuple[Float[np.ndarray, "items d"], int]:
    """Return the vectors, finite and of unit norm, and how many are zero. Raises BundleError."""
    try:
        vectors = load(content)["items"]
    except (SafetensorError, KeyError) as error:
        raise BundleError(path, f'has no readable tensor "items" ({error}).') from error
    dimensions = manifest["dimensions"]
    if vectors.ndim != 2 or vectors.shape[1] != dimensions or vectors.dtype != np.float32:
        raise BundleError(
            path, f"items is {vectors.dtype} of shape {vectors.shape}, not float32 of shape (items, {dimensions})."
        )
    bad = np.flatnonzero(~np.isfinite(vectors).all(axis=1))
    if len(bad):
        raise BundleError(path, f"{len(bad)} vectors hold NaN or infinity, the first is row {bad[0]}.")
    norms = np.linalg.norm(vectors, axis=1)
    off = np.flatnonzero((np.abs(norms - 1) > NORM_TOLERANCE) & (norms > 0))
    if len(off):
        raise BundleError(path, f"row {off[0]} has norm {norms[off[0]]:.4f}, not 1 ({len(off)} such vectors).")
    return vectors, int((norms == 0).sum())


def check_rows(folder: Path, tables: Mapping[str, pd.DataFrame], items: int) -> None:
    """Raise BundleError unless the tables have as many rows as there are vectors, and name only rows that exist."""
    for name in ("items.parquet", "projection.parquet"):
        if len(tables[name]) != items:
            raise BundleError(folder / name, f"has {len(tables[name])} rows, but there are {items} vectors.")
    rankings, negatives = tables["rankings.parquet"], tables["negatives.parquet"]
    if rankings.empty:
        raise BundleError(folder / "rankings.parquet", "holds no query.")
    for name in ("candidates", "right"):
        lists = [np.asarray(each, dtype=np.int64) for each in rankings[name]]
        if any(len(each) == 0 for each in lists):
            raise BundleError(folder / "rankings.parquet", f"{name} is empty for a query.")
        check_range(folder / "rankings.parquet", name, np.concatenate(lists), items)
    for name in ("query", "positive"):
        check_range(folder / "rankings.parquet", name, rankings[name].to_numpy(), items)
    check_range(folder / "negatives.parquet", "negative", negatives["negative"].to_numpy(), items)
    check_range(folder / "negatives.parquet", "ranking", negatives["ranking"].to_numpy(), len(rankings))


def check_range(path: Path, name: str, rows: np.ndarray, count: int) -> None:
    """Raise BundleError unless every row number is in [0, count)."""
    outside = rows[(rows < 0) | (rows >= count)]
    if len(outside):
        raise BundleError(path, f"{name} = {outside[0]} names none of the {count} rows there are.")
