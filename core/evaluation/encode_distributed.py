"""Encode by all processes of a job, with what is known already taken from the disk."""

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
from jaxtyping import Float
from tqdm import tqdm

from core.data.records import Item
from core.encoder.embedder import Embedder
from core.evaluation.encode import Embedded, Encoding, encode, portions, refuse_not_finite
from core.evaluation.encoding_workers import EncodingWorkers, Shard
from core.evaluation.vector_cache import VectorCache


def embed_distributed(
    workers: EncodingWorkers,
    embedder: Embedder,
    items: Iterable[Item],
    encoding: Encoding,
    cache: VectorCache | None = None,
    progress: bool = True,
) -> Embedded:
    """Embed items that differ from one another, as the first of the encoding workers; the others call `encode_shard`.

    On CPUs the vectors are the same bits for every number of processes, if each has as many threads (OMP_NUM_THREADS,
    which torchrun sets to 1); another number of threads changes the last bits. What the cache has is not encoded
    again, and what is encoded is kept there even if the job dies.

    Raises:
        core.evaluation.encode.NonFiniteVectors: some vectors hold NaN or infinity.
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
    shard = workers.scatter([[listed[row] for row in rows] for rows in missing])
    arriving = arrivals(
        workers, encode(embedder, shard, encoding), [len(rows) for rows in missing], embedder.dimensions
    )
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
    workers: EncodingWorkers, own: Iterator[Float[np.ndarray, "_ d"]], sizes: Sequence[int], dimensions: int
) -> Iterator[Float[np.ndarray, "_ d"]]:
    """Return the vectors of all portions in order, those of this process as it encodes them."""
    for number, size in enumerate(sizes):
        sender = number % workers.size
        yield next(own) if sender == 0 else workers.receive(sender, (size, dimensions))


def encode_shard(workers: EncodingWorkers, embedder: Embedder, shard: Shard, encoding: Encoding) -> None:
    """Encode what the first process scattered to this one and send it the vectors.

    Raises:
        core.evaluation.encode.NonFiniteVectors: some vectors hold NaN or infinity.
        core.data.images.image_files.BadImage: a picture cannot be read.
        RuntimeError: another process is lost.
    """
    for items, vectors in zip(shard, encode(embedder, shard, encoding), strict=True):
        refuse_not_finite(items, vectors)
        workers.send(vectors)
    workers.finish_sending()
