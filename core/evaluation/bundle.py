"""A bundle: everything about one evaluation that people look at, as an immutable, self-describing folder.

manifest.json           schema, checkpoint, step, suite, objective, dimensions, sha256 of each file
items.parquet           row i: content id, modality, text, parts (pictures with their file, where they have one), and a
                        column for each attribute ("attribute:colour")
embeddings.safetensors  "items": (items, d) float32, row i is item i
rankings.parquet        per query: pool, right answers, rank, similarities, margin, hit, chance, AUROC within the query
pools.parquet           the candidates of each pool, once however many queries share it
negatives.parquet       per query its most similar negatives: similarity, weight, probability, share, true hardness
histograms.parquet      exact counts of similarities by data set and kind, in bins of 0.01 on [-1, 1]
scores.json             every score with n, pool size, chance and interval
projection.parquet      pca_x, pca_y of each item: principal components; umap_x, umap_y if asked for (NaN: no place)
thumbnails.parquet      WebP of each distinct picture or clip, by content id of the part
report.*                the scores for people, if asked for

Schema 1 listed the candidates of every query anew, had parts and attributes as JSON, and x, y for pca_x, pca_y.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from core.evaluation.bundle_items import write_items, write_thumbnails
from core.evaluation.bundle_rankings import RankedTables
from core.evaluation.embedded import Embedded
from core.evaluation.layouts import Layout, over_all
from core.evaluation.metrics import Score
from core.evaluation.projection import principal_plane
from core.files.atomic import whole_folder
from core.files.tensor_file import write_tensor

SCHEMA = 2


@dataclass(frozen=True)
class Description:
    """What a bundle says about where it comes from.

    objective: all settings of the trained objective by name, or None where it is not known or nothing was trained.
    suite: the settings of the suite.
    """

    checkpoint: str
    step: int
    suite: dict[str, Any]
    objective: dict[str, Any] | None


def write_bundle(
    folder: Path,
    description: Description,
    embedded: Embedded,
    tables: RankedTables,
    scores: Sequence[Score],
    reports: Mapping[str, str] | None = None,
    private: bool = False,
    layouts: Mapping[str, Layout] | None = None,
) -> None:
    """Write a bundle; it appears in one piece and replaces an older one of the same name.

    `tables` hold every ranking; `reports` are further text files by name, `layouts` further maps than PCA. private:
    name no folder of this machine.
    """
    with whole_folder(folder) as partial:
        write_items(embedded.items, partial / "items.parquet", private)
        write_tensor(partial / "embeddings.safetensors", "items", embedded.vectors)
        tables.write(partial)
        (partial / "scores.json").write_text(json.dumps([asdict(each) for each in scores], indent=1) + "\n")
        projections = write_layouts(partial / "projection.parquet", embedded, layouts or {})
        write_thumbnails(embedded.items, partial / "thumbnails.parquet")
        for name, text in (reports or {}).items():
            (partial / name).write_text(text)
        files = {path.name: sha256(path) for path in sorted(partial.iterdir())}
        described = {"dimensions": embedded.vectors.shape[1], "projections": projections}
        manifest = {"schema": SCHEMA, **asdict(description), **described, "files": files}
        (partial / "manifest.json").write_text(json.dumps(manifest, indent=2) + "\n")


def write_layouts(path: Path, embedded: Embedded, further: Mapping[str, Layout]) -> dict[str, dict[str, Any]]:
    """Write the principal plane and further maps; what is to be known of each: how it was made, share of variance."""
    plane, count = principal_plane(embedded.vectors), len(embedded.vectors)
    points = {"pca": plane.points, **{name: over_all(layout, count) for name, layout in further.items()}}
    columns = {f"{name}_{axis}": each[:, place] for name, each in points.items() for place, axis in enumerate("xy")}
    pq.write_table(pa.table(columns), path)
    pca = {"made": "PCA: principal components", "share": plane.share}
    return {"pca": pca, **{name: {"made": each.made, "share": each.share} for name, each in further.items()}}


def sha256(path: Path) -> str:
    """Return the hash of a file, read in blocks."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
