"""Your objective. The ONE place to change is `MyObjective.pair_weight`; the rest follows from it.

As it stands this is LLaVE's weight, log w_ij = alpha r_ij, so all tests pass before you change anything. What fits in:

    a new reward             change `pair_weight`: any function of the pair's similarity or reward, held constant
    a weight of the anchor   change `anchor_weight`: any function of the positive's reward
    a false-negative filter  set FILTERS; the starter's experiment.py leaves out what they exclude
    a schedule               change `at`: it is asked for the objective of every step
    a task-aware alpha       `at` is told the meta-tasks of the step's batch; run with --block equal to --batch

What does not fit: a weight that joins pair and anchor in a way that no product does. See core/objectives/objective.py.
"""

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from core.objectives.filters import Filters
from core.objectives.infonce import WeightedSoftmax
from core.objectives.objective import Objective, PairSimilarities, check_strength, check_temperature
from core.objectives.settings import progress

NAME = "mine"
FILTERS = Filters()


@dataclass(frozen=True)
class MyObjective(WeightedSoftmax):
    """loss_i = -log( e^(s_ii/tau) / (e^(s_ii/tau) + sum_{j != i} w_ij e^(s_ij/tau)) ), with YOUR w_ij.

    Say here what w is, where it comes from, and what alpha = 0 means.
    """

    alpha: float = 9.0
    temperature: float = 0.02
    both_directions: bool = True

    def __post_init__(self) -> None:
        check_temperature(self.temperature)
        check_strength("alpha", self.alpha, "LLaVE uses 9")

    def pair_weight(self, pairs: PairSimilarities) -> Float[Tensor, "*pairs"]:
        """log w_ij of every pair, seen as a negative. pairs.reward is a constant: no gradient flows through it."""
        return self.alpha * pairs.reward  # <- change this

    def anchor_weight(self, reward_positive: Float[Tensor, " m"]) -> Float[Tensor, " m"]:
        """The part of log w_ij that depends on the anchor's positive alone."""
        return 0 * reward_positive


def at(step: int, steps: int, meta_tasks: frozenset[str]) -> Objective:
    """The objective of a step, counted from 0, of a run of `steps`; alpha rises over the first half.

    meta_tasks: of the pairs of the step's batch, such as {"retrieval", "vqa"}.
    """
    del meta_tasks
    return MyObjective(alpha=9.0 * progress(step, steps / 2, "linear"))
