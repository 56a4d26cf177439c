"""Qdrant: a collection on a server (or in a local folder, for trying it out), for corpora beyond one machine."""

import os
import uuid
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import numpy as np
from jaxtyping import Float
from tqdm import tqdm

from workbench.exchange.corpus import Corpus
from workbench.exchange.stored import (
    CHUNK,
    DatabaseError,
    Found,
    IfExists,
    check_appended,
    exists_already,
    found_item,
    local_folder,
    missing_package,
    payload,
)

if TYPE_CHECKING:
    from qdrant_client import QdrantClient

API_KEY = "QDRANT_API_KEY"
TIMEOUT = 10
LOOPBACK = ("127.0.0.1", "localhost", "::1")
SPACE = uuid.UUID("5b0c6a0e-8f43-4b0c-9d5c-2f6f3c1b7a10")
"""Point ids are version-5 UUIDs of item ids in this name space, so that the same item is the same point."""
MOST_MODALITIES = 100


def connect(location: str, timeout: int = TIMEOUT, create: bool = False) -> "QdrantClient":
    """Get a client of a server (http:// or https:// URL), or of a local folder (any other text); ":memory:" is empty.

    The key of a server that wants one comes from the environment variable QDRANT_API_KEY, and is sent by https, or to
    this machine, only.

    Args:
        location: where the database is.
        timeout: seconds to wait for each answer, 1 or more.
        create: let a local folder be made.

    Raises:
        DatabaseError: qdrant-client is not installed, the URL cannot be used, or a local folder is missing or in use.
    """
    try:
        from qdrant_client import QdrantClient
    except ImportError as error:
        raise missing_package("qdrant-client", "qdrant") from error
    if timeout < 1:
        raise DatabaseError(f"timeout = {timeout} is below 1 second.")
    if "://" in location:
        return QdrantClient(
            url=checked_url(location), api_key=os.environ.get(API_KEY), timeout=timeout, check_compatibility=False
        )
    if location == ":memory:":
        return QdrantClient(location)
    try:
        return QdrantClient(path=str(Path(location) if create else local_folder(Path(location))))
    except (RuntimeError, OSError) as error:
        raise DatabaseError(f"{location}: Qdrant cannot open it ({error}).") from error


def checked_url(location: str) -> str:
    """Return a server's URL with its port.

    Raises:
        DatabaseError: it is no http(s) URL, holds a password, or would send the key in the open.
    """
    parts = urlsplit(location)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise DatabaseError(f"{hidden(location)}: no URL of a Qdrant server, such as http://localhost:6333.")
    if parts.username or parts.password:
        raise DatabaseError(f"{hidden(location)}: leave secrets out of the URL; set {API_KEY} in the environment.")
    if parts.scheme == "http" and os.environ.get(API_KEY) and parts.hostname not in LOOPBACK:
        raise DatabaseError(f"{location}: {API_KEY} is set, and http would send it in the open; use https.")
    return location


def hidden(location: str) -> str:
    """Return a URL without what stands before its @."""
    return location.split("@")[-1]


@contextmanager
def answering(where: str) -> Iterator[None]:
    """Let a failure of the database say which one failed. Raises DatabaseError."""
    from httpx import HTTPError
    from qdrant_client.http.exceptions import ApiException

    try:
        with warnings.catch_warnings():
            # The local mode, made for trying things out, says so on every large collection.
            warnings.filterwarnings("ignore", message="Local mode is not recommended")
            yield
    except DatabaseError:
        raise
    except (ApiException, HTTPError, OSError, ValueError, RuntimeError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0][:300]
        raise DatabaseError(
            f"{where}: Qdrant did not answer as asked ({reason}). Is the server up, and {API_KEY} set if it wants one?"
        ) from error


