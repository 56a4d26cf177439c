"""The debiased contrastive loss (DCL): some negatives are right answers nobody marked; their mass is taken off."""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from core.objectives.objective import PairSimilarities, Slope, Unweighted, Value, check_temperature


@dataclass(frozen=True)
class Debiased(Unweighted):
    """loss_i = -log( e^(s_ii/tau) / (e^(s_ii/tau) + G_i) ).

    Over the n negatives of the anchor,

    G_i = max( (sum_j e^(s_ij/tau) - prior n e^(s_ii/tau)) / (1 - prior),  n e^(-1/tau) )

    Chuang et al. 2020 (arXiv 2007.00224), whose code uses prior (tau+, the chance that a negative is right) = 0.1
    and tau = 0.5. Differentiated throughout; prior = 0 is InfoNCE. The floor is the least that n cosines can sum to.
    """

    prior: float = 0.1
    temperature: float = 0.5
    both_directions: bool = True

    def __post_init__(self) -> None:
        check_temperature(self.temperature)
        check_prior(self.prior)

    def logits(self, pairs: PairSimilarities) -> tuple[Float[Tensor, "*pairs"], ...]:
        """s/tau, and 0, whose log-sum-exp is log n."""
        return pairs.similarity * (1 / self.temperature), torch.zeros_like(pairs.similarity)

    def slopes(self, pairs: PairSimilarities) -> tuple[Slope, ...]:
        """Let the number of negatives not pull."""
        return 1 / self.temperature, None

    def value(
        self, positive: Float[Tensor, " m"], reward_positive: Float[Tensor, " m"], sums: Float[Tensor, "k m"]
    ) -> Value:
        """Return the loss over the debiased mass."""
        return debiased_value(positive, sums[0], sums[1], self.prior, self.temperature)


def check_prior(value: float | int) -> None:
    """Raise ValueError unless 0 <= value < 1."""
    if not 0 <= value < 1:
        raise ValueError(f"prior = {value} is outside [0, 1); the debiased losses use 0.1.")


def debiased_value(
    positive: Float[Tensor, " m"],
    mass: Float[Tensor, " m"],
    log_count: Float[Tensor, " m"],
    prior: float | int,
    temperature: float | int,
) -> Value:
    """Return the loss and its derivatives from the log-mass R of negatives and log n.

    G = max((e^R - prior n e^p) / (1 - prior), n e^(-1/tau)),  p = s_ii/tau,  loss = log(1 + G e^(-p)).
    Above the floor dloss/dR = e^R / ((1 - prior)(e^p + G)); on it, negatives do not pull.
    """
    logit = positive / temperature
    log_floor = log_count - 1 / temperature
    # e^R and n e^p relative to the larger of both, so that neither overflows.
    taken_off = log_count + logit + (math.log(prior) if prior > 0 else -math.inf)
    reference = torch.maximum(mass, taken_off).clamp_min(torch.finfo(mass.dtype).min)
    left = torch.exp(mass - reference) - torch.exp(taken_off - reference)
    log_debiased = reference + torch.log(left.clamp_min(0)) - math.log1p(-prior)
    above = log_debiased > log_floor
    log_g = torch.where(above, log_debiased, log_floor)
    log_z = torch.logaddexp(logit, log_g)
    pull = torch.where(above, torch.exp(mass - math.log1p(-prior) - log_z), 0)
    taken = torch.where(above, torch.exp(taken_off - math.log1p(-prior) - log_z), 0)
    kept = torch.exp(log_g - log_z)
    loss = torch.logaddexp(log_g - logit, torch.zeros_like(logit))
    return Value(loss, -(kept + taken) / temperature, pull)
