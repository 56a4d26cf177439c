"""What the objectives of the weighted-softmax family share: logits, probabilities, gradient, shares.

Keys: m rows (queries), n columns (targets) of one block of similarities; s in [-1, 1] is a cosine.
For a row i with positive p(i), over the columns that are not excluded:

    z_ij = s_ij / tau                   for j = p(i)
    z_ij = s_ij / tau + log w_ij        for negatives, w_ij a constant of the backward pass
    loss_i = -log softmax(z_i)_p(i)
    dloss_i / ds_ij = (P_ij - [j = p(i)]) / tau,   P_i = softmax(z_i)          (papers.md 6.1, LLaVE eq. 5-7)

Columns are read the same way for the direction target -> query.
"""

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Bool, Float
from torch import Tensor

Similarities = Float[Tensor, "m n"]
Mask = Bool[Tensor, "m n"]


@runtime_checkable
class Objective(Protocol):
    """A weighted-softmax objective: a temperature and a log-weight for each negative."""

    @property
    def temperature(self) -> float:
        """tau > 0."""
        ...

    def log_weights(self, reward: Similarities) -> Similarities:
        """log w_ij of every pair seen as a negative, from the reward's similarities; no gradient flows through."""
        ...


def check_temperature(value: float) -> None:
    """Raise ValueError unless 0 < value <= 10."""
    if not 0 < value <= 10:
        raise ValueError(f"temperature = {value} is outside (0, 10]; LLaVE uses 0.02.")


def logits(
    objective: Objective, similarity: Similarities, reward: Similarities, positive: Mask, excluded: Mask
) -> Similarities:
    """z of every pair: weighted for negatives, plain for the positive, -inf for excluded columns."""
    weighted = similarity / objective.temperature + objective.log_weights(reward.detach())
    z = torch.where(positive, similarity / objective.temperature, weighted)
    return z.masked_fill(excluded, -torch.inf)


@dataclass(frozen=True)
class PairTerms:
    """What an objective does to each pair of a block, for the direction row -> column.

    loss: per row. probability: P_ij. weight: w_ij (1 for the positive, 0 where excluded).
    gradient: dloss_i / ds_ij. share: of the row's pull on negatives, P_ij / (1 - P_ip), 0 for the positive.
    """

    loss: Float[Tensor, " m"]
    probability: Similarities
    weight: Similarities
    gradient: Similarities
    share: Similarities

    @property
    def effective_negatives(self) -> Float[Tensor, " m"]:
        """exp of the entropy of the shares: n when n negatives pull alike, 1 when one does all."""
        return torch.exp(-torch.xlogy(self.share, self.share).sum(dim=1))


def row_terms(
    objective: Objective,
    similarity: Similarities,
    positive: Mask,
    excluded: Mask | None = None,
    reward: Similarities | None = None,
) -> PairTerms:
    """Everything the objective does to the pairs of complete rows, in closed form.

    `positive` marks exactly one column a row; `reward` defaults to the similarities themselves (the policy).
    """
    excluded = torch.zeros_like(positive) if excluded is None else excluded
    reward = similarity if reward is None else reward
    z = logits(objective, similarity, reward, positive, excluded)
    normalizer = torch.logsumexp(z, dim=1)
    probability = torch.exp(z - normalizer[:, None])
    log_weight = objective.log_weights(reward.detach()).masked_fill(positive, 0).masked_fill(excluded, -torch.inf)
    return PairTerms(
        loss=normalizer - z[positive],
        probability=probability,
        weight=torch.exp(log_weight),
        gradient=(probability - positive.to(probability.dtype)) / objective.temperature,
        share=negative_shares(z, positive),
    )


def negative_shares(z: Similarities, positive: Mask) -> Similarities:
    """P_ij / (1 - P_ip) over negatives, computed as their own softmax so that it is exact even where P_ip -> 1."""
    return torch.softmax(z.masked_fill(positive, -torch.inf), dim=1).nan_to_num(0.0)
