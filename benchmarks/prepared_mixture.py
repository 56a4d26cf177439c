"""A batch of prepared items with MMEB-like lengths, without reading a file: what loader processes would hand over.

Of eight pairs: 2 classifications, 2 questions, 2 captions of a picture, 1 picture of a caption, 1 picture of a picture
and a change. So half of the sides that are text alone are short, and class names and answers repeat.
"""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import PIL.Image
import torch

from core.data.records import Image, Item, Text
from core.encoder.embedder import Embedder
from core.encoder.inputs import ModelInputs, TokenizedItem, VisionInputs, sorted_chunks
from core.training.step_data import StepData

SIZES = ((224, 224), (336, 336), (480, 360), (500, 375), (640, 427), (640, 480))
TINY_SIZES = ((48, 48), (64, 48), (96, 64), (96, 96))
KINDS = ("class", "class", "question", "question", "caption", "caption", "picture", "change")
CLASS_NAMES = 64
ANSWERS = 200
TEMPLATES = 24


@dataclass(frozen=True)
class NoisePicture:
    """A picture of noise; the same seed and size give the same."""

    size: tuple[int, int]
    seed: int

    @property
    def content_id(self) -> str:
        """Seed and size."""
        return f"{self.seed}-{self.size}"

    def open(self) -> PIL.Image.Image:
        """Draw it, RGB."""
        width, height = self.size
        return PIL.Image.fromarray(
            np.random.default_rng(self.seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
        )


@dataclass(frozen=True)
class Workload:
    """The prepared sides of a batch, and the content id of each: equal ids are equal items."""

    queries: list[TokenizedItem]
    targets: list[TokenizedItem]
    query_ids: list[int]
    target_ids: list[int]

    def distinct(self) -> list[TokenizedItem]:
        """Every item once."""
        return list(dict(zip(self.query_ids + self.target_ids, self.queries + self.targets, strict=True)).values())


def workload(embedder: Embedder, pairs: int, tiny: bool) -> Workload:
    """Random pairs. Few pictures are drawn and resized; others take their pixels under another name."""
    chance = random.Random(0)
    prototypes = [
        embedder.prepare(Item((Image(NoisePicture(size, seed)), Text("a"))))
        for seed, size in enumerate((TINY_SIZES if tiny else SIZES) * (TEMPLATES // 6))
    ]
    blank = embedder.prepare(Item((Text("a"),)))
    sides = [pair_of(KINDS[number % len(KINDS)], number, chance, prototypes, blank) for number in range(pairs)]
    queries, targets = [query for query, _ in sides], [target for _, target in sides]
    names = {"query": range(pairs), "target": [identity(each, pairs + n) for n, each in enumerate(targets)]}
    return Workload(queries, targets, list(names["query"]), list(names["target"]))


def pair_of(
    kind: str, number: int, chance: random.Random, prototypes: Sequence[TokenizedItem], blank: TokenizedItem
) -> tuple[TokenizedItem, TokenizedItem]:
    """Query and target of one pair."""

    def pictured(name: str, words: int) -> TokenizedItem:
        return renamed(chance.choice(prototypes), f"{name}-{number}", words, chance)

    def written(words: int, source: random.Random) -> TokenizedItem:
        return worded(blank, words, source)

    if kind == "class":
        name = random.Random(chance.randrange(CLASS_NAMES))
        return pictured("query", chance.randint(8, 16)), written(3, name)
    if kind == "question":
        answer = random.Random(CLASS_NAMES + chance.randrange(ANSWERS))
        return pictured("query", chance.randint(10, 24)), written(2, answer)
    if kind == "caption":
        return pictured("query", 10), written(chance.randint(12, 48), chance)
    if kind == "picture":
        return written(chance.randint(20, 56), chance), pictured("target", 8)
    return pictured("query", chance.randint(12, 30)), pictured("target", 8)


def worded(item: TokenizedItem, words: int, chance: random.Random) -> TokenizedItem:
    """The item with so many random tokens put before its end; places count on from its last."""
    extra = torch.tensor([chance.randrange(270, 500) for _ in range(words)])
    ids = torch.cat((item.token_ids[:-1], extra, item.token_ids[-1:]))
    positions = item.positions
    if positions is not None:
        more = positions[:, -1:] + torch.arange(1, words + 1)
        positions = torch.cat((positions, more), dim=1)
    return replace(item, token_ids=ids, positions=positions)


def renamed(item: TokenizedItem, name: str, words: int, chance: random.Random) -> TokenizedItem:
    """The item with its picture under another id, as if it were another picture, and with other words."""
    images = tuple(replace(still, id=f"{name}-{place}") for place, still in enumerate(item.images))
    return replace(worded(item, words, chance), images=images)


def identity(item: TokenizedItem, fallback: int) -> int:
    """A number for text alone, the same for the same text; `fallback` for an item with pictures."""
    if item.images:
        return fallback
    return 2**32 + hash(tuple(item.token_ids.tolist())) % 2**28


def step_of(
    batch: Workload,
    collate: Callable[[Sequence[TokenizedItem]], ModelInputs],
    chunk: int,
    once: bool = True,
    by_length: bool = True,
    floats: bool = False,
) -> StepData:
    """The batch as the training step takes it; what it saves can be turned off.

    once: encode repeated items once. by_length: sort before cutting into chunks. floats: pixels as float32.
    """
    sides, ids = batch.queries + batch.targets, batch.query_ids + batch.target_ids
    keys = ids if once else list(range(len(ids)))
    items = dict(zip(keys, sides, strict=True))
    order = list(items)
    lengths = [items[key].length for key in order]
    indices = sorted_chunks(lengths if by_length else [0] * len(lengths), chunk)
    row_of = {order[index]: row for row, index in enumerate(index for each in indices for index in each)}
    chunks = [collate([items[order[index]] for index in each]) for each in indices]
    half, none = len(batch.queries), torch.zeros(0, dtype=torch.long)
    return StepData(
        step=0,
        pairs=[],
        chunks=[with_floats(each) for each in chunks] if floats else chunks,
        items=[],
        query_rows=torch.tensor([row_of[key] for key in keys[:half]]),
        target_rows=torch.tensor([row_of[key] for key in keys[half:]]),
        query_ids=torch.tensor(batch.query_ids),
        target_ids=torch.tensor(batch.target_ids),
        negative_rows=none,
        negative_ids=none,
        negative_owners=none,
    )


def with_floats(chunk: ModelInputs) -> ModelInputs:
    """The chunk with its pixels, still 0 to 255, as float32: four times the bytes to carry to the device."""
    images: VisionInputs = replace(chunk.images, pixels=chunk.images.pixels.float())
    return replace(chunk, images=images)
