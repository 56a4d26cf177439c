"""Generated evaluations of the sizes that people bring to the explorer: vectors, items, right answers and pools.

Trained models use far fewer directions than their vectors have numbers, so vectors are drawn around cluster centres in
few dimensions, turned into the many, and blurred a little there. A query is its right answer moved by a noise of its
own strength, so some queries are easy and some fail.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
from jaxtyping import Float, Int

from core.data.miniature.scenes import DrawnScene, caption, phrase, random_single
from core.data.records import Image, Item, Part, Text

SizeName: TypeAlias = Literal["tiny", "miniature", "import_10k", "mmeb", "million", "import_50k"]
INNER, CLUSTERS = 24, 40
"""Dimensions that the vectors really use, and clusters of each data set in them."""
SPREAD, BLUR = 0.7, 0.15
"""Of the items around their centre, and of every number in the end, as parts of the centres' own spread."""
NOISE = (0.3, 2.5)
"""Weakest and strongest noise of a query."""
ROWS_AT_ONCE = 2**16
ASKS = ("shape", "colour")


@dataclass(frozen=True)
class Size:
    """How large an evaluation is.

    queries, items: of each data set; its items are its targets. candidates: of each query, drawn from the items; None
    ranks all of them. pictures: one target in so many shows one; 0: none. attributes: whether items say what they truly
    show. imported: whether the vectors come from files of another tool, with ids; else from a checkpoint's evaluation.
    """

    datasets: int
    queries: int
    items: int
    candidates: int | None
    dimensions: int
    pictures: int = 0
    attributes: bool = False
    imported: bool = False

    @property
    def rows(self) -> int:
        """Items of a data set, its queries included."""
        return self.queries + self.items


SIZES: dict[SizeName, Size] = {
    "tiny": Size(2, 12, 20, 8, 16, pictures=2, attributes=True),
    "miniature": Size(10, 100, 200, 16, 64, pictures=1, attributes=True),
    "import_10k": Size(1, 10_000, 10_000, None, 512, imported=True),
    "mmeb": Size(36, 1000, 5000, 1000, 896, pictures=10),
    "million": Size(1, 5000, 995_000, 100, 256, imported=True),
    "import_50k": Size(1, 50_000, 50_000, None, 256, imported=True),
}


def dataset_name(number: int) -> str:
    """Return the name of a data set by its number."""
    return f"set {number + 1:02d}"


def right_answers(size: Size, number: int) -> Int[np.ndarray, " queries"]:
    """Return the target that is right for each query, from 0; every target is right for some query if there are enough.

    number: of the data set, as in all that follows.
    """
    order = np.random.default_rng([number, 0]).permutation(size.items)
    return order[np.arange(size.queries) % size.items]


def unit_vectors(size: Size, number: int) -> Iterator[Float[np.ndarray, "rows d"]]:
    """Return the vectors of a data set by blocks of rows, float32, norm 1: the queries', then the targets'."""
    chance = np.random.default_rng([number, 1])
    centres = chance.standard_normal((CLUSTERS, INNER), dtype=np.float32)
    targets = centres[chance.integers(CLUSTERS, size=size.items)]
    targets += SPREAD * chance.standard_normal(targets.shape, dtype=np.float32)
    strength = chance.uniform(*NOISE, size=(size.queries, 1)).astype(np.float32)
    noise = chance.standard_normal((size.queries, INNER), dtype=np.float32)
    inner = np.concatenate([targets[right_answers(size, number)] + strength * noise, targets])
    # All data sets are in one space: the same directions serve for each.
    directions = np.random.default_rng(size.dimensions).standard_normal((INNER, size.dimensions), dtype=np.float32)
    for start in range(0, len(inner), ROWS_AT_ONCE):
        block = inner[start : start + ROWS_AT_ONCE] @ directions
        block += BLUR * INNER**0.5 * chance.standard_normal(block.shape, dtype=np.float32)
        yield block / np.linalg.norm(block, axis=1, keepdims=True)


def pools(size: Size, number: int) -> Iterator[Int[np.ndarray, " candidates"]]:
    """Return the targets that each query ranks, its right one first. Only for sizes with pools of their own."""
    chance = np.random.default_rng([number, 2])
    for right in right_answers(size, number):
        others = chance.choice(size.items - 1, (size.candidates or size.items) - 1, replace=False)
        yield np.append(right, others + (others >= right))


def items(size: Size, number: int) -> Iterator[Item]:
    """Return the items of a data set in the order of their vectors. No two are alike."""
    chance = random.Random(number)
    name = dataset_name(number)
    for query in range(size.queries):
        yield Item((Text(f"find {phrase(random_single(chance).shapes[0])}, request {query + 1} in {name}"),))
    for target in range(size.items):
        scene = random_single(chance)
        parts: list[Part] = [Image(DrawnScene(scene))] if size.pictures and target % size.pictures == 0 else []
        parts.append(Text(f"{caption(scene)}, number {target + 1} in {name}"))
        yield Item(tuple(parts), scene.attributes() if size.attributes else {})
