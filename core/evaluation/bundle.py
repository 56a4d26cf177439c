"""A bundle: everything about one evaluation that people look at, as an immutable, self-describing folder.

manifest.json           schema, checkpoint, step, suite, objective, dimensions, sha256 of each file
items.parquet           row i: content id, modality, text, parts (JSON), true attributes (JSON)
embeddings.safetensors  "items": (items, d) float32, row i is item i
rankings.parquet        per query: pool, right answers, rank, similarities, margin, hit, chance
negatives.parquet       per query its most similar negatives: similarity, weight, probability, share, true hardness
histograms.parquet      exact counts of similarities by data set and kind, in bins of 0.01 on [-1, 1]
scores.json             every score with n, pool size, chance and interval
projection.parquet      x, y of each item: principal components
thumbnails.parquet      WebP of each distinct picture or clip, by content id of the part
report.*                the scores for people, if asked for
"""

import hashlib
import io
import json
import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from jaxtyping import Float
from safetensors.numpy import save

from core.data.records import Image, Item, Text, Video, true_hardness
from core.evaluation.encode import Embedded
from core.evaluation.metrics import Score
from core.evaluation.scoring import Ranked
from core.files.atomic import whole_folder
from core.objectives.objective import Objective, PairTerms, row_terms

SCHEMA = 1
NEGATIVES = 20
EXTREME = 5
BINS = 200
THUMBNAIL = 96
ROWS_AT_ONCE = 8192


@dataclass(frozen=True)
class Description:
    """What a bundle says about where it comes from.

    objective: all settings of the trained objective by name. suite: the settings of the suite.
    """

    checkpoint: str
    step: int
    suite: dict[str, Any]
    objective: dict[str, Any]


def write_bundle(
    folder: Path,
    description: Description,
    objective: Objective,
    embedded: Embedded,
    ranked: Sequence[Ranked],
    scores: Sequence[Score],
    reports: Mapping[str, str] | None = None,
) -> None:
    """Write a bundle; it appears in one piece and replaces an older one of the same name.

    `reports` are further text files by name.
    """
    with whole_folder(folder) as partial:
        pq.write_table(items_table(embedded.items), partial / "items.parquet")
        (partial / "embeddings.safetensors").write_bytes(save({"items": np.ascontiguousarray(embedded.vectors)}))
        pq.write_table(rankings_table(ranked), partial / "rankings.parquet")
        pq.write_table(negatives_table(ranked, embedded.items, objective), partial / "negatives.parquet")
        pq.write_table(histograms_table(ranked), partial / "histograms.parquet")
        (partial / "scores.json").write_text(json.dumps([asdict(each) for each in scores], indent=1) + "\n")
        pq.write_table(projection_table(embedded.vectors), partial / "projection.parquet")
        pq.write_table(thumbnails_table(embedded.items), partial / "thumbnails.parquet")
        for name, text in (reports or {}).items():
            (partial / name).write_text(text)
        files = {path.name: sha256(path) for path in sorted(partial.iterdir())}
        manifest = {"schema": SCHEMA, **asdict(description), "dimensions": embedded.vectors.shape[1], "files": files}
        (partial / "manifest.json").write_text(json.dumps(manifest, indent=2) + "\n")


