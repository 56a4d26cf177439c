"""LLaVE's hardness-weighted contrastive loss: the more similar a negative, the more it weighs."""

from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from core.objectives.infonce import WeightedSoftmax
from core.objectives.objective import PairSimilarities, check_strength, check_temperature


@dataclass(frozen=True)
class HardnessWeighted(WeightedSoftmax):
    """loss_i = -log( e^(s_ii/tau) / (e^(s_ii/tau) + sum_{j != i} w_ij e^(s_ij/tau)) ),  w_ij = e^(alpha r_ij).

    LLaVE (arXiv 2503.04812) eq. 4-5. r_ij is the reward model's similarity in [-1, 1]: the policy's own s_ij,
    detached (the paper), or a frozen or averaged copy's. alpha multiplies the cosine, not s/tau; alpha = 0 is InfoNCE.
    The published code averages both directions, and so do we. alpha is not portable across temperatures: the
    margin it adds is alpha * tau times the similarity.
    weigh: "all" negatives (LLaVE), or only the "explicit" hard negatives of the anchor's own pair, as EmbeddingGemma
    does with alpha = 5 (arXiv 2509.20354).
    """

    alpha: float = 9.0
    temperature: float = 0.02
    both_directions: bool = True
    weigh: Literal["all", "explicit"] = "all"

    def __post_init__(self) -> None:
        check_temperature(self.temperature)
        check_strength("alpha", self.alpha, "LLaVE uses 9")

    def pair_weight(self, pairs: PairSimilarities) -> Float[Tensor, "*pairs"]:
        """alpha * r of the negatives that are weighed, 0 of others."""
        if self.weigh == "all":
            return self.alpha * pairs.reward
        if pairs.own_negatives is None:
            return torch.zeros_like(pairs.reward)
        return self.alpha * pairs.reward * pairs.own_negatives

    def logits(self, pairs: PairSimilarities) -> tuple[Float[Tensor, "*pairs"], ...]:
        """Return one channel; with the policy as reward it is (1/tau + alpha) s, a single product."""
        if self.weigh == "all" and pairs.reward is pairs.similarity:
            return (pairs.similarity * (1 / self.temperature + self.alpha),)
        return super().logits(pairs)
