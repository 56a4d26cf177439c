"""A mix of pairs as MMEB-train has it, as files in its layout, for both sides of a comparison to read.

    classification  picture + instruction -> class name       64 names, so they repeat within a batch
    question        picture + question    -> short answer     8 answers
    to_caption      picture + instruction -> caption
    to_picture      caption               -> picture
    composed        picture + change      -> picture

Half of the sides that are text alone are short, and pictures come in several sizes, from one crop of the tiny
model's grid to four. All are generated: miniature scenes, scaled, as JPEG.
"""

import json
import random
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TypeAlias

import PIL.Image
import pyarrow as pa
import pyarrow.parquet as pq

from core.data.miniature.scenes import DrawnScene, Scene, again, caption, random_scene, random_shape, random_single
from core.data.mmeb.training import META_TASKS_FILE
from core.data.records import Pair
from core.files.atomic import whole_folder

SIZES = ((48, 48), (64, 48), (96, 64), (96, 96), (64, 128), (160, 120))
META_TASKS = {
    "classification": "classification",
    "question": "vqa",
    "to_caption": "retrieval",
    "to_picture": "retrieval",
    "composed": "retrieval",
}
TABLE = "original-00000-of-00001.parquet"
MARK = "<|image_1|>"

Keep: TypeAlias = Callable[[Scene], str]


def write_mixture(root: Path, pairs_per_dataset: int, seed: int = 0, scale: float = 1.0) -> Path:
    """Write the mix under `root`, unless it is there already; pictures' sides are multiplied by `scale`.

    Raises:
        ValueError: `root` holds a mix of another length.
    """
    described = {"pairs_per_dataset": pairs_per_dataset, "seed": seed, "scale": scale}
    note = root / "mixture.json"
    if note.exists():
        if json.loads(note.read_text()) != described:
            raise ValueError(f"{root} holds {note.read_text()}, not {described}; name another folder.")
        return root
    with whole_folder(root) as partial:
        for number, name in enumerate(META_TASKS):
            write_dataset(partial, name, pairs_per_dataset, random.Random(f"{seed}/{number}"), scale)
        (partial / META_TASKS_FILE).write_text(json.dumps(META_TASKS))
        (partial / note.name).write_text(json.dumps(described))
    return root


def write_dataset(root: Path, name: str, count: int, chance: random.Random, scale: float) -> None:
    """Write one data set's table and pictures."""
    (root / name).mkdir()
    (root / "images" / name).mkdir(parents=True)
    written = 0

    def keep(scene: Scene) -> str:
        nonlocal written
        path = f"images/{name}/{written:05d}.jpg"
        width, height = chance.choice(SIZES)
        size = (round(scale * width), round(scale * height))
        DrawnScene(scene).open().resize(size, PIL.Image.Resampling.BICUBIC).save(root / path, quality=90)
        written += 1
        return path

    fields = ("qry", "qry_image_path", "pos_text", "pos_image_path")
    rows = [dict(zip(fields, make_row(name, chance, keep), strict=True)) for _ in range(count)]
    pq.write_table(pa.Table.from_pylist(rows), root / name / TABLE)


def make_row(name: str, chance: random.Random, keep: Keep) -> tuple[str, str, str, str]:
    """The four fields of one pair; `keep` stores a picture of a scene and says where."""
    single = random_single(chance)
    (shape,) = single.shapes
    if name == "classification":
        return f"{MARK} Name the shape in the image.", keep(single), f"{shape.colour} {shape.kind}", ""
    if name == "question":
        return f"{MARK} What colour is the {shape.kind} at the {shape.place}?", keep(single), shape.colour, ""
    if name == "composed":
        changed = again(single.change(colour=random_shape(chance).colour, size="large"), chance)
        return f"{MARK} Make it {changed.shapes[0].colour} and large.", keep(single), MARK, keep(changed)
    many = random_scene(chance, tuple(random_shape(chance) for _ in range(chance.randint(2, 4))))
    if name == "to_caption":
        return f"{MARK} Find a caption of the image.", keep(many), caption(many), ""
    return f"Find an image that matches the caption: {caption(many)}", "", MARK, keep(many)


def read_rows(root: Path) -> Mapping[str, list[dict[str, str]]]:
    """The tables as they lie on disk, by data set: what a user of another library would start from."""
    return {path.parent.name: pq.read_table(path).to_pylist() for path in sorted(root.glob(f"*/{TABLE}"))}


def without_repeats(pairs: Iterable[Pair], count: int) -> list[int]:
    """The first `count` pairs no item of which occurs in an earlier one: where duplicates cannot tell sides apart.

    Raises:
        ValueError: there are fewer.
    """
    seen: set[str] = set()
    chosen: list[int] = []
    for index, pair in enumerate(pairs):
        ids = {pair.query.content_id, pair.positive.content_id}
        if len(ids) == 2 and not ids & seen:
            seen |= ids
            chosen.append(index)
            if len(chosen) == count:
                return chosen
    raise ValueError(f"Only {len(chosen)} of the pairs repeat no item; {count} are needed.")
