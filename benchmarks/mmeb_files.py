"""Synthetic files in exactly MMEB's evaluation layouts, with the miniature's scenes for pictures.

    <root>/<data set>/test-00000-of-00001.parquet    one folder for each of the 36 data sets, as on the hub
    <root>/images/<collection>/<number>.png          pictures; some collections serve several data sets, as COCO does

As in the real files the right candidate comes first, class names serve every row, and distractors come from the data
set's own targets, so that most items occur many times.
"""

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from core.data.miniature.scenes import DrawnScene, Scene, random_shape, random_single
from core.data.miniature.words import phrase
from core.data.mmeb_datasets import DATASETS, MmebDataset, known

COLLECTIONS: Mapping[str, str] = {
    "VisDial": "MSCOCO",
    "MSCOCO_t2i": "MSCOCO",
    "MSCOCO_i2t": "MSCOCO",
    "RefCOCO": "MSCOCO",
    "RefCOCO-Matching": "MSCOCO",
    "Visual7W": "MSCOCO",
    "Visual7W-Pointing": "MSCOCO",
    "OK-VQA": "MSCOCO",
    "A-OKVQA": "MSCOCO",
    "VisualNews_t2i": "VisualNews",
    "VisualNews_i2t": "VisualNews",
}
"""Whose pictures a data set shows, where they are not its own."""

MARK = "<|image_1|>"
INSTRUCTIONS: Mapping[str, str] = {
    "classification": "Represent the given image for classification",
    "vqa": "Represent the given image with the following question:",
    "retrieval": "Find what goes with the following:",
    "grounding": "Select the portion of the image that isolates the object of the following phrase:",
}
TARGET_INSTRUCTION = "Represent the given image."
QUERIES_FROM = 100_000
"""The number of the first query's picture; targets count from 0."""


@dataclass(frozen=True)
class SyntheticRow:
    """One query: instruction, text and picture of the query, and those of its candidates, the right one first."""

    query_instruction: str
    query_text: str
    query_path: str
    target_instruction: str
    target_texts: list[str]
    target_paths: list[str]


def write_mmeb_eval(
    root: Path, queries: int = 3, candidates: int = 8, datasets: Sequence[str] | None = None, seed: int = 0
) -> None:
    """Write data sets in the layout of TIGER-Lab/MMEB-eval (V1).

    Args:
        root: the folder to write into.
        queries: rows of each data set.
        candidates: of each query, the right one included; fewer where MMEB has fewer classes. At least 2.
        datasets: names of MMEB-eval; None for all 36.
        seed: another seed gives other pictures and words.

    Raises:
        ValueError: a data set's name is unknown, or a number is too small.
    """
    write(root, queries, candidates, datasets, seed, version_one)


def write_mmeb_instruct(
    root: Path, queries: int = 3, candidates: int = 8, datasets: Sequence[str] | None = None, seed: int = 0
) -> None:
    """Write the same data sets in the layout of ziyjiang/MMEB_Test_Instruct (V2). See `write_mmeb_eval`."""
    write(root, queries, candidates, datasets, seed, instruct)


def write(
    root: Path,
    queries: int,
    candidates: int,
    datasets: Sequence[str] | None,
    seed: int,
    record: Callable[[SyntheticRow], dict[str, object]],
) -> None:
    """Write the tables in one of the two layouts, and the pictures that they name."""
    if queries < 1 or candidates < 2:
        raise ValueError(f"queries = {queries} must be at least 1 and candidates = {candidates} at least 2.")
    chosen = DATASETS if datasets is None else [known(name) for name in datasets]
    scenes: dict[str, Scene] = {}
    for dataset in chosen:
        rows = synthetic_rows(dataset, queries, candidates, seed, scenes)
        path = root / dataset.name / "test-00000-of-00001.parquet"
        path.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(pa.Table.from_pylist([record(row) for row in rows]), path)
    for name, scene in scenes.items():
        path = root / "images" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        DrawnScene(scene).open().save(path)


def synthetic_rows(
    dataset: MmebDataset, queries: int, candidates: int, seed: int, scenes: dict[str, Scene]
) -> list[SyntheticRow]:
    """The rows of one data set; the pictures that they show are added to `scenes` by path."""
    count = min(candidates, dataset.candidates)
    chance = random.Random(f"{seed}/{dataset.name}")
    pool = targets(dataset, count if dataset.meta_task == "classification" else 2 * count, seed, scenes)
    rows = []
    for number in range(queries):
        right = number % len(pool)
        others = [index for index in range(len(pool)) if index != right]
        order = [right, *chance.sample(others, count - 1)]
        path = picture(dataset, QUERIES_FROM + number, seed, scenes) if "image" in dataset.query else ""
        words = INSTRUCTIONS[dataset.meta_task]
        text = "" if dataset.query == "image" else question(pool[right], number)
        texts, paths = [pool[index][0] for index in order], [pool[index][1] for index in order]
        inner = TARGET_INSTRUCTION if "image" in dataset.target else ""
        rows.append(SyntheticRow(f"{MARK}\n{words}" if path else words, text, path, inner, texts, paths))
    return rows


def targets(dataset: MmebDataset, count: int, seed: int, scenes: dict[str, Scene]) -> list[tuple[str, str]]:
    """So many different targets, each a text and a path; one of both may be empty."""
    if dataset.target == "text":
        return [(words, "") for words in different_phrases(count, seed)]
    paths = [picture(dataset, number, seed, scenes) for number in range(count)]
    words = different_phrases(count, seed) if dataset.target == "image+text" else [""] * count
    return list(zip(words, paths, strict=True))


def different_phrases(count: int, seed: int) -> list[str]:
    """So many different phrases; the first are the same whatever the count."""
    chance = random.Random(f"{seed}/phrases")
    found: dict[str, None] = {}
    while len(found) < count:
        shape = random_shape(chance)
        words = f"{phrase(shape)} at the {shape.place}"
        found.setdefault(words if words not in found else f"{words}, number {len(found)}")
    return list(found)


def picture(dataset: MmebDataset, number: int, seed: int, scenes: dict[str, Scene]) -> str:
    """The path of a picture of the data set's collection, which is the same for all data sets that share it."""
    collection = COLLECTIONS.get(dataset.name, dataset.name)
    path = f"{collection}/{number:06d}.png"
    if path not in scenes:
        scenes[path] = random_single(random.Random(f"{seed}/{path}"))
    return path


def question(target: tuple[str, str], number: int) -> str:
    """What a query says of its right target."""
    return f"what shows {target[0] or target[1].removesuffix('.png')}? ({number})"


def version_one(row: SyntheticRow) -> dict[str, object]:
    """The record of MMEB-eval: instructions are part of the texts."""
    inner = f"{MARK}\n{row.target_instruction}" if row.target_instruction else ""
    return {
        "qry_text": f"{row.query_instruction} {row.query_text}".strip() + "\n",
        "qry_img_path": row.query_path,
        "tgt_text": [f"{inner} {text}".strip() + "\n" * bool(inner) for text in row.target_texts],
        "tgt_img_path": row.target_paths,
    }


def instruct(row: SyntheticRow) -> dict[str, object]:
    """The record of MMEB_Test_Instruct: instructions have fields of their own."""
    return {
        "qry_inst": f"{row.query_instruction}\n",
        "qry_text": row.query_text,
        "qry_img_path": row.query_path,
        "tgt_inst": f"{MARK}\n{row.target_instruction}\n" if row.target_instruction else "",
        "tgt_text": row.target_texts,
        "tgt_img_path": row.target_paths,
    }
