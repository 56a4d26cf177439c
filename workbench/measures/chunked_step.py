"""What one step of the gradient cache costs: when each chunk is encoded and pushed back, and what its graphs hold."""

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Generic, Literal, TypeAlias, TypeVar

import torch
from jaxtyping import Float
from torch import Tensor

from core.contrast.gradient_cache import CachedEncoder, GraphSize

Chunk = TypeVar("Chunk")
Kind: TypeAlias = Literal["forward", "gradient", "forward again", "backward"]
KINDS: tuple[Kind, ...] = ("forward", "gradient", "forward again", "backward")


@dataclass(frozen=True)
class Run:
    """One piece of a step's work. chunk: counted from 0; None for the gradient of all vectors. start, end: seconds."""

    kind: Kind
    chunk: int | None
    start: float
    end: float


@dataclass(frozen=True)
class ChunkedStep:
    """One step: its runs in order of time, the bytes of each chunk's graph, and how many chunks kept theirs."""

    runs: Sequence[Run]
    graph_bytes: Sequence[int]
    kept: int

    @property
    def seconds(self) -> float:
        """From the first run's start to the last one's end."""
        return self.runs[-1].end - self.runs[0].start

    def held(self) -> tuple[list[float], list[int]]:
        """Seconds, and the bytes of graphs held at each: a graph grows during its forward, is freed by its backward."""
        seconds, held, now = [self.runs[0].start], [0], 0
        for run in self.runs:
            change = 0
            if run.chunk is not None and self._builds(run):
                change = self.graph_bytes[run.chunk]
            elif run.chunk is not None and run.kind == "backward":
                change = -self.graph_bytes[run.chunk]
            seconds += [run.start, run.end]
            held += [now, now + change]
            now += change
        return seconds, held

    @property
    def peak(self) -> int:
        """The most bytes of graphs held at any time."""
        return max(self.held()[1])

    def _builds(self, run: Run) -> bool:
        """Tell whether a run is a forward whose graph stays: again, or the first of a chunk that keeps it."""
        return run.kind == "forward again" or (
            run.kind == "forward" and run.chunk is not None and run.chunk < self.kept
        )


def graph_bytes(
    encode: Callable[[Chunk], Tensor], chunks: Iterable[Chunk], weights: Iterable[Tensor] = ()
) -> list[int]:
    """Return bytes that each chunk's graph holds for its backward pass, measured by building it and letting it go."""
    counter, sizes = GraphSize(weights), []
    for chunk in chunks:
        with counter:
            vectors = encode(chunk)
        sizes.append(counter.bytes)
        del vectors
    return sizes


def timed_step(
    encode: Callable[[Chunk], Tensor],
    chunks: Sequence[Chunk],
    gradient_of: Callable[[Float[Tensor, "n d"]], Float[Tensor, "n d"]],
    kept: int,
    weights: Sequence[Tensor] = (),
) -> ChunkedStep:
    """Run one step of core's CachedEncoder with the first `kept` chunks keeping their graph, and time it.

    gradient_of: from the vectors of all chunks to the loss's gradient of them. weights: what trains; their gradients
    are left as they were.

    Raises:
        ValueError: `kept` is below 0 or above the number of chunks.
    """
    if not 0 <= kept <= len(chunks):
        raise ValueError(f"kept = {kept} is outside 0..{len(chunks)}, the number of chunks.")
    sizes = graph_bytes(encode, chunks, weights)
    before = [None if weight.grad is None else weight.grad.clone() for weight in weights]
    clock = Clock(encode)
    encoder = CachedEncoder(clock.encode, chunks, sum(sizes[:kept]), weights, clock.backward_begins)
    vectors = encoder.vectors()
    really_kept = encoder.kept
    start = clock.now()
    gradient = gradient_of(torch.cat(vectors))
    clock.runs.append(Run("gradient", None, start, clock.now()))
    clock.again = True
    encoder.backward(gradient.split([len(each) for each in vectors]))
    clock.backward_ends()
    for weight, old in zip(weights, before, strict=True):
        weight.grad = old
    return ChunkedStep(clock.runs, sizes, really_kept)


class Clock(Generic[Chunk]):
    """Notes when the encoder's calls begin and end. again: whether the second pass has begun."""

    def __init__(self, encode: Callable[[Chunk], Tensor]) -> None:
        self._encode = encode
        self._zero = time.perf_counter()
        self._backward: float | None = None
        self._chunk = -1
        self.runs: list[Run] = []
        self.again = False

    def now(self) -> float:
        """Return seconds since the clock was made."""
        return time.perf_counter() - self._zero

    def encode(self, chunk: Chunk) -> Tensor:
        """Encode and note it."""
        start = self.now()
        vectors = self._encode(chunk)
        number = self._chunk if self.again else len(self.runs)
        self.runs.append(Run("forward again" if self.again else "forward", number, start, self.now()))
        self._backward = self.now()
        return vectors

    def backward_begins(self, last: bool) -> None:
        """Return the next chunk's turn: the one before it has ended."""
        del last
        self.backward_ends()
        self._chunk += 1
        self._backward = self.now()

    def backward_ends(self) -> None:
        """Note the backward pass that has been running, if there is one."""
        if self._chunk >= 0 and self._backward is not None:
            self.runs.append(Run("backward", self._chunk, self._backward, self.now()))
