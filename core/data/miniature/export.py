"""Writes the miniature's training data sets as files in MMEB-train's layout, for the reader of MMEB to read back.

    python -m core.data.miniature.export --out data/miniature --pairs_per_dataset 2000

The text and pictures of a pair come back as they were drawn. Its true attributes do not: MMEB has no field for them.
"""

import json
import os
import tempfile
from pathlib import Path

import jsonargparse
import pyarrow as pa
import pyarrow.parquet as pq
from tqdm import tqdm

from core.data.miniature.benchmark import MiniaturePairs, training_sets
from core.data.mmeb.training import META_TASKS_FILE
from core.data.records import Image, Item, Pair, Text

SPLIT_FILE = "original-00000-of-00001.parquet"


def export(out: Path, pairs_per_dataset: int = 2000, seed: int = 0) -> None:
    """Write the miniature's training data sets as MMEB files: Parquet tables and PNG pictures.

    Args:
        out: the folder to write; it must not exist yet, or be empty. It appears only once everything is written.
        pairs_per_dataset: rows of each data set, at least 1.
        seed: of the generated pairs; the same seed gives the same files.

    Raises:
        ValueError: the folder holds something, or a number is out of range.
    """
    length = min(len(dataset) for dataset in training_sets(seed))
    if not 1 <= pairs_per_dataset <= length:
        raise ValueError(f"pairs_per_dataset = {pairs_per_dataset} is outside 1..{length}.")
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise ValueError(f"out = {out} is there already and not empty; name a new folder or remove it.")
    out.parent.mkdir(parents=True, exist_ok=True)
    datasets = training_sets(seed)
    with (
        tempfile.TemporaryDirectory(dir=out.parent, prefix=f".{out.name}.") as scratch,
        tqdm(total=pairs_per_dataset * len(datasets), desc="writing the miniature", unit="pair") as bar,
    ):
        root = Path(scratch) / "mmeb"
        written: dict[str, str] = {}
        for dataset in datasets:
            write_dataset(root, dataset, pairs_per_dataset, written, bar)
        meta_tasks = {dataset.name: dataset.meta_task for dataset in datasets}
        (root / META_TASKS_FILE).write_text(json.dumps(meta_tasks, indent=2) + "\n", encoding="utf-8")
        os.replace(root, out)


def write_dataset(root: Path, dataset: MiniaturePairs, pairs: int, written: dict[str, str], bar: tqdm) -> None:
    """Write one data set's table and those of its pictures that are not yet in `written` (content id to path)."""
    (root / dataset.name).mkdir(parents=True)
    (root / "images" / dataset.name).mkdir(parents=True)
    rows = []
    for index in range(pairs):
        rows.append(record(dataset[index], root, written))
        bar.update()
    table = pa.Table.from_pylist(rows)
    if not any(row["neg_text"] or row["neg_image_path"] for row in rows):
        table = table.drop_columns(["neg_text", "neg_image_path"])
    pq.write_table(table, root / dataset.name / SPLIT_FILE)


def record(pair: Pair, root: Path, written: dict[str, str]) -> dict[str, str]:
    """Return a pair as a row of MMEB-train; several negatives are lists written as strings, as in mmE5's files."""
    query, positive, *negatives = (fields(item, pair.dataset, root, written) for item in pair.items())
    if len(negatives) > 1:
        neg_text, neg_path = str([text for text, _ in negatives]), str([path for _, path in negatives])
    else:
        neg_text, neg_path = negatives[0] if negatives else ("", "")
    return {
        "qry": query[0],
        "qry_image_path": query[1],
        "pos_text": positive[0],
        "pos_image_path": positive[1],
        "neg_text": neg_text,
        "neg_image_path": neg_path,
    }


def fields(item: Item, dataset: str, root: Path, written: dict[str, str]) -> tuple[str, str]:
    """Return an item of text and at most one picture as MMEB's text with a placeholder, and the picture's path or "".

    Raises:
        ValueError: the item has a clip or several pictures, for which MMEB-train has no field.
    """
    pieces, path = [], ""
    for part in item.parts:
        if isinstance(part, Text):
            pieces.append(part.text)
        elif isinstance(part, Image) and not path:
            pieces.append("<|image_1|>")
            key = part.source.content_id
            if key not in written:
                written[key] = f"images/{dataset}/{key}.png"
                part.source.open().save(root / written[key])
            path = written[key]
        else:
            raise ValueError(f"MMEB's layout has no place for item {item.text!r} of the data set {dataset}.")
    return "\n".join(pieces), path


def main() -> None:
    """Read the settings and write; what is wrong with them ends the program with a message."""
    try:
        jsonargparse.auto_cli(export, as_positional=False)
    except ValueError as error:
        raise SystemExit(f"error: {error}") from error


if __name__ == "__main__":
    main()
