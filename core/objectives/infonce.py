"""InfoNCE: every negative weighs the same."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from core.objectives.softmax import check_temperature


@dataclass(frozen=True)
class InfoNCE:
    """loss_i = -log( e^(s_ii/tau) / sum_j e^(s_ij/tau) )  (van den Oord et al. 2018; LLaVE eq. 1).

    It is the weighted softmax with log w = 0, averaged over both directions as CLIP does.
    """

    temperature: float = 0.02

    def __post_init__(self) -> None:
        check_temperature(self.temperature)

    def log_weights(self, reward: Float[Tensor, "m n"]) -> Float[Tensor, "m n"]:
        """Zero for every pair."""
        return torch.zeros_like(reward)
