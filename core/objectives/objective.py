"""The contract of an objective: each anchor's loss, and the gradient of its positive and negatives.

An *anchor* is a query over its candidates (or, in the other direction, a target over the queries). Keys: m anchors,
n candidates, k channels; s in [-1, 1] is a cosine, p(i) the candidate that is right for anchor i. Every objective
here sees its negatives only through log-sum-exps of one or a few channels of logits z:

    A_ki = log sum_{j negative of i} e^(z_kij)              accumulates over tiles and over ranks
    loss_i = f(s_ip, A_1i .. A_ki)
    dloss_i / ds_ij = pull_i * sum_k slope_kij e^(z_kij - A_ki)        for negatives
    dloss_i / ds_ip = positive_gradient_i

So the contrast of millions of pairs needs k numbers an anchor, and who wants to know what one pair weighs asks the
same functions. Weights that the paper takes as constants (stop-gradient) are constants of `slopes` too.
"""

from dataclasses import dataclass
from typing import Protocol, TypeAlias, runtime_checkable

import torch
from jaxtyping import Bool, Float
from torch import Tensor

Similarities = Float[Tensor, "m n"]
Mask = Bool[Tensor, "m n"]
Slope: TypeAlias = float | Tensor | None


@dataclass(frozen=True)
class PairSimilarities:
    """Some pairs of anchors and candidates, all arrays of one shape.

    reward: the reward model's similarity, which sets the weights; the policy's own by default (the same tensor).
    own_negatives: which candidates are explicit hard negatives of the anchor's own pair; None where there are none.
    """

    similarity: Float[Tensor, "*pairs"]
    reward: Float[Tensor, "*pairs"]
    own_negatives: Bool[Tensor, "*pairs"] | None = None


@dataclass(frozen=True)
class Value:
    """What `Objective.value` says of each anchor: its loss, dloss/ds of its positive, and the pull on its negatives."""

    loss: Float[Tensor, " m"]
    positive_gradient: Float[Tensor, " m"]
    pull: Float[Tensor, " m"]


@runtime_checkable
class Objective(Protocol):
    """The contract; the equations are those of the module's docstring."""

    @property
    def temperature(self) -> float:
        """tau > 0: what a similarity is divided by."""
        ...

    @property
    def both_directions(self) -> bool:
        """Whether the loss is the mean of query -> target and target -> query, or query -> target alone."""
        ...

    def logits(self, pairs: PairSimilarities) -> tuple[Float[Tensor, "*pairs"], ...]:
        """z of every channel, as new tensors, with all pairs seen as negatives."""
        ...

    def slopes(self, pairs: PairSimilarities) -> tuple[Slope, ...]:
        """For every channel dA-weighted dz/ds, a number or a tensor; None: the channel has no part in the gradient."""
        ...

    def value(
        self, positive: Float[Tensor, " m"], reward_positive: Float[Tensor, " m"], sums: Float[Tensor, "k m"]
    ) -> Value:
        """Return loss and pulls from the similarities of positives and the channels' log-sum-exps over negatives."""
        ...

    def pair_weight(self, pairs: PairSimilarities) -> Float[Tensor, "*pairs"]:
        """Return the part of log w_ij that depends on the pair; w is what multiplies InfoNCE's e^(s_ij/tau)."""
        ...

    def anchor_weight(self, reward_positive: Float[Tensor, " m"]) -> Float[Tensor, " m"]:
        """Return the part of log w_ij that depends on the anchor's positive."""
        ...


class Unweighted:
    """For objectives whose negatives have no weights, or none that depend on the anchor."""

    def pair_weight(self, pairs: PairSimilarities) -> Float[Tensor, "*pairs"]:
        """Return zero for every pair."""
        return torch.zeros_like(pairs.similarity)

    def anchor_weight(self, reward_positive: Float[Tensor, " m"]) -> Float[Tensor, " m"]:
        """Return zero for every anchor."""
        return torch.zeros_like(reward_positive)


def check_temperature(value: float | int) -> None:
    """Raise ValueError unless 0 < value <= 10."""
    if not 0 < value <= 10:
        raise ValueError(f"temperature = {value} is outside (0, 10]; LLaVE uses 0.02.")


def check_strength(name: str, value: float | int, usual: str) -> None:
    """Raise ValueError unless 0 <= value <= 100."""
    if not 0 <= value <= 100:
        raise ValueError(f"{name} = {value} is outside [0, 100]; {usual}, and 0 is InfoNCE.")


@dataclass(frozen=True)
class PairTerms:
    """What an objective does to each pair of complete rows, for the direction row -> column.

    loss: per row. gradient: dloss_i / ds_ij. weight: w_ij (1 for the positive, 0 where excluded).
    probability: tau * gradient for negatives and 1 + tau * gradient for the positive: the softmax's P_ij where there
    is a softmax, and in general the matrix that stands in its place in gradient = (P - I) / tau.
    share: |gradient| of a negative among the row's negatives, 0 for the positive.
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
    own_negatives: Mask | None = None,
) -> PairTerms:
    """Everything the objective does to the pairs of complete rows.

    `positive` marks exactly one column a row; `reward` defaults to the similarities themselves (the policy).
    """
    pairs = PairSimilarities(similarity, similarity if reward is None else reward.detach(), own_negatives)
    left_out = positive if excluded is None else positive | excluded
    reward_positive = pairs.reward[positive]
    logits = [each.masked_fill(left_out, -torch.inf) for each in objective.logits(pairs)]
    sums = torch.stack([torch.logsumexp(each, dim=1) for each in logits])
    value = objective.value(similarity[positive], reward_positive, sums)
    direction = sum(
        (
            slope * torch.exp(z - total[:, None]).nan_to_num(0.0)
            for slope, z, total in zip(objective.slopes(pairs), logits, sums, strict=True)
            if slope is not None
        ),
        start=torch.zeros_like(similarity),
    )
    gradient = torch.where(positive, value.positive_gradient[:, None], value.pull[:, None] * direction)
    log_weight = objective.pair_weight(pairs) + objective.anchor_weight(reward_positive)[:, None]
    log_weight = log_weight.masked_fill(positive, 0).masked_fill(left_out & ~positive, -torch.inf)
    return PairTerms(
        loss=value.loss,
        probability=gradient * objective.temperature + positive.to(similarity.dtype),
        weight=torch.exp(log_weight),
        gradient=gradient,
        share=shares(direction),
    )


def shares(direction: Similarities) -> Similarities:
    """|direction| of each negative as a part of its row's sum; 0 throughout for a row without negatives.

    The pull that all negatives of a row have in common is left out, so shares are exact even where it underflows.
    """
    size = direction.abs()
    return size / size.sum(dim=1, keepdim=True).clamp_min(torch.finfo(size.dtype).tiny)
