"""The reward that weights the negatives: the model's own similarities, a frozen model's, or its own average's."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor
from torch.func import functional_call

from core.checkpoints import listing
from core.data.checks.problems import BadRow, Problem
from core.encoder.embedder import Embedder
from core.encoder.inputs import ModelInputs
from core.encoder.item_rules import prepared_or_reason
from core.training.step_data import StepData

AVERAGE = "average"
POLICY = "policy"


@runtime_checkable
class Reward(Protocol):
    """A source of vectors for the weights, and what of it a checkpoint has to keep."""

    def vectors(self, data: StepData, chunks: Sequence[ModelInputs]) -> Float[Tensor, "items r"] | None:
        """Return a vector for each distinct item of the step in the order of its rows; None: the policy's serve.

        chunks: the step's chunks as the policy encodes them.
        """
        ...

    def update(self) -> None:
        """Take note that the optimizer has made a step."""
        ...

    def tensors(self) -> dict[str, Tensor]:
        """Say what a checkpoint has to keep."""
        ...

    def restore(self, tensors: Mapping[str, Tensor]) -> None:
        """Put back what `tensors` gave."""
        ...


class PolicyReward:
    """The model's own similarities, as in LLaVE. Nothing has to be computed or kept."""

    def vectors(self, data: StepData, chunks: Sequence[ModelInputs]) -> Float[Tensor, "items r"] | None:
        """None: the policy's vectors serve."""
        return None

    def update(self) -> None:
        """Nothing follows."""

    def tensors(self) -> dict[str, Tensor]:
        """Nothing."""
        return {}

    def restore(self, tensors: Mapping[str, Tensor]) -> None:
        """Nothing."""


class FrozenReward(PolicyReward):
    """The similarities of a checkpoint that is not trained. It prepares items by its own tokenizer."""

    def __init__(self, embedder: Embedder) -> None:
        self.embedder = embedder.eval().requires_grad_(False)

    def vectors(self, data: StepData, chunks: Sequence[ModelInputs]) -> Float[Tensor, "items r"]:
        """Return vectors of the step's distinct items by the frozen model.

        Raises:
            core.data.checks.problems.BadRow: an item went bad since it was prepared for the model that trains.
        """
        prepared = []
        for item in data.items:
            found = prepared_or_reason(self.embedder.prepare, item)
            if isinstance(found, str):
                owner = next(pair for pair in data.pairs if any(each == item for each in pair.items()))
                raise BadRow(Problem(owner.origin, f"for the reward model: {found}"))
            prepared.append(found)
        return self.embedder.embed_prepared(prepared)


class AverageReward:
    """The similarities of an exponential average of the model's own trainable weights.

    average <- decay * average + (1 - decay) * weights after every optimizer step; it starts as the weights.
    """

    def __init__(self, embedder: Embedder, encode: Callable[[ModelInputs], Tensor], decay: float) -> None:
        """Embed by `encode`, which calls `embedder`, with the averages in place of its weights."""
        self.decay = decay
        self._caller = Caller(embedder, encode)
        self._weights = {name: weight for name, weight in embedder.named_parameters() if weight.requires_grad}
        self._average = {name: weight.detach().clone() for name, weight in self._weights.items()}

    @torch.no_grad()
    def vectors(self, data: StepData, chunks: Sequence[ModelInputs]) -> Float[Tensor, "items r"]:
        """Return vectors of the step's distinct items by the averaged weights, without dropout."""
        embedder = self._caller.embedder
        was_training = embedder.training
        embedder.eval()
        averages = {f"embedder.{name}": value for name, value in self._average.items()}
        found = [functional_call(self._caller, averages, (chunk,)) for chunk in chunks]
        embedder.train(was_training)
        return torch.cat(found)

    @torch.no_grad()
    def update(self) -> None:
        """Move the average towards the weights."""
        for name, value in self._average.items():
            value.lerp_(self._weights[name], 1 - self.decay)

    def tensors(self) -> dict[str, Tensor]:
        """Return the averages under the names of their weights."""
        return {f"average/{name}": value for name, value in self._average.items()}

    def restore(self, tensors: Mapping[str, Tensor]) -> None:
        """Put the averages back.

        Raises:
            ValueError: one is missing or of another shape.
        """
        for name, value in self._average.items():
            saved = tensors.get(f"average/{name}")
            if saved is None or saved.shape != value.shape:
                raise ValueError(f"The checkpoint holds no average of {name} with shape {tuple(value.shape)}.")
            value.copy_(saved)


class Caller(torch.nn.Module):
    """A module around the embedder, so that its weights can be exchanged for one call of `encode`."""

    def __init__(self, embedder: Embedder, encode: Callable[[ModelInputs], Tensor]) -> None:
        super().__init__()
        self.embedder = embedder
        # Wrapped, since a module that is set as an attribute would be one more name for the embedder's weights.
        self._encode = lambda chunk: encode(chunk)

    def forward(self, chunk: ModelInputs) -> Float[Tensor, "n d"]:
        """Return the chunk's vectors."""
        return self._encode(chunk)


def reward_of(name: str, decay: float, embedder: Embedder, encode: Callable[[ModelInputs], Tensor]) -> Reward:
    """Return the reward that the settings name: "policy", "average", or the folder of a checkpoint.

    Raises:
        ValueError: the folder holds no checkpoint.
    """
    if name == POLICY:
        return PolicyReward()
    if name == AVERAGE:
        return AverageReward(embedder, encode, decay)
    frozen = Embedder.load(listing.resolve(Path(name)).folder)
    return FrozenReward(frozen.to(embedder.device))
