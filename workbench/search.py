"""Exact search: a query vector against every vector of a bundle or a folder, ranked by cosine, ties told."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from core.bundle import webp
from core.data.images import BadImage, BytesImage, FileImage
from core.data.miniature.words import INSTRUCTIONS
from core.data.records import Image, Item, Part, Text
from core.embedding_folder import EmbeddedPictures
from core.encoder.embedder import Embedder
from core.evaluation.encode import refuse_not_finite
from core.evaluation.ranking import TIE
from workbench.bundles import Bundle

MAX_TEXT = 1000
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
        """Those of the rows whose item has this modality, such as "image" or "text"; None keeps all."""
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
    """The items of a bundle."""
    listed = list(bundle.items["parts"])

    def parts(row: int) -> tuple[ShownPart, ...]:
        return tuple(
            ShownPart("text", part["text"])
            if part["type"] == "text"
            else ShownPart(part["type"], picture=bundle.thumbnails.get(part["thumbnail"]))
            for part in listed[row]
        )

    return SearchIndex(bundle.vectors, list(bundle.items["modality"]), list(bundle.items["text"]), parts)


def folder_index(embedded: EmbeddedPictures) -> SearchIndex:
    """The pictures of a folder; the text of each is its caption, or its file's name where it has none."""
    pictures = embedded.pictures
    texts = [each.text or each.file for each in pictures]

    def parts(row: int) -> tuple[ShownPart, ...]:
        return (ShownPart("image", picture=preview(pictures[row].source)), ShownPart("text", texts[row]))

    return SearchIndex(embedded.vectors, ["image"] * len(pictures), texts, parts)


def preview(source: FileImage | BytesImage) -> bytes | None:
    """A picture as WebP of at most 320 x 320 pixels; None where it cannot be read (any more)."""
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
    """The k most similar items, most similar first; all of them where there are fewer.

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
    among = np.arange(len(index.vectors)) if rows is None else rows
    similarities = index.vectors[among] @ query.astype(np.float32)
    judged = judged or {}
    hits: list[Hit] = []
    for first, tied in leading_ties(similarities, k):
        rank = first + (len(tied) + 1) / 2
        for place in sorted(tied, key=lambda each: among[each])[: k - len(hits)]:
            row = int(among[place])
            shown = (index.modalities[row], index.texts[row], judged.get(row), index.parts(row))
            hits.append(Hit(rank, len(tied), float(similarities[place]), row, *shown))
    return hits


def leading_ties(similarities: Float[np.ndarray, " n"], k: int) -> Iterator[tuple[int, list[int]]]:
    """The groups of tied similarities that make up the first k places, highest first.

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
    """A bundle's queries by data set, in the order of its rankings."""
    found: dict[str, list[Example]] = {}
    columns = ("dataset", "query", "candidates", "right")
    for dataset, query, candidates, right in zip(*(bundle.rankings[name] for name in columns), strict=True):
        rows = np.asarray(candidates, dtype=np.int64)
        example = Example(dataset, int(query), rows, frozenset(int(row) for row in right))
        found.setdefault(dataset, []).append(example)
    return found


def targets(listed: Mapping[str, Sequence[Example]]) -> dict[str, Rows]:
    """The distinct candidates of each data set, in ascending order."""
    return {name: np.unique(np.concatenate([each.candidates for each in group])) for name, group in listed.items()}


def default_instruction(has_text: bool, has_image: bool) -> str:
    """What a query most likely asks for: a picture for words, a look-alike for a picture, an edit for both."""
    if has_text and has_image:
        return INSTRUCTIONS["edit"]
    return INSTRUCTIONS["look_alike"] if has_image else INSTRUCTIONS["caption_to_image"]


def build_query(text: str, image: bytes | None, instruction: str) -> Item:
    """A query as the model was trained on: the picture, then the instruction and the words in one text.

    Raises:
        ValueError: there are neither words nor a picture, or the words are too long or no text.
        core.data.images.BadImage: the picture cannot be read.
    """
    words = text.strip()
    if not words and image is None:
        raise ValueError("Type some words, upload a picture, or do both.")
    if len(words) > MAX_TEXT:
        raise ValueError(f"The text has {len(words)} characters; at most {MAX_TEXT} are read.")
    if any("\ud800" <= letter <= "\udfff" for letter in words):
        raise ValueError("The text holds halves of characters (lone surrogates), which are no text.")
    parts: list[Part] = []
    if image is not None:
        source = BytesImage(image)
        source.open()
        parts.append(Image(source))
    sentence = f"{instruction} {words}".strip()
    return Item((*parts, Text(sentence)) if sentence else tuple(parts))


def shown_query(query: Item) -> tuple[ShownPart, ...]:
    """The parts of a query that `build_query` made."""
    return tuple(
        ShownPart("text", part.text) if isinstance(part, Text) else ShownPart("image", picture=uploaded(part))
        for part in query.parts
    )


def uploaded(part: Part) -> bytes | None:
    """The preview of an uploaded picture."""
    return preview(part.source) if isinstance(part, Image) and isinstance(part.source, BytesImage) else None


def embed_query(embedder: Embedder, query: Item) -> Float[np.ndarray, " d"]:
    """The unit vector of a query.

    Raises:
        core.evaluation.encode.NotFinite: the model gives NaN or infinity for it.
    """
    vectors = embedder.embed([query]).float().numpy()
    refuse_not_finite([query], vectors)
    return vectors[0]
