"""From hidden states to one unit vector per sequence."""

import torch
from jaxtyping import Float, Int
from torch import Tensor


def last_token(hidden: Float[Tensor, "n length d"], attention_mask: Int[Tensor, "n length"]) -> Float[Tensor, "n d"]:
    """The hidden state of each sequence's last attended token, whichever side the padding is on (LLaVE 3.1).

    Raises:
        ValueError: a row of the mask attends to no token.
    """
    length = attention_mask.shape[1]
    positions = torch.arange(length, device=attention_mask.device)
    last = torch.where(attention_mask.bool(), positions, -1).amax(dim=1)
    if bool((last < 0).any()):
        raise ValueError(f"attention_mask row {int((last < 0).nonzero()[0, 0])} attends to no token.")
    return hidden[torch.arange(len(hidden), device=hidden.device), last]


def unit(vectors: Float[Tensor, "n d"]) -> Float[Tensor, "n d"]:
    """Scale each row to length 1, in float32 or better: x / max(|x|, 1e-12)."""
    precise = vectors if vectors.dtype == torch.float64 else vectors.float()
    return torch.nn.functional.normalize(precise, dim=-1)
