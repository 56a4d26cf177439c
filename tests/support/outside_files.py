"""The files of another tool: vectors, items with pictures, and pairs, written as its users would."""

import json
from pathlib import Path

import numpy as np
import PIL.Image
import pyarrow as pa
import pyarrow.parquet as pq
from safetensors.numpy import save_file

COLOURS = ("red", "green", "blue", "yellow", "purple", "orange")
DIMENSIONS = 8


def caption(colour: str) -> str:
    return f"a {colour} square"


def item_rows(folder: Path) -> list[dict[str, object]]:
    """Captions, pictures of each colour, and one item of both."""
    (folder / "pictures").mkdir(parents=True, exist_ok=True)
    rows: list[dict[str, object]] = []
    for colour in COLOURS:
        PIL.Image.new("RGB", (40, 30), colour).save(folder / "pictures" / f"{colour}.png")
        attributes = json.dumps({"colour": colour})
        rows.append({"id": f"q-{colour}", "text": caption(colour), "image": "", "attributes": attributes})
        rows.append({"id": f"t-{colour}", "text": "", "image": f"pictures/{colour}.png", "attributes": attributes})
    rows.append({"id": "card", "text": "red: a colour", "image": "pictures/red.png", "attributes": ""})
    return rows


def vectors_of(rows: list[dict[str, object]], seed: int = 0) -> np.ndarray:
    """Of any length: a caption is near the picture of its colour, but blue is nearest to green."""
    directions = dict(zip(COLOURS, np.eye(DIMENSIONS), strict=False))
    chance = np.random.default_rng(seed)
    out = []
    for row in rows:
        colour = str(row["id"]).split("-")[-1]
        vector = directions.get(colour, np.eye(DIMENSIONS)[-1]).copy()
        if row["id"] == "q-blue":
            vector = 0.6 * directions["blue"] + 0.8 * directions["green"]
        out.append((vector + 0.05 * chance.normal(size=DIMENSIONS)) * chance.uniform(0.5, 3))
    return np.array(out)


def pair_rows() -> list[dict[str, object]]:
    """Caption -> picture over the whole pool; the card against two named candidates."""
    rows: list[dict[str, object]] = [
        {"query": f"q-{colour}", "positive": [f"t-{colour}"], "dataset": "captions", "asks": '["colour"]'}
        for colour in COLOURS
    ]
    return [
        *rows,
        {"query": "card", "positive": ["t-red"], "candidates": ["t-blue", "t-green"], "dataset": "cards", "asks": None},
    ]


def write_vectors(path: Path, vectors: np.ndarray, ids: list[str] | None = None) -> Path:
    """By the suffix: numpy, safetensors, or Parquet (with ids if given)."""
    if path.suffix == ".npy":
        np.save(path, vectors)
    elif path.suffix == ".safetensors":
        save_file({"vectors": np.ascontiguousarray(vectors, dtype=np.float32)}, path)
    else:
        columns = {"embedding": pa.array(list(vectors), pa.list_(pa.float32()))}
        pq.write_table(pa.table(({"id": ids} if ids else {}) | columns), path)
    return path


def write_rows(path: Path, rows: list[dict[str, object]]) -> Path:
    """JSON lines, CSV or Parquet by the suffix."""
    if path.suffix == ".jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    elif path.suffix == ".parquet":
        pq.write_table(pa.Table.from_pylist(rows), path)
    else:
        lines = [",".join(rows[0])]
        for row in rows:
            cells = (
                json.dumps(each) if isinstance(each, list) else "" if each is None else str(each)
                for each in row.values()
            )
            lines.append(",".join('"' + each.replace('"', '""') + '"' for each in cells))
        path.write_text("\n".join(lines) + "\n")
    return path


def write_outside(folder: Path, vectors: str = ".npy", tables: str = ".jsonl") -> dict[str, Path]:
    """All three files; their paths by the names of the settings."""
    rows = item_rows(folder)
    return {
        "embeddings": write_vectors(folder / f"vectors{vectors}", vectors_of(rows)),
        "items": write_rows(folder / f"items{tables}", rows),
        "pairs": write_rows(folder / f"pairs{tables}", [{"candidates": None} | row for row in pair_rows()]),
    }
