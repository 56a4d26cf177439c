"""A bundle as the Parquet file that Embedding Atlas opens: map, neighbours, words, pictures, and how queries fared.

Embedding Atlas (0.26) takes precomputed coordinates by --x and --y, and by --neighbors a column of structs
{"ids": [...], "distances": [...]} whose ids are row numbers from 0; it shows a column of structs {"bytes", "path"} as
pictures. It pins other versions than this project, so it is started beside it and meets it in this file alone.
"""

import shlex
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from jaxtyping import Float, Int

from core.evaluation.top_k import top_k
from core.files.atomic import whole_file
from workbench.bundles.bundle import Bundle

NEIGHBOURS = 15
PICTURE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
NEAREST = pa.struct([("ids", pa.list_(pa.int64())), ("distances", pa.list_(pa.float32()))])


def write_atlas(bundle: Bundle, path: Path, neighbours: int = NEIGHBOURS) -> None:
    """Write a bundle for Embedding Atlas; the file appears in one piece.

    Raises:
        ValueError: the name does not end in .parquet, or `neighbours` is below 1.
        core.files.atomic.CannotWrite: the system refused.
    """
    if path.suffix != ".parquet":
        raise ValueError(f"output = {path}: Embedding Atlas reads Parquet; name a file that ends in .parquet.")
    table = atlas_table(bundle, neighbours)
    with whole_file(path) as partial:
        pq.write_table(table, partial)


def atlas_command(path: Path) -> str:
    """Say what to type to open the file; the tool runs in an environment of its own."""
    columns = "--x x --y y --neighbors neighbors --text text --image picture"
    return f"uvx embedding-atlas {shlex.quote(str(path))} {columns}"


def atlas_table(bundle: Bundle, neighbours: int = NEIGHBOURS) -> pa.Table:
    """Return one row an item, in the bundle's order.

    Columns: id, text, modality, role ("query", "target", "both" or "none"), dataset (all that use the item), x, y,
    neighbors (the row itself first, distance 1 - cosine), picture (its first), fools (of how many queries it ranks
    above the right answer), and attributes as attribute_<name>. For queries also: meta_task, rank, hit, margin,
    similarity (to the right answer), hardest (words of the hardest negative); of an item that asks in several
    rankings those of the one with the smallest margin.
    """
    columns = {
        "id": pa.array(bundle.items["item"], pa.string()),
        "text": pa.array(bundle.items["text"], pa.string()),
        "modality": pa.array(bundle.items["modality"], pa.string()),
        **roles(bundle),
        "x": pa.array(bundle.layouts["pca"].points[:, 0], pa.float32()),
        "y": pa.array(bundle.layouts["pca"].points[:, 1], pa.float32()),
        "neighbors": neighbour_column(bundle.vectors, neighbours),
        "picture": picture_column(bundle),
        "fools": pa.array(fooled(bundle), pa.int64()),
        **query_columns(bundle),
        **attribute_columns(bundle),
    }
    return pa.table(columns)


def roles(bundle: Bundle) -> dict[str, pa.Array]:
    """Say what each item is used as, and in which data sets."""
    asks: list[set[str]] = [set() for _ in range(len(bundle.items))]
    answers: list[set[str]] = [set() for _ in range(len(bundle.items))]
    order = {name: place for place, name in enumerate(bundle.datasets)}
    for dataset in bundle.datasets:
        numbers = bundle.numbers(dataset)
        for row in bundle.rankings["query"].iloc[numbers].unique():
            asks[row].add(dataset)
        for row in bundle.candidates.union(numbers, len(bundle.items)):
            answers[row].add(dataset)
    names = {(True, True): "both", (True, False): "query", (False, True): "target", (False, False): "none"}
    pairs = list(zip(asks, answers, strict=True))
    return {
        "role": pa.array([names[bool(asked), bool(answered)] for asked, answered in pairs], pa.string()),
        "dataset": pa.array([", ".join(sorted(a | b, key=order.__getitem__)) for a, b in pairs], pa.string()),
    }


def neighbour_column(vectors: Float[np.ndarray, "items d"], neighbours: int) -> pa.Array:
    """Return the most similar rows of each row, itself first, with 1 - cosine as the distance.

    Raises:
        ValueError: `neighbours` is below 1.
    """
    ids, distances = nearest_rows(vectors, neighbours)
    found = [{"ids": row, "distances": far} for row, far in zip(ids.tolist(), distances.tolist(), strict=True)]
    return pa.array(found, NEAREST)


def nearest_rows(
    vectors: Float[np.ndarray, "items d"], neighbours: int
) -> tuple[Int[np.ndarray, "items k"], Float[np.ndarray, "items k"]]:
    """Return exact neighbours by cosine, the row itself and at most `neighbours` others. Raises ValueError below 1."""
    if neighbours < 1:
        raise ValueError(f"neighbours = {neighbours} is below 1.")
    every = torch.from_numpy(vectors)
    found = top_k(every, every, neighbours + 1)
    own = torch.arange(len(vectors))[:, None]
    others = found.rows != own
    others[others.all(dim=1), -1] = False  # where so many are alike that it is not among its own nearest
    kept = found.rows.shape[1] - 1
    far = (1 - found.similarities[others].unflatten(0, (len(vectors), kept))).clamp(min=0)
    ids = torch.cat([own, found.rows[others].unflatten(0, (len(vectors), kept))], dim=1)
    return ids.numpy(), torch.cat([torch.zeros(len(vectors), 1), far], dim=1).numpy()


def picture_column(bundle: Bundle) -> pa.Array:
    """Return the first picture of each item, or the strip of its clip's frames; null for words alone."""
    names = [
        next((part["thumbnail"] for part in parts if part["type"] != "text"), None)
        for parts in bundle.part_lists.to_pylist()
    ]
    found = [
        None
        if name is None or name not in bundle.thumbnails
        else {"bytes": bundle.thumbnails[name], "path": f"{name}.webp"}
        for name in names
    ]
    return pa.array(found, PICTURE)


def fooled(bundle: Bundle) -> Int[np.ndarray, " items"]:
    """For each item the number of queries in whose stored negatives it is more similar than the right answer."""
    above = bundle.negatives.loc[bundle.negatives["above_positive"], "negative"].to_numpy()
    return np.bincount(above, minlength=len(bundle.items)).astype(np.int64)


def query_columns(bundle: Bundle) -> dict[str, pa.Array]:
    """Say how each query fared; null for items that ask nothing."""
    ordered = bundle.rankings.sort_values(by="margin", kind="stable", na_position="last")
    worst = ordered.drop_duplicates("query").set_index("query").reindex(range(len(bundle.items)))
    words = bundle.items["text"].to_numpy()
    hardest = [None if pd.isna(row) else str(words[int(row)]) for row in worst["hardest"]]
    columns = {name: worst[name].astype("float64") for name in ("rank", "hit", "margin", "similarity")}
    return {
        "meta_task": pa.array(worst["meta_task"], pa.string(), from_pandas=True),
        **{name: pa.array(values, pa.float64(), from_pandas=True) for name, values in columns.items()},
        "hardest": pa.array(hardest, pa.string()),
    }


def attribute_columns(bundle: Bundle) -> dict[str, pa.Array]:
    """Say what the items truly show, one column an attribute; empty where nothing is known."""
    table = bundle.attribute_table
    return {f"attribute_{name}": pa.array(table[name].astype(object), pa.string(), from_pandas=True) for name in table}
