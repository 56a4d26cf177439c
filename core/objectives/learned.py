"""A temperature (and SigLIP's bias) that is learned with the model, within bounds."""

import math
from dataclasses import replace

import torch
from torch import Tensor, nn

from core.objectives.objective import Objective
from core.objectives.siglip import SigLIP

# Objectives whose only use of s is s/tau (+ b), so that dloss/dlog tau = -sum G_ij s_ij with G = dloss/dS.
LEARNABLE = ("llave", "infonce", "relative", "siglip")


def check_learned(learned: bool, name: str, start: float | int, low: float | int, high: float | int) -> None:
    """Raise ValueError if a temperature is to be learned that cannot be, or its bounds do not hold its start."""
    if not learned:
        return
    if name not in LEARNABLE:
        raise ValueError(f"learn_temperature: name = {name!r} cannot; use one of {', '.join(LEARNABLE)}.")
    if not 0 < low <= start <= high <= 10:
        raise ValueError(
            f"temperature = {start} must lie between temperature_min = {low} and temperature_max = {high}, "
            "all in (0, 10]."
        )


class LearnedTemperature(nn.Module):
    """log tau as a weight, as in CLIP (arXiv 2103.00020), kept in [low, high]; and SigLIP's bias.

    The contrast step gives its gradients in closed form; no graph is built.
    """

    def __init__(self, objective: Objective, low: float | int, high: float | int) -> None:
        super().__init__()
        self.log_temperature = nn.Parameter(torch.tensor(math.log(objective.temperature)))
        if isinstance(objective, SigLIP):
            self.bias = nn.Parameter(torch.tensor(float(objective.bias)))
        self.low, self.high = low, high

    def apply_to(self, objective: Objective) -> Objective:
        """Return the objective with the present temperature and bias."""
        learned = {"temperature": min(max(math.exp(self.log_temperature.item()), self.low), self.high)}
        if isinstance(objective, SigLIP):
            learned["bias"] = self.bias.item()
        return replace(objective, **learned)  # pyright: ignore[reportArgumentType, reportCallIssue]

    def take_gradients(self, temperature_gradient: Tensor, bias_gradient: Tensor) -> None:
        """Set the weights' gradients from the contrast step's, which are global already."""
        self.log_temperature.grad = temperature_gradient.to(self.log_temperature)
        if hasattr(self, "bias"):
            self.bias.grad = bias_gradient.to(self.bias)

    @torch.no_grad()
    def clamp(self) -> None:
        """Bring tau back within its bounds after an optimizer step."""
        self.log_temperature.clamp_(math.log(self.low), math.log(self.high))
