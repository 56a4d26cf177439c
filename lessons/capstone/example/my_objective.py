"""The example's objective: only negatives that are really similar get a weight, log w_ij = alpha max(0, r_ij - 0.5).

LLaVE's weight e^(alpha r) also multiplies every negative of one query by much the same number, which is a margin
(lesson 3), and halves the weight of negatives that are far away. Here a negative below 0.5 weighs 1, as in InfoNCE.
"""

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from core.objectives.filters import Filters
from core.objectives.infonce import WeightedSoftmax
from core.objectives.objective import Objective, PairSimilarities, check_strength, check_temperature
from core.objectives.settings import progress

NAME = "threshold"
THRESHOLD = 0.5
"""The cosine from which on a negative gets a weight."""
FILTERS = Filters()


@dataclass(frozen=True)
class MyObjective(WeightedSoftmax):
    """loss_i = -log( e^(s_ii/tau) / (e^(s_ii/tau) + sum_{j != i} w_ij e^(s_ij/tau)) ), with
    log w_ij = alpha max(0, r_ij - 0.5).

    r_ij is the policy's own cosine, held constant; alpha = 0 is InfoNCE.
    """

    alpha: float = 9.0
    temperature: float = 0.02
    both_directions: bool = True

    def __post_init__(self) -> None:
        check_temperature(self.temperature)
        check_strength("alpha", self.alpha, "LLaVE uses 9")

    def pair_weight(self, pairs: PairSimilarities) -> Float[Tensor, "*pairs"]:
        """log w_ij of every pair, seen as a negative. pairs.reward is a constant: no gradient flows through it."""
        return self.alpha * (pairs.reward - THRESHOLD).clamp_min(0)

    def anchor_weight(self, reward_positive: Float[Tensor, " m"]) -> Float[Tensor, " m"]:
        """The part of log w_ij that depends on the anchor's positive alone."""
        return 0 * reward_positive


def at(step: int, steps: int, meta_tasks: frozenset[str]) -> Objective:
    """The objective of a step, counted from 0, of a run of `steps`; alpha rises over the first half.

    meta_tasks: of the pairs of the step's batch, such as {"retrieval", "vqa"}.
    """
    del meta_tasks
    return MyObjective(alpha=9.0 * progress(step, steps / 2, "linear"))
