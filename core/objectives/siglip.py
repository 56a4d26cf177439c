"""SigLIP: every pair is its own yes-or-no question; no softmax, no normaliser over the batch."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from core.objectives.objective import PairSimilarities, Slope, Unweighted, Value, check_temperature

# Below this, log(softplus(u)) = u to float64's last digit, while softplus itself may underflow.
FAR_BELOW = -40.0


@dataclass(frozen=True)
class SigLIP(Unweighted):
    """L = -(1/N) sum_ij log sigma( y_ij (s_ij/tau + b) ),  y_ij = 1 for positives, -1 otherwise.

    Zhai et al. 2023 (arXiv 2303.15343): there t' = 1/tau starts at 10 and b at -10, and both are learned. Every pair
    of the matrix counts once, so there is one direction. The mass of negatives is A_i = log sum_j softplus(u_ij),
    u = s/tau + b, and loss_i = softplus(-u_ii) + e^(A_i). bias is b.
    """

    temperature: float = 0.1
    bias: float = -10.0
    both_directions: bool = False

    def __post_init__(self) -> None:
        check_temperature(self.temperature)
        if not -1000 <= self.bias <= 1000:
            raise ValueError(f"bias = {self.bias} is outside [-1000, 1000]; SigLIP starts at -10.")
        if self.both_directions:
            raise ValueError("both_directions = True: SigLIP counts every pair of the matrix once; leave it off.")

    def logits(self, pairs: PairSimilarities) -> tuple[Float[Tensor, "*pairs"], ...]:
        """Return one channel, log softplus(u)."""
        return (log_softplus(pairs.similarity / self.temperature + self.bias),)

    def slopes(self, pairs: PairSimilarities) -> tuple[Slope, ...]:
        """d log softplus(u) / ds = sigma(u) / (tau softplus(u))."""
        u = pairs.similarity / self.temperature + self.bias
        return (torch.exp(torch.nn.functional.logsigmoid(u) - log_softplus(u)) / self.temperature,)

    def value(
        self, positive: Float[Tensor, " m"], reward_positive: Float[Tensor, " m"], sums: Float[Tensor, "k m"]
    ) -> Value:
        """softplus(-u) of the positive and the sum of softplus(u) over negatives."""
        u, negatives = positive / self.temperature + self.bias, torch.exp(sums[0])
        loss = -torch.nn.functional.logsigmoid(u) + negatives
        return Value(loss, -torch.sigmoid(-u) / self.temperature, negatives)


def log_softplus(u: Float[Tensor, "*pairs"]) -> Float[Tensor, "*pairs"]:
    """log(log(1 + e^u)), also where e^u underflows."""
    return torch.where(u < FAR_BELOW, u, torch.log(torch.nn.functional.softplus(u.clamp_min(FAR_BELOW), threshold=40)))
