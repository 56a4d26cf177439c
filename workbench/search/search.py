"""Exact search: a query vector against every vector of a bundle or a folder, ranked by cosine, ties told."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int

from core.corpus.image_folder import EmbeddedPictures
from core.data.images.image_files import BadImage, BytesImage, FileImage
from core.evaluation.bundle_items import webp
from core.evaluation.ranking import TIE
from core.evaluation.top_k import top_k
from workbench.bundles.bundle import Bundle

PREVIEW = 320
Rows = Int[np.ndarray, " rows"]


@dataclass(frozen=True)
class ShownPart:
    """A part of an item as people see it: words, or the WebP bytes of a picture or of a clip's frames.

    A picture part without bytes is one that is gone.
    """

    kind: str
    text: str = ""
    picture: bytes | None = None


@dataclass(frozen=True)
class SearchIndex:
    """Unit vectors and what to show for each row. `parts` is asked only for the rows that are shown."""

    vectors: Float[np.ndarray, "items d"]
    modalities: Sequence[str]
    texts: Sequence[str]
    parts: Callable[[int], tuple[ShownPart, ...]]

    def of_kind(self, rows: Rows, modality: str | None) -> Rows:
        """Return those of the rows whose item has this modality, such as "image" or "text"; None keeps all."""
        if modality is None:
            return rows
        return rows[[self.modalities[row] == modality for row in rows]] if len(rows) else rows


@dataclass(frozen=True)
class Hit:
    """One result.

    rank: from 1, the expected rank when ties are broken at random; `tied` items, this one included, share it.
    right: whether the item answers the query; None where nobody has judged that.
    """

    rank: float
    tied: int
    similarity: float
    row: int
    modality: str
    text: str
    right: bool | None
    parts: tuple[ShownPart, ...]


@dataclass(frozen=True)
class Example:
    """One of a bundle's own queries: its row, the rows it was scored against, and which of them are right."""

    dataset: str
    query: int
    candidates: Rows
    right: frozenset[int]

    @property
    def judged(self) -> dict[int, bool]:
        """Whether each candidate is right. Nothing is known about other items."""
        return {int(row): int(row) in self.right for row in self.candidates}


def bundle_index(bundle: Bundle) -> SearchIndex:
    """Return the items of a bundle."""

    def parts(row: int) -> tuple[ShownPart, ...]:
        return tuple(
            ShownPart("text", part["text"])
            if part["type"] == "text"
            else ShownPart(part["type"], picture=bundle.thumbnails.get(part["thumbnail"]))
            for part in bundle.parts(row)
        )

    return SearchIndex(bundle.vectors, list(bundle.items["modality"]), list(bundle.items["text"]), parts)


def folder_index(embedded: EmbeddedPictures) -> SearchIndex:
    """Return the pictures of a folder; the text of each is its caption, or its file's name where it has none."""
    pictures = embedded.pictures
    texts = [each.text or each.file for each in pictures]

    def parts(row: int) -> tuple[ShownPart, ...]:
        return (ShownPart("image", picture=preview(pictures[row].source)), ShownPart("text", texts[row]))

    return SearchIndex(embedded.vectors, ["image"] * len(pictures), texts, parts)


def preview(source: FileImage | BytesImage) -> bytes | None:
    """Return a picture as WebP of at most 320 x 320 pixels; None where it cannot be read (any more)."""
    try:
        picture = source.open()
    except BadImage:
        return None
    picture.thumbnail((PREVIEW, PREVIEW))
    return webp(picture)


def search(
    index: SearchIndex,
    query: Float[np.ndarray, " d"],
    k: int,
    rows: Rows | None = None,
    judged: Mapping[int, bool] | None = None,
) -> list[Hit]:
    """Return the k most similar items, most similar first; all of them where there are fewer.

    Similarities within 1e-6 are tied, as in the scores; tied items come in the order of their rows.

    Args:
        index: what to search.
        query: a unit vector.
        k: how many results, at least 1.
        rows: search only among these, without repeats; None searches everything.
        judged: whether a row is right, where that is known.

    Raises:
        ValueError: k is below 1, or the query has another length than the vectors or is not finite.
    """
    if k < 1:
        raise ValueError(f"k = {k} must be at least 1.")
    if query.shape != index.vectors.shape[1:]:
        raise ValueError(f"The query has {len(query)} numbers, but the searched vectors have {index.vectors.shape[1]}.")
    if not np.isfinite(query).all():
        raise ValueError("The query's vector is not finite; the model that made it cannot be used for search.")
    nearest, similarities = nearest_rows(index.vectors, query.astype(np.float32), k, rows)
    judged = judged or {}
    hits: list[Hit] = []
    for first, tied in leading_ties(similarities, k):
        rank = first + (len(tied) + 1) / 2
        for place in sorted(tied, key=lambda each: nearest[each])[: k - len(hits)]:
            row = int(nearest[place])
            shown = (index.modalities[row], index.texts[row], judged.get(row), index.parts(row))
            hits.append(Hit(rank, len(tied), float(similarities[place]), row, *shown))
    return hits


def nearest_rows(
    vectors: Float[np.ndarray, "items d"], query: Float[np.ndarray, " d"], k: int, rows: Rows | None
) -> tuple[Rows, Float[np.ndarray, " found"]]:
    """Return the k most similar rows and all that tie with the last of them, and their similarities."""
    among = None if rows is None or len(rows) == len(vectors) else rows  # all rows need not be copied
    searched = vectors if among is None else vectors[among]
    if not len(searched):
        return np.empty(0, dtype=np.int64), np.empty(0, dtype=np.float32)
    asked, every = torch.from_numpy(query)[None], torch.from_numpy(searched)
    found = top_k(asked, every, k)
    if more := int(found.tied[0]):
        found = top_k(asked, every, found.rows.shape[1] + more)
    places = found.rows[0].numpy()
    return places if among is None else among[places], found.similarities[0].numpy()


def leading_ties(similarities: Float[np.ndarray, " n"], k: int) -> Iterator[tuple[int, list[int]]]:
    """Return the groups of tied similarities that make up the first k places, highest first.

    Each comes as the number of places before it and the indices of all its members, also those beyond place k. A
    group reaches from its highest similarity to 1e-6 below it.
    """
    order = np.argsort(-similarities, kind="stable")
    descending = similarities[order].astype(np.float64)
    first = 0
    while first < min(k, len(order)):
        end = int(np.searchsorted(-descending, TIE - descending[first], side="right"))
        yield first, [int(each) for each in order[first:end]]
        first = end


def examples(bundle: Bundle) -> dict[str, list[Example]]:
    """Return a bundle's queries by data set, in the order of its rankings."""
    found: dict[str, list[Example]] = {}
    for number, (dataset, query) in enumerate(zip(bundle.rankings["dataset"], bundle.rankings["query"], strict=True)):
        rows = bundle.candidates.of(number).astype(np.int64)
        example = Example(dataset, int(query), rows, frozenset(bundle.candidates.right[number].tolist()))
        found.setdefault(dataset, []).append(example)
    return found


def targets(listed: Mapping[str, Sequence[Example]]) -> dict[str, Rows]:
    """Return the distinct candidates of each data set, in ascending order."""
    return {name: np.unique(np.concatenate([each.candidates for each in group])) for name, group in listed.items()}
