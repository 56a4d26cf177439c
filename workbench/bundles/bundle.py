"""Reading bundles: every file is checked against its hash, its columns and the vectors before anything is shown.

A bundle is written by `core.evaluation.bundle`; here it becomes one frozen record of tables and arrays.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import PIL.Image
from jaxtyping import Float

from core.data.images.image_files import BadImage, decode
from core.objectives.objective import Objective
from core.objectives.settings import ObjectiveSettings
from core.vector_import.import_bundle import ORIGIN
from workbench.bundles.files import (
    COLUMNS,
    FILES,
    MANIFEST,
    BundleError,
    check_rows,
    checked_bytes,
    parsed_items,
    read_bytes,
    read_manifest,
    read_scores,
    read_table,
    read_vectors,
)

__all__ = ["MANIFEST", "Bundle", "BundleError", "Negative", "Query", "list_bundles", "manifest_digest", "open_bundle"]


@dataclass(frozen=True)
class Query:
    """One ranking. number: its row in `rankings`; query, positive, candidates, right: rows of `items`.

    margin: similarity of the best right answer minus that of the hardest negative; NaN where nothing is wrong.
    """

    number: int
    dataset: str
    query: int
    positive: int
    candidates: tuple[int, ...]
    right: tuple[int, ...]
    asks: tuple[str, ...]
    rank: float
    similarity: float
    margin: float


@dataclass(frozen=True)
class Negative:
    """A wrong candidate of a query, as the trained objective sees it. place: 1 is the most similar; item: its row.

    true_hardness: asked attributes in which it truly differs from the positive, None where unknown.
    """

    place: int
    item: int
    similarity: float
    weight: float
    probability: float
    share: float
    true_hardness: int | None
    above_positive: bool


@dataclass(frozen=True)
class Bundle:
    """One evaluation, checked. Rows of `items` and `vectors` are what `query`, `positive`, `negative` ... count.

    digest: hash of the manifest, which holds the hash of each file: the same digest is the same content.
    items: item, modality, text, parts (list of {"type", "text" or "thumbnail"}), attributes (dict).
    vectors: unit norm. thumbnails: WebP bytes by the id that parts name.
    zero_vectors: how many rows are zero, which rank nothing.
    """

    folder: Path
    digest: str
    manifest: Mapping[str, Any]
    items: pd.DataFrame
    vectors: Float[np.ndarray, "items d"]
    rankings: pd.DataFrame
    negatives: pd.DataFrame
    histograms: pd.DataFrame
    scores: pd.DataFrame
    projection: pd.DataFrame
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
    def objective_settings(self) -> ObjectiveSettings:
        """The objective that the checkpoint was trained by, or for imported vectors the one chosen for the views."""
        return ObjectiveSettings(**self.manifest["objective"])

    @property
    def objective(self) -> Objective:
        """The trained objective, as the trainer would build it for its last step."""
        return self.objective_settings.at(1, 1)

    @property
    def datasets(self) -> list[str]:
        """Names of the data sets, in the order of the rankings."""
        return list(dict.fromkeys(self.rankings["dataset"]))

    def query(self, number: int) -> Query:
        """Return a row of the rankings."""
        row = self.rankings.iloc[number].to_dict()
        return Query(
            number,
            str(row["dataset"]),
            int(row["query"]),
            int(row["positive"]),
            tuple(int(each) for each in row["candidates"]),
            tuple(int(each) for each in row["right"]),
            tuple(str(each) for each in row["asks"]),
            float(row["rank"]),
            float(row["similarity"]),
            float(row["margin"]),
        )

    def hardest(self, number: int) -> list[Negative]:
        """Return the stored negatives of a row of the rankings, the most similar first."""
        rows = self.negatives.loc[self.negatives["ranking"] == number].to_dict("records")
        return sorted((negative_of(row) for row in rows), key=lambda negative: negative.place)

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

    def attributes(self, row: int) -> Mapping[str, str]:
        """Say what an item truly shows, empty where unknown."""
        return self.items["attributes"].iat[row]

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
        float(row["weight"]),
        float(row["probability"]),
        float(row["share"]),
        None if hardness is None or np.isnan(hardness) else int(hardness),
        bool(row["above_positive"]),
    )


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
    """Read and check a bundle.

    Raises:
        BundleError: a file is missing, was changed since it was written, or does not fit the others.
    """
    digest, manifest = read_manifest(folder)
    contents = {name: checked_bytes(folder / name, manifest["files"][name]) for name in FILES}
    tables = {name: read_table(folder / name, contents[name]) for name in COLUMNS}
    items = parsed_items(folder / "items.parquet", tables["items.parquet"])
    vectors, zeros = read_vectors(folder / "embeddings.safetensors", contents["embeddings.safetensors"], manifest)
    check_rows(folder, tables, len(vectors))
    thumbnails = tables["thumbnails.parquet"]
    return Bundle(
        folder,
        digest,
        manifest,
        items,
        vectors,
        tables["rankings.parquet"],
        tables["negatives.parquet"],
        tables["histograms.parquet"],
        read_scores(folder / "scores.json", contents["scores.json"]),
        tables["projection.parquet"],
        dict(zip(thumbnails["thumbnail"], thumbnails["webp"], strict=True)),
        zeros,
    )