def sha256(path: Path) -> str:
    """Return the hash of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def items_table(items: Sequence[Item]) -> pa.Table:
    """Return one row an item, in the order of the vectors."""
    return pa.table(
        {
            "item": [item.content_id for item in items],
            "modality": [item.modality for item in items],
            "text": [item.text for item in items],
            "parts": [json.dumps([part_record(part) for part in item.parts]) for item in items],
            "attributes": [json.dumps(dict(item.attributes)) for item in items],
        }
    )


def part_record(part: Text | Image | Video) -> dict[str, str]:
    """{"type": "text", "text": ...}, or {"type": "image" or "video", "thumbnail": id in thumbnails.parquet}."""
    if isinstance(part, Text):
        return {"type": "text", "text": part.text}
    return {"type": type(part).__name__.lower(), "thumbnail": part.content_id}


def rankings_table(ranked: Sequence[Ranked]) -> pa.Table:
    """List one row a query. Items are rows of items.parquet; rank is expected over ties; margin: to the hardest."""
    hardest = [hardest_negative(each) for each in ranked]
    similarity = [float(each.similarities[each.right].max()) for each in ranked]
    return pa.table(
        {
            "dataset": [each.task.name for each in ranked],
            "meta_task": [each.task.meta_task for each in ranked],
            "in_distribution": [each.task.in_distribution for each in ranked],
            "query": pa.array([each.query for each in ranked], pa.int32()),
            "positive": pa.array([best_right(each) for each in ranked], pa.int32()),
            "candidates": pa.array([each.candidates for each in ranked], pa.list_(pa.int32())),
            "right": pa.array([each.candidates[each.right] for each in ranked], pa.list_(pa.int32())),
            "asks": pa.array([list(each.ranking.asks) for each in ranked], pa.list_(pa.string())),
            "rank": [each.placement.rank for each in ranked],
            "hit": [each.placement.hit(1) for each in ranked],
            "chance": [each.chance for each in ranked],
            "similarity": similarity,
            "hardest": pa.array([row for row, _ in hardest], pa.int32()),
            "hardest_similarity": pa.array([value for _, value in hardest], pa.float64()),
            "margin": pa.array(
                [None if value is None else own - value for own, (_, value) in zip(similarity, hardest, strict=True)],
                pa.float64(),
            ),
        }
    )


def best_right(ranked: Ranked) -> int:
    """Return the most similar right candidate."""
    return int(ranked.candidates[np.where(ranked.right, ranked.similarities, -np.inf).argmax()])


def hardest_negative(ranked: Ranked) -> tuple[int | None, float | None]:
    """Return the most similar wrong candidate and its similarity; None where every candidate is right."""
    if ranked.right.all():
        return None, None
    place = int(np.where(ranked.right, -np.inf, ranked.similarities).argmax())
    return int(ranked.candidates[place]), float(ranked.similarities[place])


def pool_terms(ranked: Ranked, objective: Objective) -> PairTerms:
    """Say what the objective does to a query's pool, as one row: its best right answer against the wrong ones."""
    positive = torch.from_numpy(ranked.candidates == best_right(ranked))[None]
    excluded = torch.from_numpy(ranked.right)[None] & ~positive
    return row_terms(objective, torch.from_numpy(ranked.similarities)[None], positive, excluded)


def negatives_table(ranked: Sequence[Ranked], items: Sequence[Item], objective: Objective) -> pa.Table:
    """Return the most similar wrong candidates of each query, at most 20.

    ranking: row of rankings.parquet. place: 1 is the most similar. true_hardness: asked attributes that differ, null
    where unknown; 0 is a false negative.
    """
    tables = [pool_negatives(number, each, items, objective) for number, each in enumerate(ranked)]
    return pa.concat_tables(tables)


NEGATIVE_FIELDS = pa.schema(
    {
        "ranking": pa.int32(),
        "place": pa.int32(),
        "negative": pa.int32(),
        "similarity": pa.float32(),
        "weight": pa.float64(),
        "probability": pa.float64(),
        "share": pa.float64(),
        "true_hardness": pa.int32(),
        "above_positive": pa.bool_(),
    }
)


def pool_negatives(number: int, ranked: Ranked, items: Sequence[Item], objective: Objective) -> pa.Table:
    """Return the rows of one query."""
    order = np.argsort(-ranked.similarities, kind="stable")
    order = order[~ranked.right[order]][:NEGATIVES]
    terms = pool_terms(ranked, objective)
    positive = best_right(ranked)
    rows = ranked.candidates[order]
    columns = {
        "ranking": np.full(len(order), number),
        "place": np.arange(1, len(order) + 1),
        "negative": rows,
        "similarity": ranked.similarities[order],
        "weight": terms.weight[0].numpy()[order],
        "probability": terms.probability[0].numpy()[order],
        "share": terms.share[0].numpy()[order],
        "true_hardness": [true_hardness(ranked.ranking.asks, items[positive], items[row]) for row in rows],
        "above_positive": ranked.similarities[order] > ranked.similarities[ranked.right].max(),
    }
    arrays = [pa.array(columns[field.name], type=field.type, from_pandas=False) for field in NEGATIVE_FIELDS]
    return pa.table(arrays, schema=NEGATIVE_FIELDS)


