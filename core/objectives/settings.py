"""The settings of an objective, and the objective that they mean at a step."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Literal

from core.objectives.amplifier import GradientAmplifier
from core.objectives.debiased import Debiased
from core.objectives.filters import Filters
from core.objectives.focal import FocalInfoNCE
from core.objectives.hard_debiased import HardDebiased
from core.objectives.hardness import HardnessWeighted
from core.objectives.infonce import InfoNCE
from core.objectives.learned import check_learned
from core.objectives.objective import Objective
from core.objectives.relative import RelativeHardness
from core.objectives.siglip import SigLIP

Name = Literal["llave", "infonce", "relative", "amplifier", "focal", "siglip", "debiased", "hard_debiased"]
ScheduleShape = Literal["linear", "cosine"]


@dataclass
class ObjectiveSettings:
    """What the model is asked to achieve."""

    name: Name = "llave"
    """llave: hardness-weighted (arXiv 2503.04812); infonce: every negative weighs the same; relative and amplifier: two
    readings of EGA (2506.02020); focal: Focal-InfoNCE; siglip; debiased (DCL); hard_debiased (HCL)."""
    alpha: float = 9.0
    """llave: strength of the weighting, 0 to 100; a negative weighs e^(alpha * similarity)."""
    alpha_warmup: float = 0.5
    """Share of the steps, 0 to 1, over which alpha (or beta) rises from 0. Useful when training from scratch."""
    weigh: Literal["all", "explicit"] = "all"
    """llave: weigh all negatives, or only each pair's own explicit hard negatives (EmbeddingGemma)."""
    beta: float = 9.0
    """relative, amplifier, hard_debiased: strength of the weighting, 0 to 100 (HCL uses 1)."""
    margin: float = 0.3
    """focal: the m of its negatives' logits s (s + m) / tau, 0 to 2."""
    bias: float = -10.0
    """siglip: the b of its logits s / tau + b; with learn_temperature it is learned too."""
    prior: float = 0.1
    """debiased, hard_debiased: chance that a negative is right, 0 to below 1."""
    temperature: float = 0.02
    """tau, in (0, 10]: similarities are divided by it. Published: llave 0.02, focal 0.05, siglip 0.1, HCL 0.5."""
    temperature_final: float | None = None
    """tau at the last step, reached gradually; null keeps it constant."""
    schedule: ScheduleShape = "linear"
    """Course of alpha, beta and tau where they change: linear, or cosine (flat at both ends)."""
    learn_temperature: bool = False
    """llave, infonce, relative, siglip: learn tau (and siglip's bias) from the given start."""
    temperature_min: float = 0.01
    """learn_temperature: smallest tau; CLIP's bound is 0.01."""
    temperature_max: float = 1.0
    """learn_temperature: largest tau."""
    both_directions: bool = True
    """Average query -> target and target -> query; off: query -> target alone. siglip has one direction."""
    reward: str = "policy"
    """Whose similarities set the weights: "policy" (the model itself), "average" (its exponential average) or the
    folder of a frozen checkpoint."""
    reward_decay: float = 0.999
    """average: what it keeps of itself in each step, 0 to below 1."""
    exclude_above: float | None = None
    """Leave out negatives more similar to the anchor than its positive by this much (0.1 in Qwen3-Embedding)."""
    exclude_similar: float | None = None
    """Leave out negatives whose target is more similar than this to the own target (0.95 in RzenEmbed)."""

    def __post_init__(self) -> None:
        if self.name not in BUILD:
            raise ValueError(f"objective.name = {self.name!r} is not one of {', '.join(BUILD)}.")
        if self.temperature_final is not None and self.learn_temperature:
            raise ValueError("objective.temperature_final is set, but learn_temperature learns tau; use one of them.")
        for name, low in (("alpha_warmup", 0), ("reward_decay", 0)):
            if not low <= getattr(self, name) <= 1:
                raise ValueError(f"objective.{name} = {getattr(self, name)} is outside [0, 1].")
        try:
            self.at(1, 1)
            if self.temperature_final is not None:
                replace(self.at(1, 1), temperature=self.temperature_final)  # pyright: ignore[reportArgumentType, reportCallIssue]
            # An alpha or beta that this objective does not use is checked all the same.
            HardnessWeighted(self.alpha, self.temperature)
            RelativeHardness(self.beta, self.temperature)
            _ = self.filters
            check_learned(
                self.learn_temperature, self.name, self.temperature, self.temperature_min, self.temperature_max
            )
        except ValueError as error:
            raise ValueError(f"objective.{error}") from error

    def at(self, step: int, steps: int) -> Objective:
        """Return the objective of a step, counted from 0, of a run of `steps`."""
        rise = progress(step, self.alpha_warmup * steps, self.schedule)
        temperature = self.temperature
        if self.temperature_final is not None:
            temperature += (self.temperature_final - temperature) * progress(step, steps - 1, self.schedule)
        return BUILD[self.name](self, rise, temperature)

    @property
    def filters(self) -> Filters:
        """Which negatives are left out by similarity."""
        return Filters(self.exclude_above, self.exclude_similar)

    @property
    def weights_by_reward(self) -> bool:
        """Whether the objective's weights come from the reward at all."""
        return self.name in ("llave", "relative", "amplifier")


Build = Callable[[ObjectiveSettings, float, float], Objective]
BUILD: Mapping[Name, Build] = {
    "llave": lambda s, rise, tau: HardnessWeighted(s.alpha * rise, tau, s.both_directions, s.weigh),
    "infonce": lambda s, rise, tau: InfoNCE(tau, s.both_directions),
    "relative": lambda s, rise, tau: RelativeHardness(s.beta * rise, tau, s.both_directions),
    "amplifier": lambda s, rise, tau: GradientAmplifier(s.beta * rise, tau, s.both_directions),
    "focal": lambda s, rise, tau: FocalInfoNCE(s.margin, tau, s.both_directions),
    "siglip": lambda s, rise, tau: SigLIP(tau, s.bias),
    "debiased": lambda s, rise, tau: Debiased(s.prior, tau, s.both_directions),
    "hard_debiased": lambda s, rise, tau: HardDebiased(s.beta * rise, s.prior, tau, s.both_directions),
}


def progress(step: int, steps: float | int, shape: ScheduleShape) -> float:
    """From 0 at step 0 to 1 at `steps` and after: a straight line, or half a cosine, flat at both ends.

    With steps <= 0 it is 1 throughout.
    """
    share = min(1.0, step / steps) if steps > 0 else 1.0
    return share if shape == "linear" else (1 - math.cos(math.pi * share)) / 2


def strength(objective: Objective) -> float:
    """alpha or beta of an objective that has one, else 0: what `metrics.jsonl` logs as alpha."""
    return float(getattr(objective, "alpha", getattr(objective, "beta", 0.0)))
