"""The gradient cache: a batch of any size through an encoder that holds only a few chunks at a time.

Gao et al. 2021 (arXiv 2101.06983): embeddings depend on the weights chunk by chunk, the loss on all embeddings
at once. So (1) encode every chunk, (2) take the loss's gradient of the embeddings, (3) push that gradient through
each chunk. Chunks whose graph was kept in (1) go straight to (3); only the rest are encoded a second time.
"""

import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

import psutil
import torch
from jaxtyping import Float
from torch import Tensor

Chunk = TypeVar("Chunk")


@dataclass(frozen=True)
class RandomState:
    """The random generators' state, so that dropout is the same when a chunk is encoded again."""

    cpu: Tensor
    devices: list[Tensor]

    @classmethod
    def now(cls) -> "RandomState":
        """Record the state of the CPU's and every CUDA device's generator."""
        return cls(torch.get_rng_state(), torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [])

    def restore(self) -> None:
        """Set the generators back."""
        torch.set_rng_state(self.cpu)
        if self.devices:
            torch.cuda.set_rng_state_all(self.devices)


class CachedEncoder(Generic[Chunk]):
    """Encodes the chunks of one step and back-propagates a gradient of their vectors.

    encode: chunk -> vectors, with gradient. budget: bytes of graphs that may be kept; chunks beyond it are encoded
    twice. weights: what the encoder's graphs hold anyway, not counted. before_backward: called before every backward
    pass, with whether it is the last one of the step (where sharded weights reduce their gradients). agree: from how
    many graphs memory allows to how many to keep, where ranks must do alike.

    Gradients add up in the order of the chunks whatever is kept, so the budget changes no bit of the result.
    """

    def __init__(
        self,
        encode: Callable[[Chunk], Tensor],
        chunks: Sequence[Chunk],
        budget: float | int,
        weights: Iterable[Tensor] = (),
        before_backward: Callable[[bool], None] | None = None,
        agree: Callable[[int], int] | None = None,
    ) -> None:
        self._encode = encode
        self._chunks = chunks
        self._budget = budget
        self._weights = weights
        self._before_backward = before_backward
        self._agree = agree
        self._kept: list[Tensor] = []
        self._states: list[RandomState] = []

    @property
    def kept(self) -> int:
        """How many chunks, from the first, hold their graph since the last call of `vectors`."""
        return len(self._kept)

    def vectors(self) -> list[Float[Tensor, "_ d"]]:
        """Return the detached vectors of every chunk, in order."""
        self._kept, self._states = [], []
        left, out = self._budget, []
        counter = GraphSize(self._weights) if left > 0 else None
        for chunk in self._chunks:
            self._states.append(RandomState.now())
            if left > 0 and counter is not None:
                with counter:
                    encoded = self._encode(chunk)
                left -= counter.bytes
                out.append(encoded.detach())
                if left >= 0:
                    self._kept.append(encoded)
                del encoded
            else:
                with torch.no_grad():
                    out.append(self._encode(chunk))
        if self._agree is not None:
            del self._kept[self._agree(len(self._kept)) :]
        return out

    def backward(self, gradients: Sequence[Float[Tensor, "_ d"]]) -> None:
        """Add the weights' gradients for dloss/dvectors of every chunk, in the order of `vectors`.

        The random state afterwards is the one before the call.
        """
        after = RandomState.now()
        kept, self._kept = self._kept[::-1], []
        for number, (chunk, gradient) in enumerate(zip(self._chunks, gradients, strict=True)):
            if self._before_backward is not None:
                self._before_backward(number == len(self._chunks) - 1)
            if kept:
                vectors = kept.pop()
            else:
                self._states[number].restore()
                vectors = self._encode(chunk)
            vectors.backward(gradient.to(vectors.dtype))
        after.restore()


class GraphSize:
    """Counts the bytes that a graph built inside a `with` block holds for its backward pass.

    On a GPU, what the allocator gave out meanwhile; elsewhere the storages of saved tensors, each once, without those
    of the weights.
    """

    def __init__(self, weights: Iterable[Tensor]) -> None:
        self._weights = {weight.untyped_storage().data_ptr() for weight in weights}
        self._seen: dict[int, int] = {}
        self._before = 0

    @property
    def bytes(self) -> int:
        """Bytes held by the graph of the last block."""
        if torch.cuda.is_available():
            return torch.cuda.memory_allocated() - self._before
        return sum(self._seen.values())

    def _note(self, saved: Tensor) -> Tensor:
        storage = saved.untyped_storage()
        if storage.data_ptr() not in self._weights:
            self._seen[storage.data_ptr()] = storage.nbytes()
        # Returned itself, it would tie a node to its own output, and a graph that is dropped would never be freed.
        return saved.detach()

    def __enter__(self) -> None:
        self._seen = {}
        if torch.cuda.is_available():
            self._before = torch.cuda.memory_allocated()
            return
        self._hooks = torch.autograd.graph.saved_tensors_hooks(self._note, lambda saved: saved)
        self._hooks.__enter__()

    def __exit__(self, *error: object) -> None:
        if not torch.cuda.is_available():
            self._hooks.__exit__(*error)


def graph_budget(gigabytes: float | int | None, device: torch.device) -> float | int:
    """Budget the bytes of graphs to keep: as set, or half of what is free, shared by this machine's processes.

    On a GPU, free is what the driver has and what torch's allocator holds unused.
    """
    if gigabytes is not None:
        return gigabytes * 1e9
    if device.type == "cuda":
        cached = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return (torch.cuda.mem_get_info(device)[0] + cached) / 2
    return psutil.virtual_memory().available / 2 / int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
