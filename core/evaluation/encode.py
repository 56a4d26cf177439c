"""Encoding the items of a suite: every distinct item once; vectors that are not finite are an error."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from jaxtyping import Float
from tqdm import tqdm

from core.data.records import Item, RankingTask
from core.encoder.embedder import Embedder


class NotFinite(ValueError):
    """A model gave vectors with NaN or infinity; the message names the items."""


@dataclass(frozen=True)
class Embedded:
    """Distinct items and their unit vectors, row by row."""

    items: tuple[Item, ...]
    vectors: Float[np.ndarray, "items d"]

    @cached_property
    def row(self) -> dict[str, int]:
        """The row of each content id."""
        return {item.content_id: number for number, item in enumerate(self.items)}


def distinct_items(tasks: Sequence[RankingTask]) -> list[Item]:
    """Every query and candidate of the tasks once, in order of first use."""
    found: dict[str, Item] = {}
    for task in tasks:
        for ranking in task.rankings:
            for item in (ranking.query, *ranking.candidates):
                found.setdefault(item.content_id, item)
    return list(found.values())


def embed_distinct(embedder: Embedder, items: Iterable[Item], batch: int = 256, progress: bool = True) -> Embedded:
    """Embed items that differ from one another.

    Raises:
        NotFinite: some vectors hold NaN or infinity.
        core.data.images.BadImage: a picture cannot be read.
    """
    listed = tuple(items)
    starts = range(0, len(listed), batch)
    parts = [embedder.embed(listed[s : s + batch]) for s in tqdm(starts, "encoding", disable=not progress)]
    vectors = torch.cat(parts).float().numpy()
    refuse_not_finite(listed, vectors)
    return Embedded(listed, vectors)


def refuse_not_finite(items: Sequence[Item], vectors: Float[np.ndarray, "items d"]) -> None:
    """Raise NotFinite, naming the first five items, unless every vector is finite."""
    bad = np.flatnonzero(~np.isfinite(vectors).all(axis=1))
    if len(bad):
        names = "; ".join(f"{items[row].content_id} ({items[row].text[:60]!r})" for row in bad[:5])
        raise NotFinite(f"{len(bad)} of {len(items)} vectors are not finite: {names}. The model cannot be scored.")
