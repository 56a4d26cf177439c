"""Encode by all processes of a job, with what is known already taken from the disk."""

from collections.abc import Callable, Iterable, Iterator, Sequence

import numpy as np
from tqdm import tqdm

from core.data.records import Item
from core.encoder.embedder import Embedder
from core.evaluation.embedded import Embedded
from core.evaluation.encode import EncodedPortion, Encoding, encode, portions, refuse, refuse_not_finite
from core.evaluation.encoding_workers import EncodingWorkers, Shard
from core.evaluation.vector_cache import VectorCache


def embed_distributed(
    workers: EncodingWorkers,
    embedder: Embedder,
    items: Iterable[Item],
    encoding: Encoding,
    cache: VectorCache | None = None,
    progress: bool = True,
    refused: Callable[[Item, str], None] = refuse,
) -> Embedded:
    """Embed items that differ from one another, as the first of the encoding workers; the others call `encode_shard`.

    On CPUs the vectors are the same bits for every number of processes, if each has as many threads (OMP_NUM_THREADS,
    which torchrun sets to 1); another number of threads changes the last bits. What the cache has is not encoded
    again, and what is encoded is kept there even if the job dies.

    Items that cannot be prepared, here or in another process, are handed to `refused` with the reason; where that does
    not raise, they are left out of what is returned. Texts that were cut are warned of.

    Raises:
        core.evaluation.encode.NonFiniteVectors: some vectors hold NaN or infinity.
        core.data.checks.problems.BadRow: an item cannot be prepared; or what `refused` raises.
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
    left_out: set[int] = set()
    bar = tqdm(total=len(listed), initial=int(known.sum()), desc="encoding", unit="item", disable=not progress)
    try:
        with bar:
            for rows, portion in zip(missing, arriving, strict=True):
                for place, reason in portion.reasons.items():
                    refused(listed[rows[place]], reason)
                    left_out.add(rows[place])
                good = [place for place in range(len(rows)) if place not in portion.reasons]
                kept, found = [rows[place] for place in good], portion.vectors[good]
                refuse_not_finite([listed[row] for row in kept], found)
                vectors[kept] = found
                if cache is not None and kept:
                    cache.add([listed[row].content_id for row in kept], found)
                bar.update(len(rows))
    finally:
        if cache is not None:
            cache.write()
    if not left_out:
        return Embedded(listed, vectors)
    rows = [row for row in range(len(listed)) if row not in left_out]
    return Embedded(tuple(listed[row] for row in rows), vectors[rows])


def arrivals(
    workers: EncodingWorkers, own: Iterator[EncodedPortion], sizes: Sequence[int], dimensions: int
) -> Iterator[EncodedPortion]:
    """Return all portions in order, those of this process as it encodes them.

    Others refuse what their model makes not finite, so NaN from them stands for an item that could not be prepared;
    the reasons follow it. What they cut they tell themselves.
    """
    for number, size in enumerate(sizes):
        sender = number % workers.size
        if sender == 0:
            yield next(own)
            continue
        vectors = workers.receive(sender, (size, dimensions))
        reasons = workers.receive_reasons(sender) if bool(np.isnan(vectors).any()) else {}
        yield EncodedPortion(vectors, reasons)


def encode_shard(workers: EncodingWorkers, embedder: Embedder, shard: Shard, encoding: Encoding) -> None:
    """Encode what the first process scattered to this one and send it the vectors.

    Raises:
        core.evaluation.encode.NonFiniteVectors: some vectors hold NaN or infinity.
        RuntimeError: another process is lost.
    """
    for items, portion in zip(shard, encode(embedder, shard, encoding), strict=True):
        good = [place for place in range(len(items)) if place not in portion.reasons]
        refuse_not_finite([items[place] for place in good], portion.vectors[good])
        workers.send(portion.vectors)
        if portion.reasons:
            workers.send_reasons(portion.reasons)
    workers.finish_sending()
