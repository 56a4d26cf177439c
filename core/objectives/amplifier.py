"""The gradient amplified where negatives come close to the positive, without normalising again."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from core.objectives.infonce import softmax_value
from core.objectives.objective import PairSimilarities, Slope, Value, check_strength, check_temperature


@dataclass(frozen=True)
class GradientAmplifier:
    """InfoNCE whose gradient on negatives is multiplied:  dL_i/ds_ij = (Pbar_ij - [j = i]) / tau.

    Pbar_ij = p_ij e^(beta (r_ij - r_ii)) for j != i,  Pbar_ii = p_ii,  p = softmax(s / tau).
    A reading of the explicit gradient amplifier (EGA, arXiv 2506.02020). Certain, from its abstract and two readers'
    summaries: the backward pass uses Pbar - I in place of P - I, and hardness is relative to the positive. Our
    reading: the exponential form, beta, the untouched diagonal, and that Pbar is not normalised (`RelativeHardness`
    is the normalised reading). Rows of Pbar - I do not sum to 0, so no softmax has this gradient; the loss reported
    is InfoNCE's, of which this is not the derivative.
    """

    beta: float = 9.0
    temperature: float = 0.02
    both_directions: bool = True

    def __post_init__(self) -> None:
        check_temperature(self.temperature)
        check_strength("beta", self.beta, "9 matches LLaVE's alpha")

    def logits(self, pairs: PairSimilarities) -> tuple[Float[Tensor, "*pairs"], ...]:
        """InfoNCE's s/tau, which makes p, and s/tau + beta r, which makes p times the pair's part of the weight."""
        plain = pairs.similarity * (1 / self.temperature)
        return plain, plain + self.pair_weight(pairs)

    def slopes(self, pairs: PairSimilarities) -> tuple[Slope, ...]:
        """Let only the amplified channel pull."""
        return None, 1 / self.temperature

    def value(
        self, positive: Float[Tensor, " m"], reward_positive: Float[Tensor, " m"], sums: Float[Tensor, "k m"]
    ) -> Value:
        """InfoNCE's loss; the negatives' pull is sum_j Pbar_ij."""
        plain = softmax_value(positive, sums[0], self.temperature)
        log_z = torch.logaddexp(sums[0], positive * (1 / self.temperature))
        pull = torch.exp(sums[1] + self.anchor_weight(reward_positive) - log_z)
        return Value(plain.loss, plain.positive_gradient, pull)

    def pair_weight(self, pairs: PairSimilarities) -> Float[Tensor, "*pairs"]:
        """beta * r of the pair."""
        return self.beta * pairs.reward

    def anchor_weight(self, reward_positive: Float[Tensor, " m"]) -> Float[Tensor, " m"]:
        """-beta * r of the positive."""
        return -self.beta * reward_positive
