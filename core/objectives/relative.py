"""Relative hardness, normalised: a negative weighs by how close it comes to the anchor's positive."""

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from core.objectives.infonce import WeightedSoftmax
from core.objectives.objective import PairSimilarities, check_strength, check_temperature


@dataclass(frozen=True)
class RelativeHardness(WeightedSoftmax):
    """The weighted softmax with w_ij = e^(beta (r_ij - r_ii)).

    A reading of the explicit gradient amplifier (EGA, arXiv 2506.02020). Certain, from its abstract and two readers'
    summaries: hardness is relative to the positive's similarity, and the probabilities p_ij of InfoNCE's gradient are
    replaced by reweighted ones. Our reading: the exponential form, beta, and that the reweighted row is normalised.
    With the policy as reward its gradient is exactly that of InfoNCE at the lower temperature tau / (1 + beta tau),
    times 1 / (1 + beta tau): ordinary negatives are attenuated, those above the positive amplified.
    """

    beta: float = 9.0
    temperature: float = 0.02
    both_directions: bool = True

    def __post_init__(self) -> None:
        check_temperature(self.temperature)
        check_strength("beta", self.beta, "9 matches LLaVE's alpha")

    def pair_weight(self, pairs: PairSimilarities) -> Float[Tensor, "*pairs"]:
        """beta * r of the pair."""
        return self.beta * pairs.reward

    def anchor_weight(self, reward_positive: Float[Tensor, " m"]) -> Float[Tensor, " m"]:
        """-beta * r of the positive."""
        return -self.beta * reward_positive

    def logits(self, pairs: PairSimilarities) -> tuple[Float[Tensor, "*pairs"], ...]:
        """Return one channel; with the policy as reward it is (1/tau + beta) s, a single product."""
        if pairs.reward is pairs.similarity:
            return (pairs.similarity * (1 / self.temperature + self.beta),)
        return super().logits(pairs)
