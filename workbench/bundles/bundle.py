"""Reading bundles: every file is checked against its hash, its columns and the vectors before anything is shown.

A bundle is written by `core.evaluation.bundle`; here it becomes one frozen record of tables and arrays.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import PIL.Image
import pyarrow as pa
from jaxtyping import Float, Int

from core.data.images.image_files import BadImage, decode
from core.objectives.objective import Objective
from core.objectives.settings import ObjectiveSettings
from core.vector_import.import_bundle import ORIGIN
from workbench.bundles.candidates import Candidates, Rows
from workbench.bundles.files import (
    MANIFEST,
    OTHERS,
    SCHEMAS,
    BundleError,
    check_hash,
    check_range,
    map_vectors,
    read_bytes,
    read_manifest,
    read_scores,
    read_table,
)
from workbench.bundles.layouts import StoredLayout, read_layouts
from workbench.bundles.tables import read_items, read_rankings
from workbench.bundles.thumbnails import Thumbnails

__all__ = ["MANIFEST", "Bundle", "BundleError", "Negative", "Query", "list_bundles", "manifest_digest", "open_bundle"]


@dataclass(frozen=True)
class Query:
    """One ranking. number: its row in `rankings`; query, positive, right: rows of `items`; size: of its pool.

    margin: similarity of the best right answer minus that of the hardest negative; NaN where nothing is wrong.
    """

    number: int
    dataset: str
    query: int
    positive: int
    size: int
    right: tuple[int, ...]
    asks: tuple[str, ...]
    rank: float
    similarity: float
    margin: float


@dataclass(frozen=True)
class Negative:
    """A wrong candidate of a query, as the trained objective sees it. place: 1 is the most similar; item: its row.

    true_hardness: asked attributes in which it truly differs from the positive, None where unknown. weight,
    probability, share: None where no objective is known.
    """

    place: int
    item: int
    similarity: float
    weight: float | None
    probability: float | None
    share: float | None
    true_hardness: int | None
    above_positive: bool


@dataclass(frozen=True)
class Bundle:
    """One evaluation, checked. Rows of `items` and `vectors` are what `query`, `positive`, `negative` ... count.

    digest: hash of the manifest, which holds the hash of each file: the same digest is the same content.
    items: item, modality, text. part_lists: {"type", "text" or "thumbnail"} of each item. attribute_table: what is
    truly shown, a column each. vectors: unit norm, on disk. rankings: one row a query; candidates: whom it was offered.
    layouts: places on a map, by its name. thumbnails: WebP bytes by the id that parts name, on disk. zero_vectors: how
    many rows are zero, which rank nothing.
    """

    folder: Path
    digest: str
    manifest: Mapping[str, Any]
    items: pd.DataFrame
    part_lists: pa.ChunkedArray
    attribute_table: pd.DataFrame
    vectors: Float[np.ndarray, "items d"]
    rankings: pd.DataFrame
    candidates: Candidates
    negatives: pd.DataFrame
    histograms: pd.DataFrame
    scores: pd.DataFrame
    layouts: Mapping[str, StoredLayout]
    thumbnails: Mapping[str, bytes]
    zero_vectors: int

    @property
    def step(self) -> int:
        """Optimizer steps behind the checkpoint."""
        return int(self.manifest["step"])

    @property
    def suite(self) -> str:
        """The name of the suite."""
        return str(self.manifest["suite"]["name"])

    @property
    def imported(self) -> str | None:
        """The name of the model of another tool that made the vectors; None for a checkpoint of ours."""
        suite = self.manifest["suite"]
        return str(suite.get("model", "unknown")) if suite.get("origin") == ORIGIN else None

    @property
    def objective_settings(self) -> ObjectiveSettings | None:
        """The objective that the model was trained by; None where that is not known, or it was not trained here."""
        found = self.manifest["objective"]
        return None if found is None else ObjectiveSettings(**found)

    @property
    def objective(self) -> Objective | None:
        """The trained objective, as the trainer would build it for its last step; None where it is not known."""
        settings = self.objective_settings
        return None if settings is None else settings.at(1, 1)

    @property
    def paired(self) -> bool:
        """Whether there are queries with right answers; without, there are items alone."""
        return not self.rankings.empty

    @property
    def datasets(self) -> list[str]:
        """Names of the data sets, in the order of the rankings."""
        return [str(each) for each in self.rankings["dataset"].cat.categories]

    def numbers(self, dataset: str | None) -> Int[np.ndarray, " queries"]:
        """Return the rows of the rankings of a data set, or all (None)."""
        names = self.rankings["dataset"]
        return np.arange(len(names)) if dataset is None else np.flatnonzero(np.asarray(names == dataset))

    def query(self, number: int) -> Query:
        """Return a row of the rankings."""
        row = self.rankings.iloc[number].to_dict()
        return Query(
            number,
            str(row["dataset"]),
            int(row["query"]),
            int(row["positive"]),
            int(row["size"]),
            tuple(int(each) for each in self.candidates.right[number]),
            tuple(str(each) for each in row["asks"]),
            float(row["rank"]),
            float(row["similarity"]),
            float(row["margin"]),
        )

    def hardest(self, number: int) -> list[Negative]:
        """Return the stored negatives of a row of the rankings, the most similar first."""
        rows = self.negatives.iloc[slice(*self._negatives_of(number))].to_dict("records")
        return sorted((negative_of(row) for row in rows), key=lambda negative: negative.place)

    def _negatives_of(self, number: int) -> tuple[int, int]:
        first, last = np.searchsorted(self._owners, [number, number + 1])
        return int(first), int(last)

    @cached_property
    def _owners(self) -> Rows:
        return self.negatives["ranking"].to_numpy()

    def counts(self, dataset: str | None) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        """Return the edges of the histograms, and the counts of each kind in a data set, or summed over all (None)."""
        table = self.histograms if dataset is None else self.histograms.loc[self.histograms["dataset"] == dataset]
        edges = np.union1d(table["left"].to_numpy(), table["right"].to_numpy())
        places = np.searchsorted(edges, table["left"].to_numpy())
        counts = table["count"].to_numpy()
        kinds = table["kind"].to_numpy()
        return edges, {
            str(kind): np.bincount(places[kinds == kind], counts[kinds == kind], len(edges) - 1).astype(np.int64)
            for kind in dict.fromkeys(kinds)
        }

    @property
    def ids(self) -> pd.Series:
        """The ids of the items."""
        return pd.Series(self.items["item"])

    @property
    def texts(self) -> pd.Series:
        """The words of the items, with marks for pictures."""
        return pd.Series(self.items["text"])

    def parts(self, row: int) -> list[dict[str, Any]]:
        """Return the parts of an item in reading order: {"type": "text", "text"} or {"type", "thumbnail", ...}.

        See `core.evaluation.part_records.part_record`; bundles of before have neither source nor frames.
        """
        return [
            {name: value for name, value in part.items() if value is not None} for part in self.part_lists[row].as_py()
        ]

    def attributes(self, row: int) -> Mapping[str, str]:
        """Say what an item truly shows, empty where unknown."""
        found = self.attribute_table.iloc[row]
        return {str(name): str(value) for name, value in found.items() if isinstance(value, str)}

    def attribute_codes(self, name: str) -> Int[np.ndarray, " items"]:
        """Number the values of an attribute item by item; -1 where an item has none, or nobody has it."""
        if name not in self.attribute_table:
            return np.full(len(self.items), -1)
        return self.attribute_table[name].cat.codes.to_numpy()

    def words(self, row: int) -> str:
        """Return an item's text, with marks for pictures."""
        return str(self.items["text"].iat[row])

    def picture(self, thumbnail: str) -> PIL.Image.Image | None:
        """Return the picture of a part, or None where the bundle has none that can be read."""
        found = self.thumbnails.get(thumbnail)
        if found is None:
            return None
        try:
            return decode(bytes(found), thumbnail)
        except BadImage:
            return None


