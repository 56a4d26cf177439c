"""LLaVE's hardness-weighted contrastive loss: the more similar a negative, the more it weighs."""

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from core.objectives.softmax import check_temperature


@dataclass(frozen=True)
class HardnessWeighted:
    """loss_i = -log( e^(s_ii/tau) / (e^(s_ii/tau) + sum_{j != i} w_ij e^(s_ij/tau)) ),  w_ij = e^(alpha r_ij).

    LLaVE (arXiv 2503.04812) eq. 4-5. r_ij is the reward model's similarity in [-1, 1]: the policy's own s_ij,
    detached (the paper), or a frozen checkpoint's. alpha multiplies the cosine, not s/tau; alpha = 0 is InfoNCE.
    The published code averages both directions, and so do we. alpha is not portable across temperatures: the
    margin it adds is alpha * tau times the similarity.
    """

    alpha: float = 9.0
    temperature: float = 0.02

    def __post_init__(self) -> None:
        check_temperature(self.temperature)
        if not 0 <= self.alpha <= 100:
            raise ValueError(f"alpha = {self.alpha} is outside [0, 100]; LLaVE uses 9, and 0 is InfoNCE.")

    def log_weights(self, reward: Float[Tensor, "m n"]) -> Float[Tensor, "m n"]:
        """alpha * r."""
        return self.alpha * reward
