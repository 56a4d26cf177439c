"""Encode the items of a suite: every distinct item once; vectors that are not finite are an error.

Items are sorted by how long they look and cut into portions. What is in a portion depends on the items alone, so its
vectors are the same bits whichever process encodes it, and whether or not the job was killed before.
"""

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch.utils.data import DataLoader, Dataset
from tqdm import tqdm

from core.data.checks.problems import BadRow, Problem
from core.data.records import Item
from core.encoder.embedder import Embedder
from core.encoder.feature_cache import FeatureCache
from core.encoder.inputs import TokenizedItem, sorted_chunks
from core.encoder.item_rules import arriving, prepared_or_reason
from core.evaluation.embedded import Embedded

TOKENS_ON_CPU = 2**12
"""Tokens that go through the model at once on a CPU: what more of them leave behind no longer fits its caches."""


logger = logging.getLogger(__name__)


class NonFiniteVectors(ValueError):
    """A model gave vectors with NaN or infinity; the message names the items."""


@dataclass(frozen=True)
class EncodedPortion:
    """The vectors of a portion; those of items that could not be prepared are NaN, and `reasons` has why, by place.

    cut: tokens of texts that the model did not read.
    """

    vectors: Float[np.ndarray, "n d"]
    reasons: dict[int, str]
    cut: int = 0


@dataclass(frozen=True)
class Encoding:
    """How items are encoded.

    portion: items that are prepared together. batch: of these, items that go through the model at once, fewer
    where a CPU would have over TOKENS_ON_CPU tokens. workers: processes that prepare portions ahead; 0 prepares them in
    this one. features: remembers what the vision tower made of each picture; it is used where no weight of the tower
    trains.
    """

    portion: int = 256
    batch: int = 64
    workers: int = 0
    features: FeatureCache | None = None


def portions(items: Sequence[Item], size: int) -> list[list[int]]:
    """Return indices of items in portions of at most `size`, sorted by pictures and words, longest first."""
    return sorted_chunks([apparent_length(item) for item in items], size)


def apparent_length(item: Item) -> int:
    """Get a guess at an item's tokens that opens no picture: a picture counts more than any words that go with it."""
    return 100_000 * sum(1 for _ in item.images()) + len(item.text)


def embed_distinct(embedder: Embedder, items: Iterable[Item], batch: int = 256, progress: bool = True) -> Embedded:
    """Embed items that differ from one another, in this process.

    Raises:
        NonFiniteVectors: some vectors hold NaN or infinity.
        core.data.checks.problems.BadRow: an item cannot be prepared, such as for its picture.
    """
    listed = tuple(items)
    cut = portions(listed, batch)
    vectors = np.empty((len(listed), embedder.dimensions), dtype=np.float32)
    with tqdm(total=len(listed), desc="encoding", unit="item", disable=not progress) as bar:
        encoded = encode(embedder, [[listed[row] for row in rows] for rows in cut], Encoding())
        for rows, found in zip(cut, encoded, strict=True):
            for place, reason in found.reasons.items():
                refuse(listed[rows[place]], reason)
            vectors[rows] = found.vectors
            bar.update(len(rows))
    refuse_not_finite(listed, vectors)
    return Embedded(listed, vectors)


def refuse(item: Item, reason: str) -> None:
    """Raise BadRow, naming an item by its words: the id of what cannot be read is not known."""
    raise BadRow(Problem(f"item {item.text[:60]!r}", reason))


def encode(embedder: Embedder, cut: Sequence[Sequence[Item]], encoding: Encoding) -> Iterator[EncodedPortion]:
    """Return the vectors of portions of items, in order; no portion is empty.

    Raises:
        core.encoder.item_rules.LoaderLost: a process that prepares portions has died.
    """
    loader = DataLoader(
        Portions(embedder.prepare, cut),
        batch_size=None,
        num_workers=encoding.workers,
        generator=torch.Generator(),  # else the loader would draw from the generator that training uses
    )
    tokens_cut = 0
    for prepared in arriving(loader, encoding.workers):
        portion = encoded_portion(embedder, prepared, encoding)
        tokens_cut += portion.cut
        yield portion
    if tokens_cut:
        logger.warning("Texts were cut by %d tokens together: the model reads no more.", tokens_cut)


def encoded_portion(embedder: Embedder, prepared: Sequence[TokenizedItem | str], encoding: Encoding) -> EncodedPortion:
    """Return the vectors of what could be prepared; a reason stands for an item that could not."""
    good = [place for place, each in enumerate(prepared) if isinstance(each, TokenizedItem)]
    items = [each for each in prepared if isinstance(each, TokenizedItem)]
    vectors = np.full((len(prepared), embedder.dimensions), np.nan, dtype=np.float32)
    if items:
        vectors[good] = vectors_of(embedder, items, encoding)
    reasons = {place: each for place, each in enumerate(prepared) if isinstance(each, str)}
    return EncodedPortion(vectors, reasons, sum(each.cut for each in items))


@torch.no_grad()
def vectors_of(embedder: Embedder, prepared: Sequence[TokenizedItem], encoding: Encoding) -> Float[np.ndarray, "n d"]:
    """Return the unit vectors of prepared items, encoded in chunks of similar length."""
    was_training = embedder.training
    embedder.eval()
    vectors = np.empty((len(prepared), embedder.dimensions), dtype=np.float32)
    tokens = TOKENS_ON_CPU if embedder.device.type == "cpu" else None
    for indices in chunks([each.length for each in prepared], encoding.batch, tokens):
        inputs = embedder.collate([prepared[index] for index in indices])
        if encoding.features is not None:
            (inputs,) = embedder.with_vision([inputs], encoding.features)
        vectors[indices] = embedder(inputs).float().cpu().numpy()
    embedder.train(was_training)
    return vectors


def chunks(lengths: Sequence[int], size: int, tokens: int | None = None) -> list[list[int]]:
    """Cut indices into chunks of similar length, longest first: at most `size`, and `tokens` tokens or one item."""
    found: list[list[int]] = [[]]
    for index in (each for chunk in sorted_chunks(lengths, size) for each in chunk):
        last = found[-1]
        over = tokens is not None and last and (len(last) + 1) * lengths[last[0]] > tokens
        if over or len(last) == size:
            found.append([])
        found[-1].append(index)
    return [each for each in found if each]


@dataclass(frozen=True)
class Portions(Dataset[list[TokenizedItem | str]]):
    """Portions as prepared items. The reason why one cannot be is handed over: loader processes garble exceptions."""

    prepare: Callable[[Item], TokenizedItem]
    cut: Sequence[Sequence[Item]]

    def __len__(self) -> int:
        return len(self.cut)

    def __getitem__(self, index: int) -> list[TokenizedItem | str]:
        return [prepared_or_reason(self.prepare, item) for item in self.cut[index]]


def refuse_not_finite(items: Sequence[Item], vectors: Float[np.ndarray, "items d"]) -> None:
    """Raise NonFiniteVectors, naming the first five items, unless every vector is finite."""
    bad = np.flatnonzero(~np.isfinite(vectors).all(axis=1))
    if len(bad):
        names = "; ".join(f"{items[row].content_id} ({items[row].text[:60]!r})" for row in bad[:5])
        raise NonFiniteVectors(
            f"{len(bad)} of {len(items)} vectors are not finite: {names}. The model cannot be scored."
        )
