"""The hard debiased contrastive loss (HCL): the debiased loss with negatives reweighted towards the hard ones."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from core.objectives.debiased import check_prior, debiased_value
from core.objectives.objective import PairSimilarities, Slope, Unweighted, Value, check_strength, check_temperature


@dataclass(frozen=True)
class HardDebiased(Unweighted):
    """The debiased loss with sum_j e^(s_ij/tau) replaced by sum_j w_ij e^(s_ij/tau).

    w_ij = e^(beta s_ij/tau) / mean_k e^(beta s_ik/tau)  over the n negatives of the anchor.

    Robinson et al. 2021 (arXiv 2010.04592). The weights have mean 1 and, in the published code, are *not* detached,
    so an easy negative can be drawn nearer: more mass at the bottom lightens the weights at the top. beta = 0 is the
    debiased loss. Published: prior 0.1, tau 0.5, beta 1.
    """

    beta: float = 1.0
    prior: float = 0.1
    temperature: float = 0.5
    both_directions: bool = True

    def __post_init__(self) -> None:
        check_temperature(self.temperature)
        check_prior(self.prior)
        check_strength("beta", self.beta, "HCL uses 1")

    def logits(self, pairs: PairSimilarities) -> tuple[Float[Tensor, "*pairs"], ...]:
        """(1 + beta) s/tau, beta s/tau and 0: the log-mass is A1 - A2 + A3."""
        plain = pairs.similarity * (1 / self.temperature)
        return (1 + self.beta) * plain, self.beta * plain, torch.zeros_like(plain)

    def slopes(self, pairs: PairSimilarities) -> tuple[Slope, ...]:
        """Return the numerator of the weights pulls apart, their mean pulls together."""
        return (1 + self.beta) / self.temperature, -self.beta / self.temperature, None

    def value(
        self, positive: Float[Tensor, " m"], reward_positive: Float[Tensor, " m"], sums: Float[Tensor, "k m"]
    ) -> Value:
        """Return the debiased loss over the reweighted mass."""
        # Without negatives both sums are -inf and so is their mass.
        mass = torch.where(torch.isneginf(sums[2]), sums[2], sums[0] - sums[1] + sums[2])
        return debiased_value(positive, mass, sums[2], self.prior, self.temperature)

    def pair_weight(self, pairs: PairSimilarities) -> Float[Tensor, "*pairs"]:
        """log w before it is divided by the row's mean: beta s/tau."""
        return pairs.similarity * (self.beta / self.temperature)