def histograms_table(ranked: Sequence[Ranked]) -> pa.Table:
    """Counts of similarities by data set and kind.

    Kinds: positive; hard and easy, the 5 most and least similar wrong candidates (LLaVE figure 1); all, every wrong
    candidate.
    """
    counts: dict[tuple[str, str], np.ndarray] = {}
    edges = np.linspace(-1, 1, BINS + 1)
    for each in ranked:
        wrong = np.sort(each.similarities[~each.right])
        kinds = {
            "positive": each.similarities[each.right].max(keepdims=True),
            "hard": wrong[-EXTREME:],
            "easy": wrong[:EXTREME],
            "all": wrong,
        }
        for kind, values in kinds.items():
            found = np.histogram(np.clip(values, -1, 1), edges)[0]
            counts[each.task.name, kind] = counts.get((each.task.name, kind), 0) + found
    return pa.table(
        {
            "dataset": np.repeat([dataset for dataset, _ in counts], BINS),
            "kind": np.repeat([kind for _, kind in counts], BINS),
            "left": np.tile(edges[:-1], len(counts)),
            "right": np.tile(edges[1:], len(counts)),
            "count": np.concatenate(list(counts.values())),
        }
    )


def projection_table(vectors: Float[np.ndarray, "items d"]) -> pa.Table:
    """Return the first two principal components of each item's vector; a flat map for a single item."""
    centre = vectors.mean(axis=0, dtype=np.float64).astype(np.float32)
    directions = principal_directions(vectors, centre)
    plane = np.zeros((len(vectors), 2), dtype=np.float32)
    plane[:, : directions.shape[1]] = vectors @ directions - centre @ directions
    return pa.table({"method": ["pca"] * len(vectors), "x": plane[:, 0], "y": plane[:, 1]})


def principal_directions(
    vectors: Float[np.ndarray, "items d"], centre: Float[np.ndarray, " d"]
) -> Float[np.ndarray, "d two"]:
    """Get the two directions of largest variance, one where there is no second; the largest entry of each is positive.

    From the d x d covariance, summed block by block, where there are more items than dimensions: the vectors of a
    full benchmark are gigabytes.
    """
    if len(vectors) <= vectors.shape[1]:
        directions = torch.linalg.svd(torch.from_numpy(vectors - centre), full_matrices=False)[2][:2].T.numpy()
    else:
        covariance = np.zeros((vectors.shape[1], vectors.shape[1]))
        for start in range(0, len(vectors), ROWS_AT_ONCE):
            block = vectors[start : start + ROWS_AT_ONCE] - centre
            covariance += block.T @ block
        directions = np.linalg.eigh(covariance)[1][:, ::-1][:, :2].astype(np.float32)
    largest = np.take_along_axis(directions, np.abs(directions).argmax(axis=0)[None], axis=0)
    return directions * np.where(largest < 0, -1, 1).astype(np.float32)


def thumbnails_table(items: Sequence[Item]) -> pa.Table:
    """Return each distinct picture and clip as WebP, at most 96 pixels high; a clip is its frames side by side."""
    parts = {part.content_id: part for item in items for part in item.parts if not isinstance(part, Text)}
    with ThreadPoolExecutor(min(32, os.cpu_count() or 1)) as pool:
        pictures = list(pool.map(lambda part: webp(thumbnail(part)), parts.values()))
    return pa.table({"thumbnail": list(parts), "webp": pa.array(pictures, pa.binary())})


def thumbnail(part: Image | Video) -> PIL.Image.Image:
    """Return a picture, or a strip of a clip's frames, reduced to at most 96 pixels of height."""
    sources = [part.source] if isinstance(part, Image) else list(part.frames)
    frames = [source.open() for source in sources]
    for frame in frames:
        frame.thumbnail((2 * THUMBNAIL, THUMBNAIL))
    strip = PIL.Image.new("RGB", (sum(frame.width for frame in frames), max(frame.height for frame in frames)))
    left = 0
    for frame in frames:
        strip.paste(frame, (left, 0))
        left += frame.width
    return strip


def webp(picture: PIL.Image.Image) -> bytes:
    """Return the picture's WebP encoding."""
    stream = io.BytesIO()
    picture.save(stream, "WEBP", quality=85)
    return stream.getvalue()
