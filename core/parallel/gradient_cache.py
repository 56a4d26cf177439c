"""Gradient caching: a batch of any size through an encoder that holds only a few chunks at a time.

Gao et al. 2021 (arXiv 2101.06983): embeddings depend on the weights chunk by chunk, the loss on all embeddings
at once. So (1) encode every chunk, (2) take the loss's gradient of the embeddings, (3) push that gradient through
each chunk. Chunks whose graph was kept in (1) go straight to (3); only the rest are encoded a second time.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

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

    encode: chunk -> vectors, with gradient. keep: how many chunks keep their graph; the others are encoded twice.
    """

    def __init__(self, encode: Callable[[Chunk], Tensor], chunks: Sequence[Chunk], keep: int) -> None:
        self._encode = encode
        self._chunks = chunks
        self._keep = keep
        self._kept: list[Tensor] = []
        self._states: list[RandomState] = []

    def vectors(self) -> list[Float[Tensor, "_ d"]]:
        """The detached vectors of every chunk, in order."""
        self._kept, self._states = [], []
        first = len(self._chunks) - self._keep
        out: list[Tensor] = []
        for number, chunk in enumerate(self._chunks):
            if number < first:
                self._states.append(RandomState.now())
                with torch.no_grad():
                    out.append(self._encode(chunk))
            else:
                self._kept.append(self._encode(chunk))
                out.append(self._kept[-1].detach())
        return out

    def backward(self, gradients: Sequence[Float[Tensor, "_ d"]]) -> None:
        """Add the weights' gradients for dloss/dvectors of every chunk, in the order of `vectors`.

        The random state afterwards is the one before the call.
        """
        again = len(self._states)
        if self._kept:
            for vectors, gradient in zip(self._kept, gradients[again:], strict=True):
                vectors.backward(gradient.to(vectors.dtype))
        self._kept = []
        after = RandomState.now()
        for chunk, state, gradient in zip(self._chunks, self._states, gradients, strict=False):
            state.restore()
            vectors = self._encode(chunk)
            vectors.backward(gradient.to(vectors.dtype))
        after.restore()
