"""Pool the last token of each sequence, and scale its hidden state to a unit vector."""

import torch
from jaxtyping import Float, Int
from torch import Tensor


def last_places(attention_mask: Int[Tensor, "n length"]) -> Int[Tensor, " n"]:
    """Where each row's last attended token is, the one that LLaVE reads (3.1), whichever side the padding is on.

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
