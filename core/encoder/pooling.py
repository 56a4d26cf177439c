"""Pool the last token of each item from the language model's states, over padded rows or packed sequences."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Bool, Float, Int, Shaped
from torch import Tensor

from core.encoder.inputs import ModelInputs


@dataclass(frozen=True)
class Sequences:
    """Token ids as the language model runs over them.

    attention_mask: None if packed. places: each token's place in its own item, from 0. last_tokens: where each item's
    last token is, the rows counted through. kernel: where items begin, as attention kernels for packed sequences take
    it; empty if padded. members, attended: each item's tokens, the rows counted through, and which are its own;
    members is None where a row is an item.
    """

    token_ids: Int[Tensor, "rows length"]
    attention_mask: Int[Tensor, "rows length"] | None
    positions: Int[Tensor, "axes rows length"]
    places: Int[Tensor, "rows length"]
    last_tokens: Int[Tensor, " n"]
    kernel: dict[str, Any]
    members: Int[Tensor, "n longest"] | None
    attended: Bool[Tensor, "n longest"]

    def last(self, states: Float[Tensor, "rows length d"]) -> Float[Tensor, "n d"]:
        """Return each item's state at its last token."""
        return states.flatten(0, 1).index_select(0, self.last_tokens)

    def by_item(self, states: Shaped[Tensor, "rows length *shape"]) -> Shaped[Tensor, "n longest *shape"]:
        """Return each item's states in a row of its own; those that are not `attended` have no meaning."""
        if self.members is None:
            return states
        return states.flatten(0, 1).index_select(0, self.members.flatten()).unflatten(0, self.members.shape)

    def to(self, device: torch.device) -> "Sequences":
        """Return the same on a device."""

        def moved(values: Mapping[str, Any]) -> dict[str, Any]:
            tensors = {name: each for name, each in values.items() if isinstance(each, Tensor)}
            return {**values, **{name: each.to(device, non_blocking=True) for name, each in tensors.items()}}

        return Sequences(**{**moved(vars(self)), "kernel": moved(self.kernel)})


def padded(inputs: ModelInputs) -> Sequences:
    """Return the batch as it is."""
    mask = inputs.attention_mask
    places = (mask.cumsum(dim=1) - 1).clamp(min=0)
    starts = torch.arange(len(mask), device=mask.device) * mask.shape[1]
    return Sequences(
        inputs.token_ids,
        mask,
        inputs.positions,
        places,
        last_tokens=starts + last_places(mask),
        kernel={},
        members=None,
        attended=mask.bool(),
    )


def packed(inputs: ModelInputs) -> Sequences:
    """Return one row with all items behind one another, each counted from its own beginning."""
    kept = inputs.attention_mask.bool()
    last_places(inputs.attention_mask)  # refuses empty items
    lengths = kept.sum(dim=1)
    ends = lengths.cumsum(dim=0)
    starts = torch.cat((ends.new_zeros(1), ends)).int()
    longest = int(lengths.max())
    steps = torch.arange(longest, device=kept.device)
    return Sequences(
        inputs.token_ids[kept][None],
        None,
        inputs.positions[:, kept][:, None],
        (kept.cumsum(dim=1) - 1)[kept][None],
        last_tokens=ends - 1,
        kernel={"cu_seq_lens_q": starts, "cu_seq_lens_k": starts, "max_length_q": longest, "max_length_k": longest},
        members=(starts[:-1, None] + steps).clamp(max=int(ends[-1]) - 1).long(),
        attended=steps < lengths[:, None],
    )


def last_places(attention_mask: Int[Tensor, "n length"]) -> Int[Tensor, " n"]:
    """Say where each row's last attended token is, the one that LLaVE reads (3.1), whichever side the padding is on.

    Raises:
        ValueError: a row of the mask attends to no token.
    """
    positions = torch.arange(attention_mask.shape[1], device=attention_mask.device)
    last = torch.where(attention_mask.bool(), positions, -1).amax(dim=1)
    if bool((last < 0).any()):
        raise ValueError(f"attention_mask row {int((last < 0).nonzero()[0, 0])} attends to no token.")
    return last


def unit(vectors: Float[Tensor, "n d"]) -> Float[Tensor, "n d"]:
    """Scale each row to length 1, in float32 or better: x / max(|x|, 1e-12)."""
    precise = vectors if vectors.dtype == torch.float64 else vectors.float()
    return torch.nn.functional.normalize(precise, dim=-1)
