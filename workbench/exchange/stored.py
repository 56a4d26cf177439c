"""What a vector database keeps of an item, and how a hit is read back: the same for every database."""

import base64
import binascii
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
from jaxtyping import Float

from workbench.exchange.corpus import Corpus
from workbench.search.search import Hit, ShownPart, leading_ties

IfExists = Literal["stop", "replace", "append"]
CHUNK = 512
MOST_FETCHED = 10_000
"""Ties are followed to their end among so many nearest items."""


class DatabaseError(ValueError):
    """A vector database cannot be reached, read or written; the message says which and what to do."""


@dataclass(frozen=True)
class Found:
    """An item that a database found, with its cosine."""

    item: str
    similarity: float
    modality: str
    text: str
    parts: tuple[ShownPart, ...]


class VectorDatabase(Protocol):
    """A table or collection that is open for search."""

    @property
    def title(self) -> str:
        """What it is, in words, with the number of items."""
        ...

    @property
    def dimensions(self) -> int:
        """The length of its vectors."""
        ...

    @property
    def modalities(self) -> Sequence[str]:
        """The kinds of items in it, in alphabetical order."""
        ...

    def nearest(self, query: Float[np.ndarray, " d"], k: int, modality: str | None) -> list[Found]:
        """Return the k most similar items, most similar first; of one kind, or of any (None). Raises DatabaseError."""
        ...


def search_database(
    database: VectorDatabase, query: Float[np.ndarray, " d"], k: int, modality: str | None = None
) -> list[Hit]:
    """Get the k most similar items with ranks and ties as in `workbench.search.search.search`; tied items by their ids.

    A hit's row is its place among what was found, for a database has no rows.

    Raises:
        ValueError: k is below 1, or the query does not fit the vectors or is not finite.
        DatabaseError: the database fails.
    """
    if k < 1:
        raise ValueError(f"k = {k} must be at least 1.")
    check_query(database, query)
    found = beyond_ties(lambda count: database.nearest(query, count, modality), k)
    hits: list[Hit] = []
    similarities = np.array([each.similarity for each in found], dtype=np.float32)
    for first, tied in leading_ties(similarities, k):
        rank = first + (len(tied) + 1) / 2
        for place in sorted(tied, key=lambda each: found[each].item)[: k - len(hits)]:
            each = found[place]
            hits.append(Hit(rank, len(tied), each.similarity, place, each.modality, each.text, None, each.parts))
    return hits


def check_query(database: VectorDatabase, query: Float[np.ndarray, " d"]) -> None:
    """Raise ValueError unless the query is a finite vector of the database's length."""
    if query.shape != (database.dimensions,):
        raise ValueError(
            f"The query has {len(query)} numbers, but the vectors of {database.title} have {database.dimensions}: they "
            "are not of one model. Name the checkpoint that embedded them by --checkpoint."
        )
    if not np.isfinite(query).all():
        raise ValueError("The query's vector is not finite; the model that made it cannot be used for search.")


def beyond_ties(fetch: Callable[[int], list[Found]], k: int) -> list[Found]:
    """At least k found items, and all that are tied with the k-th: whether a tie goes on is seen only beyond it."""
    count = k + 1
    while True:
        found = fetch(count)
        if len(found) < count or count >= MOST_FETCHED or found[-1].similarity < found[k - 1].similarity - 2e-6:
            return found
        count = min(MOST_FETCHED, 4 * count)


def payload(corpus: Corpus, row: int) -> dict[str, Any]:
    """Say what is kept of an item beside its vector; pictures as base64 WebP."""
    index = corpus.index
    parts = [part_record(part) for part in index.parts(row)]
    return {
        "item": corpus.ids[row],
        "modality": index.modalities[row],
        "text": index.texts[row],
        "path": corpus.paths[row],
        "parts": json.dumps(parts),
    }


def part_record(part: ShownPart) -> dict[str, str]:
    """Return a part as JSON; a picture that is gone has no "webp"."""
    if part.kind == "text":
        return {"type": "text", "text": part.text}
    picture = {} if part.picture is None else {"webp": base64.b64encode(part.picture).decode()}
    return {"type": part.kind, **picture}


def found_item(stored: Mapping[str, Any], similarity: float, name: object) -> Found:
    """Return a stored item read back. Fields that another program left out are empty; its id then is `name`."""
    text = str(stored.get("text") or "")
    item = str(stored.get("item") or name)
    shown = shown_parts(stored.get("parts")) or (ShownPart("text", text or item),)
    return Found(item, similarity, str(stored.get("modality") or "unknown"), text, shown)


def shown_parts(record: object) -> tuple[ShownPart, ...]:
    """Return the parts of an item as `payload` wrote them; none where they cannot be read."""
    try:
        listed = json.loads(record) if isinstance(record, str) else []
        return tuple(shown_part(each) for each in listed)
    except (ValueError, TypeError, KeyError, binascii.Error):
        return ()


def shown_part(record: Mapping[str, str]) -> ShownPart:
    """Return one part. Raises KeyError, TypeError or ValueError for what is none."""
    if record["type"] == "text":
        return ShownPart("text", str(record["text"]))
    encoded = record.get("webp")
    return ShownPart(str(record["type"]), picture=None if encoded is None else base64.b64decode(encoded, validate=True))


def check_appended(where: str, dimensions: int, corpus: Corpus) -> None:
    """Raise DatabaseError unless vectors of the corpus fit among those that are there."""
    if dimensions != corpus.dimensions:
        raise DatabaseError(
            f"{where} holds vectors of {dimensions} numbers, but those of {corpus.title} have {corpus.dimensions}: "
            "they are not of one model. Name another one."
        )


def exists_already(where: str) -> DatabaseError:
    """Return the error for a name that is taken."""
    return DatabaseError(f"{where} exists already. Name another one, or choose --if_exists replace or append.")


def missing_package(package: str, extra: str) -> DatabaseError:
    """Return the error for an optional package that is not installed."""
    return DatabaseError(
        f"{package} is not installed. Install it with: pip install 'multimodal-embedding-workbench[{extra}]'"
    )


def local_folder(path: Path) -> Path:
    """Return the folder of an embedded database that is to be read. Raises DatabaseError where there is none."""
    if not path.is_dir():
        raise DatabaseError(f"{path}: no such folder of a database; write one by workbench/export_bundle.py.")
    return path
