"""The processes of one evaluation: the first scatters the items and receives vectors, the others encode.

    rank 0   reads the suite, scatters the portions, encodes every N-th, receives the others', keeps them, scores
    rank r   receives its portions, encodes them, sends the vectors as they come

Portions are sorted by length and scattered in turn, so that every process gets the same work.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import numpy as np
import torch
import torch.distributed as dist
from jaxtyping import Float

from core.data.records import Item
from core.parallel.collectives import rank, world_size

Shard = list[list[Item]]


class EncodingWorkers:
    """This process and the others of its job, or this one alone. Items and vectors travel in main memory, by gloo."""

    def __init__(self, timeout_s: float | int = 1800.0) -> None:
        """Return every process of the job makes one; a collective that takes longer than `timeout_s` is given up."""
        self.rank, self.size = rank(), world_size()
        self._group: Any = (
            dist.new_group(backend="gloo", timeout=timedelta(seconds=timeout_s)) if self.size > 1 else None
        )
        self._sent: list[tuple[torch.Tensor, dist.Work | None]] = []
        self._scattered = False

    @property
    def leads(self) -> bool:
        """Whether this process reads the suite and scores."""
        return self.rank == 0

    def scatter(self, cut: Sequence[Sequence[Item]]) -> Shard:
        """Scatter portions, one to each process in turn; this process's own."""
        shards = [[list(each) for each in cut[number :: self.size]] for number in range(self.size)]
        self._scattered = True
        if self._group is not None:
            dist.scatter_object_list([None], [None, *shards[1:]], src=0, group=self._group)
        return shards[0]

    @contextmanager
    def calling_off(self) -> Iterator[None]:
        """Release the others if something fails before the portions are scattered."""
        try:
            yield
        except ValueError:
            if self._group is not None and not self._scattered:
                dist.scatter_object_list([None], [None] * self.size, src=0, group=self._group)
            raise

    def receive_shard(self) -> Shard | None:
        """Return the portions that the first process scatters to this one; None if it calls the evaluation off."""
        received: list[Shard | None] = [None]
        dist.scatter_object_list(received, None, src=0, group=self._group)
        return received[0]

    def send(self, vectors: Float[np.ndarray, "n d"]) -> None:
        """Send a portion's vectors to the first process, without waiting until it has time for them."""
        self._sent = [each for each in self._sent if each[1] is not None and not each[1].is_completed()]
        tensor = torch.from_numpy(vectors)
        self._sent.append((tensor, dist.isend(tensor, dst=0, group=self._group)))

    def send_reasons(self, reasons: dict[int, str]) -> None:
        """Send why items of the portion that was sent last could not be prepared; waits until they have arrived."""
        dist.send_object_list([reasons], dst=0, group=self._group)

    def receive_reasons(self, sender: int) -> dict[int, str]:
        """Return what another process sent by `send_reasons`."""
        received: list[dict[int, str]] = [{}]
        dist.recv_object_list(received, src=sender, group=self._group)
        return received[0]

    def finish_sending(self) -> None:
        """Wait until all that was sent has arrived."""
        for _, work in self._sent:
            if work is not None:
                work.wait()
        self._sent.clear()

    def receive(self, sender: int, shape: tuple[int, int]) -> Float[np.ndarray, "n d"]:
        """Return the next portion's vectors of another process."""
        vectors = torch.empty(shape)
        dist.recv(vectors, src=sender, group=self._group)
        return vectors.numpy()
