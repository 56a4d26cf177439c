"""Account for every tensor of a published checkpoint: where it goes, or the rule by which it is left out."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

import torch

from core.checkpoint_import.source import Stored

TensorShape: TypeAlias = tuple[int, ...]


@dataclass(frozen=True)
class Left:
    """Why a tensor is not needed."""

    rule: str


Rename: TypeAlias = Callable[[str], str | Left | None]
"""From a published name to the model's; None for a name that is not known."""

BUFFERS = ("rotary_emb.inv_freq", "embeddings.position_ids")


@dataclass(frozen=True)
class Tensor:
    """A tensor of the model to be: its shape there, and where its values lie. Rows that the source lacks are zero."""

    name: str
    shape: TensorShape
    source: Stored


@dataclass(frozen=True)
class Account:
    """What becomes of a checkpoint's tensors."""

    tensors: tuple[Tensor, ...]
    left: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """Names of the tensors that are not needed, by rule."""

    @property
    def dtype(self) -> torch.dtype:
        """The type of most of the weights."""
        sizes: dict[torch.dtype, int] = {}
        for tensor in self.tensors:
            sizes[tensor.source.dtype] = sizes.get(tensor.source.dtype, 0) + tensor.source.end - tensor.source.start
        return max(sizes, key=lambda dtype: sizes[dtype])


def account(
    folder: Path,
    stored: Mapping[str, Stored],
    wanted: Mapping[str, TensorShape],
    rename: Rename,
    padded: Sequence[str] = (),
) -> Account:
    """Say of every tensor where it goes. The result has exactly the wanted ones, in their order.

    padded: names whose first dimension may be smaller in the file than in the model.

    Raises:
        ValueError: a tensor is unknown, missing, there twice, or of another shape than the config says; the message
            lists up to eight of each kind.
    """
    found: dict[str, Tensor] = {}
    left: dict[str, list[str]] = {}
    wrong: dict[str, list[str]] = {}
    for name, tensor in stored.items():
        target = buffer_rule(name) or rename(name)
        if isinstance(target, Left):
            left.setdefault(target.rule, []).append(name)
        elif target is None or target not in wanted:
            wrong.setdefault("unknown to the model", []).append(name)
        elif target in found:
            wrong.setdefault("there twice under two names", []).append(name)
        elif not fits(tensor.shape, wanted[target], target in padded):
            shapes = f"{list(tensor.shape)} where the config says {list(wanted[target])}"
            wrong.setdefault("of another shape", []).append(f"{name} is {shapes}")
        else:
            found[target] = Tensor(target, wanted[target], tensor)
    reached = {rename(name) for name in stored}
    missing = [name for name in wanted if name not in reached]
    if missing:
        wrong["missing (by the model's names)"] = missing
    if wrong:
        raise ValueError(f"{folder}: the weights do not fit the config. {described(wrong)}")
    return Account(tuple(found[name] for name in wanted), left)


def buffer_rule(name: str) -> Left | None:
    """Old files hold buffers that the model computes itself."""
    return Left("buffers that the config gives") if name.endswith(BUFFERS) else None


def fits(stored: TensorShape, wanted: TensorShape, padded: bool) -> bool:
    """Tell whether a tensor has its shape, or fewer rows where they may be padded."""
    return stored == wanted or (padded and stored[1:] == wanted[1:] and stored[:1] < wanted[:1])


def described(wrong: Mapping[str, Sequence[str]]) -> str:
    """Say what is wrong, kind by kind, with how many there are and the first eight."""
    kinds = [
        f"{len(names)} {kind}: {', '.join(sorted(names)[:8])}{', ...' * (len(names) > 8)}."
        for kind, names in wrong.items()
    ]
    return " ".join(kinds)