def negative_of(row: Mapping[Any, Any]) -> Negative:
    """Return a row of the negatives as a record."""
    hardness = row["true_hardness"]
    return Negative(
        int(row["place"]),
        int(row["negative"]),
        float(row["similarity"]),
        known(row["weight"]),
        known(row["probability"]),
        known(row["share"]),
        None if hardness is None or np.isnan(hardness) else int(hardness),
        bool(row["above_positive"]),
    )


def known(value: float) -> float | None:
    """Return a number of a table, None for one that is missing."""
    return None if np.isnan(value) else float(value)


def list_bundles(run: Path) -> list[Path]:
    """Return the folders of a run that hold a manifest, lowest step first; links that leave the run are left out."""
    inside = run.resolve()
    folders = [each for each in (run / "bundles").glob("*") if not each.name.startswith(".")]
    return sorted(
        (each for each in folders if (each / MANIFEST).is_file() and each.resolve().is_relative_to(inside)),
        key=lambda each: each.name,
    )


def manifest_digest(folder: Path) -> str:
    """Return the digest of a bundle without opening it: the key to cache by.

    Raises:
        BundleError: there is no manifest.
    """
    return hashlib.sha256(read_bytes(folder / MANIFEST)).hexdigest()


def open_bundle(folder: Path) -> Bundle:
    """Read and check a bundle of either schema. Vectors and pictures stay on disk until they are needed.

    Raises:
        BundleError: a file is missing, was changed since it was written, or does not fit the others.
    """
    digest, manifest = read_manifest(folder)
    columns = SCHEMAS[manifest["schema"]]
    for name in (*columns, *OTHERS):
        check_hash(folder / name, manifest["files"][name])
    items = read_items(folder / "items.parquet", manifest["schema"])
    vectors, zeros = map_vectors(folder / "embeddings.safetensors", manifest)
    layouts = read_layouts(folder / "projection.parquet", manifest)
    for name, rows in (("items.parquet", len(items.table)), ("projection.parquet", len(layouts["pca"].points))):
        if rows != len(vectors):
            raise BundleError(folder / name, f"has {rows} rows, but there are {len(vectors)} vectors.")
    rankings = read_rankings(folder, manifest["schema"], len(vectors))
    read_table(folder / "thumbnails.parquet", columns["thumbnails.parquet"], ["thumbnail"])
    return Bundle(
        folder,
        digest,
        manifest,
        items.table,
        items.parts,
        items.attributes,
        vectors,
        rankings.table,
        rankings.candidates,
        read_negatives(folder, columns, len(rankings.table), len(vectors)),
        read_table(folder / "histograms.parquet", columns["histograms.parquet"]).to_pandas(),
        read_scores(folder / "scores.json"),
        layouts,
        Thumbnails(folder / "thumbnails.parquet"),
        zeros,
    )


def read_negatives(folder: Path, columns: Mapping[str, tuple[str, ...]], queries: int, items: int) -> pd.DataFrame:
    """Return the stored negatives in the order of the queries. Raises BundleError."""
    path = folder / "negatives.parquet"
    found = read_table(path, columns[path.name]).to_pandas()
    check_range(path, "negative", found["negative"].to_numpy(), items)
    check_range(path, "ranking", found["ranking"].to_numpy(), queries)
    return found.sort_values("ranking", kind="stable", ignore_index=True)
