"""Encoding by all processes of a job, with what is known already taken from the disk."""

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
from jaxtyping import Float
from tqdm import tqdm

from core.data.records import Item
from core.encoder.embedder import Embedder
from core.evaluation.encode import Embedded, Encoding, encode, portions, refuse_not_finite
from core.evaluation.encoding_workers import Hand, Team
from core.evaluation.vector_cache import VectorCache


def embed_together(
    team: Team,
    embedder: Embedder,
    items: Iterable[Item],
    encoding: Encoding,
    cache: VectorCache | None = None,
    progress: bool = True,
) -> Embedded:
    """Embed items that differ from one another, as the first process of a team; the others call `encode_hand`.

    On CPUs the vectors are the same bits for every number of processes, if each has as many threads (OMP_NUM_THREADS,
    which torchrun sets to 1); another number of threads changes the last bits. What the cache has is not encoded
    again, and what is encoded is kept there even if the job dies.

    Raises:
        core.evaluation.encode.NotFinite: some vectors hold NaN or infinity.
        core.data.images.image_files.BadImage: a picture cannot be read.
        RuntimeError: another process is lost; `core.parallel.job.lost_another` says so.
    """
    listed = tuple(items)
    vectors = np.empty((len(listed), embedder.dimensions), dtype=np.float32)
    known = np.zeros(len(listed), dtype=bool)
    if cache is not None:
        known = cache.read({item.content_id: row for row, item in enumerate(listed)}, vectors)
    missing = [[row for row in rows if not known[row]] for rows in portions(listed, encoding.portion)]
    missing = [rows for rows in missing if rows]
    hand = team.deal([[listed[row] for row in rows] for rows in missing])
    arriving = arrivals(team, encode(embedder, hand, encoding), [len(rows) for rows in missing], embedder.dimensions)
    bar = tqdm(total=len(listed), initial=int(known.sum()), desc="encoding", unit="item", disable=not progress)
    try:
        with bar:
            for rows, found in zip(missing, arriving, strict=True):
                refuse_not_finite([listed[row] for row in rows], found)
                vectors[rows] = found
                if cache is not None:
                    cache.add([listed[row].content_id for row in rows], found)
                bar.update(len(rows))
    finally:
        if cache is not None:
            cache.write()
    return Embedded(listed, vectors)


def arrivals(
    team: Team, own: Iterator[Float[np.ndarray, "_ d"]], sizes: Sequence[int], dimensions: int
) -> Iterator[Float[np.ndarray, "_ d"]]:
    """The vectors of all portions in order, those of this process as it encodes them."""
    for number, size in enumerate(sizes):
        sender = number % team.size
        yield next(own) if sender == 0 else team.receive(sender, (size, dimensions))


def encode_hand(team: Team, embedder: Embedder, hand: Hand, encoding: Encoding) -> None:
    """Encode what the first process dealt to this one and send it the vectors.

    Raises:
        core.evaluation.encode.NotFinite: some vectors hold NaN or infinity.
        core.data.images.image_files.BadImage: a picture cannot be read.
        RuntimeError: another process is lost.
    """
    for items, vectors in zip(hand, encode(embedder, hand, encoding), strict=True):
        refuse_not_finite(items, vectors)
        team.send(vectors)
    team.finish_sending()
