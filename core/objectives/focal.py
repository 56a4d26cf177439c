"""Focal-InfoNCE: similarities are squared, so easy negatives and easy positives fade."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from core.objectives.objective import PairSimilarities, Slope, Unweighted, Value, check_temperature


@dataclass(frozen=True)
class FocalInfoNCE(Unweighted):
    """loss_i = -log( e^(s_ii^2/tau) / (e^(s_ii^2/tau) + sum_{j != i} e^(s_ij (s_ij + m)/tau)) ).

    Hou and Li 2023 (arXiv 2310.06918), with their m = 0.3 and tau = 0.05; differentiated throughout, so a negative's
    logit has the slope (2 s_ij + m) / tau. LLaVE's ablation compares with it. margin is m.
    """

    margin: float = 0.3
    temperature: float = 0.05
    both_directions: bool = True

    def __post_init__(self) -> None:
        check_temperature(self.temperature)
        if not 0 <= self.margin <= 2:
            raise ValueError(f"margin = {self.margin} is outside [0, 2]; Focal-InfoNCE uses 0.3.")

    def logits(self, pairs: PairSimilarities) -> tuple[Float[Tensor, "*pairs"], ...]:
        """Return one channel, s (s + m) / tau."""
        return (pairs.similarity * (pairs.similarity + self.margin) / self.temperature,)

    def slopes(self, pairs: PairSimilarities) -> tuple[Slope, ...]:
        """(2 s + m) / tau."""
        return ((2 * pairs.similarity + self.margin) / self.temperature,)

    def value(
        self, positive: Float[Tensor, " m"], reward_positive: Float[Tensor, " m"], sums: Float[Tensor, "k m"]
    ) -> Value:
        """Return the softmax's loss; the positive's logit has the slope 2 s / tau."""
        excess = sums[0] - positive.square() / self.temperature
        pull = torch.sigmoid(excess)
        loss = torch.logaddexp(excess, torch.zeros_like(excess))
        return Value(loss, -pull * 2 * positive / self.temperature, pull)

    def pair_weight(self, pairs: PairSimilarities) -> Float[Tensor, "*pairs"]:
        """Say what turns e^(s/tau) into e^(s (s + m)/tau)."""
        return pairs.similarity * (pairs.similarity + self.margin - 1) / self.temperature