def write_qdrant(
    corpus: Corpus, client: "QdrantClient", name: str, if_exists: IfExists = "stop", progress: bool = True
) -> int:
    """Write a collection; appended items replace those of the same id. Returns how many it then holds.

    Raises:
        DatabaseError: the collection exists and is to stay, has vectors of another length, or cannot be written.
    """
    from qdrant_client import models

    where = f"Collection {name!r}"
    with answering(where):
        there = client.collection_exists(name)
        if there and if_exists == "stop":
            raise exists_already(where)
        if there and if_exists == "replace":
            client.delete_collection(name)
        if there and if_exists == "append":
            check_appended(where, dimensions_of(client, name), corpus)
        else:
            shape = models.VectorParams(size=corpus.dimensions, distance=models.Distance.COSINE)
            client.create_collection(name, vectors_config=shape)
            if is_server(client):
                client.create_payload_index(name, "modality", models.PayloadSchemaType.KEYWORD)
        for start in tqdm(range(0, len(corpus), CHUNK), f"writing {name}", disable=not progress):
            rows = range(start, min(start + CHUNK, len(corpus)))
            vectors = corpus.index.vectors[start : start + CHUNK].tolist()
            points = [
                models.PointStruct(id=point_id(corpus.ids[row]), vector=vector, payload=payload(corpus, row))
                for row, vector in zip(rows, vectors, strict=True)
            ]
            client.upsert(name, points, wait=True)
        return client.count(name, exact=True).count


def is_server(client: "QdrantClient") -> bool:
    """Tell whether a client speaks to a server; the local mode has no indices."""
    from qdrant_client.qdrant_remote import QdrantRemote

    return isinstance(client._client, QdrantRemote)


def point_id(item: str) -> str:
    """Return the id of an item's point."""
    return str(uuid.uuid5(SPACE, item))


def dimensions_of(client: "QdrantClient", name: str) -> int:
    """Get the length of a collection's vectors. Raises DatabaseError unless it has one unnamed, cosine kind of them."""
    from qdrant_client import models

    shape = client.get_collection(name).config.params.vectors
    if not isinstance(shape, models.VectorParams):
        raise DatabaseError(
            f"Collection {name!r} has no plain vectors, or several named kinds of them; one is searched."
        )
    if shape.distance != models.Distance.COSINE:
        raise DatabaseError(f"Collection {name!r} compares by {shape.distance.value}; only cosine is searched.")
    return shape.size


class QdrantCollection:
    """A collection that is open for search: by its HNSW graph where it has one, or exactly if `exact`."""

    def __init__(self, client: "QdrantClient", name: str, exact: bool = False) -> None:
        """Open a collection. Raises DatabaseError where there is none of that name, or no server."""
        self._client, self._name, self._exact = client, name, exact
        self._where = f"Collection {name!r}"
        with answering(self._where):
            if not client.collection_exists(name):
                names = sorted(each.name for each in client.get_collections().collections)
                raise DatabaseError(f"{self._where} does not exist; there are {', '.join(names) or 'no collections'}.")
            self.dimensions = dimensions_of(client, name)
            self._count = client.count(name, exact=False).count
            self.modalities: Sequence[str] = self._modalities()

    @property
    def title(self) -> str:
        """What it is, in words."""
        how = ", searched exactly" if self._exact else ""
        return f"Qdrant collection {self._name!r}, {self._count:,} items{how}"

    def _modalities(self) -> list[str]:
        """Return the kinds of items in it; none where another program made it without an index of them."""
        from qdrant_client.http.exceptions import UnexpectedResponse

        try:
            counted = self._client.facet(self._name, key="modality", limit=MOST_MODALITIES).hits
        except UnexpectedResponse:
            return []
        return sorted(str(hit.value) for hit in counted)

    def nearest(self, query: Float[np.ndarray, " d"], k: int, modality: str | None) -> list[Found]:
        """See `workbench.exchange.stored.VectorDatabase`."""
        from qdrant_client import models

        kind = models.FieldCondition(key="modality", match=models.MatchValue(value=modality or ""))
        with answering(self._where):
            points = self._client.query_points(
                self._name,
                query=query.astype(np.float32).tolist(),
                query_filter=None if modality is None else models.Filter(must=[kind]),
                search_params=models.SearchParams(exact=self._exact),
                limit=k,
                with_payload=True,
            ).points
        return [found_item(point.payload or {}, point.score, point.id) for point in points]
