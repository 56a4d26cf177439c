"""InfoNCE: every negative weighs the same."""

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from core.objectives.objective import Pairs, check_temperature
from core.objectives.softmax import WeightedSoftmax


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

    def logits(self, pairs: Pairs) -> tuple[Float[Tensor, "*pairs"], ...]:
        """One channel, s/tau."""
        return (pairs.similarity * (1 / self.temperature),)
