"""Synthetic files in exactly MMEB's evaluation layouts, with the miniature's scenes for pictures.

    <root>/<data set>/test-00000-of-00001.parquet    one folder for each of the 36 data sets, as on the hub
    <root>/images/<data set>/<number>.png            pictures; images/COCO has those that several data sets show

As in the real files the right candidate comes first, class names serve every row, and distractors come from the data
set's own targets. What else occurs more than once is a guess of how it is in MMEB, made rather too low than too high:

    labels       ImageNet-1K, -A and -R name the same classes, ObjectNet a third of them; other sets have their own
    answers      a fifth is common to all sets of questions ("yes", "two"), the rest are each set's own
    captions     each set's own
    pictures     a tenth of those of data sets made of COCO is shown by all of these, the rest by one each; a target's
                 picture is never a query's
    queries      two or three ask about one picture in sets that are made so; instructions and questions differ, so
                 the items differ where the picture is the same
"""

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from core.data.miniature.scenes import DrawnScene, Scene, phrase, random_shape, random_single
from core.data.mmeb.datasets import DATASETS, MmebDataset, known

COCO = frozenset(
    {"VisDial", "MSCOCO_t2i", "MSCOCO_i2t", "MSCOCO", "RefCOCO", "RefCOCO-Matching"}
    | {"Visual7W", "Visual7W-Pointing", "OK-VQA", "A-OKVQA"}
)
"""Data sets whose pictures are COCO's."""
COLLECTION = "COCO"
SHARED_EVERY = 10
"""Of the pictures of a data set in `COCO` one in so many is shown by the others too."""

QUERIES_A_PICTURE: Mapping[str, int] = {
    "InfographicsVQA": 2,
    "GQA": 3,
    "Visual7W": 2,
    "Visual7W-Pointing": 2,
    "RefCOCO": 2,
    "RefCOCO-Matching": 2,
}
"""How many queries show one picture, where it is more than 1."""

CLASSES, ANSWERS = "ImageNet-1K", "answers"
COMMON_TEXTS: Mapping[str, tuple[str, float]] = {
    "ImageNet-A": (CLASSES, 1.0),
    "ImageNet-R": (CLASSES, 1.0),
    "ObjectNet": (CLASSES, 1 / 3),
    **{each.name: (ANSWERS, 1 / 5) for each in DATASETS if each.meta_task == "vqa"},
}
"""Whose texts the targets of a data set have, and what part of them; the others are its own."""
VOCABULARIES: Mapping[str, int] = {name: place for place, name in enumerate([*(d.name for d in DATASETS), ANSWERS])}
VOCABULARY_SIZE = 10_000

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
        shown = QUERIES_FROM + number // QUERIES_A_PICTURE.get(dataset.name, 1)
        path = picture(dataset, shown, seed, scenes) if "image" in dataset.query else ""
        words = INSTRUCTIONS[dataset.meta_task]
        text = "" if dataset.query == "image" else question(pool[right], number)
        texts, paths = [pool[index][0] for index in order], [pool[index][1] for index in order]
        inner = TARGET_INSTRUCTION if "image" in dataset.target else ""
        rows.append(SyntheticRow(f"{MARK}\n{words}" if path else words, text, path, inner, texts, paths))
    return rows


def targets(dataset: MmebDataset, count: int, seed: int, scenes: dict[str, Scene]) -> list[tuple[str, str]]:
    """So many different targets, each a text and a path; one of both may be empty."""
    if dataset.target == "text":
        return [(words, "") for words in texts(dataset, count, seed)]
    paths = [picture(dataset, number, seed, scenes) for number in range(count)]
    words = texts(dataset, count, seed) if dataset.target == "image+text" else [""] * count
    return list(zip(words, paths, strict=True))


def texts(dataset: MmebDataset, count: int, seed: int) -> list[str]:
    """So many different texts: those that other data sets have too, then the data set's own."""
    vocabulary, part = COMMON_TEXTS.get(dataset.name, ("", 0.0))
    common = round(part * count)
    shared = different_phrases(vocabulary, common, seed) if common else []
    return shared + different_phrases(dataset.name, count - common, seed)


def different_phrases(vocabulary: str, count: int, seed: int) -> list[str]:
    """So many different phrases of a vocabulary; the first are the same whatever the count.

    There are few shapes, so a number that is the vocabulary's own tells its phrases from all others.
    """
    chance = random.Random(f"{seed}/phrases/{vocabulary}")
    first = VOCABULARIES[vocabulary] * VOCABULARY_SIZE
    shapes = [random_shape(chance) for _ in range(count)]
    return [f"{phrase(shape)} at the {shape.place}, number {first + place}" for place, shape in enumerate(shapes)]


def picture(dataset: MmebDataset, number: int, seed: int, scenes: dict[str, Scene]) -> str:
    """The path of a picture of the data set, or of the collection that it shares with others."""
    shared = dataset.name in COCO and number % SHARED_EVERY == 0
    path = f"{COLLECTION if shared else dataset.name}/{number:06d}.png"
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
