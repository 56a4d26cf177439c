"""InfoNCE, in which every negative weighs the same, and the weighted softmax that it is the plain case of."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from core.objectives.objective import PairSimilarities, Slope, Unweighted, Value, check_temperature


class WeightedSoftmax(Unweighted):
    """loss_i = -log( e^(s_ip/tau) / (e^(s_ip/tau) + sum_j w_ij e^(s_ij/tau)) ),  w_ij constant.

    With z_ij = s_ij/tau + log w_ij and A_i its log-sum-exp over negatives:

        loss_i = log(1 + e^(A_i - s_ip/tau)),  dloss_i/ds_ij = (P_ij - [j = p]) / tau,  P_ij = e^(z_ij) / Z_i
    """

    temperature: float

    def logits(self, pairs: PairSimilarities) -> tuple[Float[Tensor, "*pairs"], ...]:
        """Return one channel, s/tau + log w."""
        return (pairs.similarity * (1 / self.temperature) + self.pair_weight(pairs),)

    def slopes(self, pairs: PairSimilarities) -> tuple[Slope, ...]:
        """1/tau: no gradient flows through the weights."""
        return (1 / self.temperature,)

    def value(
        self, positive: Float[Tensor, " m"], reward_positive: Float[Tensor, " m"], sums: Float[Tensor, "k m"]
    ) -> Value:
        """Return the binary cross-entropy of the positive against the mass of all negatives."""
        return softmax_value(positive, sums[0] + self.anchor_weight(reward_positive), self.temperature)


def softmax_value(positive: Float[Tensor, " m"], mass: Float[Tensor, " m"], temperature: float | int) -> Value:
    """log(1 + e^(mass - s/tau)) and its derivatives: by the mass sigma(mass - s/tau), by s -sigma(...)/tau."""
    excess = mass - positive * (1 / temperature)
    pull = torch.sigmoid(excess)
    return Value(torch.logaddexp(excess, torch.zeros_like(excess)), -pull / temperature, pull)


@dataclass(frozen=True)
class InfoNCE(WeightedSoftmax):
    """loss_i = -log( e^(s_ii/tau) / sum_j e^(s_ij/tau) )  (van den Oord et al. 2018, arXiv 1807.03748; LLaVE eq. 1).

    The weighted softmax with log w = 0. both_directions: averaged over rows and columns as in CLIP
    (arXiv 2103.00020); otherwise query -> target alone, as in the papers' equations.
    """

    temperature: float = 0.02
    both_directions: bool = True

    def __post_init__(self) -> None:
        check_temperature(self.temperature)

    def logits(self, pairs: PairSimilarities) -> tuple[Float[Tensor, "*pairs"], ...]:
        """Return one channel, s/tau."""
        return (pairs.similarity * (1 / self.temperature),)
