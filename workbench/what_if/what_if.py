"""An objective that may be asked for: its name and the few numbers it uses, hashable, so results are kept by it.

`core.objectives.settings.ObjectiveSettings` also says how training moves those numbers and whose similarities weigh;
here the numbers are those of the last step, and the similarities the model's own.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

from core.objectives.amplifier import GradientAmplifier
from core.objectives.debiased import Debiased
from core.objectives.focal import FocalInfoNCE
from core.objectives.hard_debiased import HardDebiased
from core.objectives.hardness import HardnessWeighted
from core.objectives.infonce import InfoNCE
from core.objectives.objective import Objective
from core.objectives.relative import RelativeHardness
from core.objectives.settings import Name, ObjectiveSettings
from core.objectives.siglip import SigLIP

NUMBERS = ("alpha", "beta", "margin", "prior", "bias", "temperature")
PUBLISHED: Mapping[Name, Objective] = {
    "llave": HardnessWeighted(),
    "infonce": InfoNCE(),
    "relative": RelativeHardness(),
    "amplifier": GradientAmplifier(),
    "focal": FocalInfoNCE(),
    "siglip": SigLIP(),
    "debiased": Debiased(),
    "hard_debiased": HardDebiased(),
}


@dataclass(frozen=True)
class Setting:
    """An objective by name; a number that it does not use is None, so equal settings are equal objectives."""

    name: Name
    temperature: float
    alpha: float | None = None
    beta: float | None = None
    margin: float | None = None
    prior: float | None = None
    bias: float | None = None
    weigh: Literal["all", "explicit"] = "all"

    @property
    def numbers(self) -> dict[str, float]:
        """The numbers that the objective uses, by field name; the temperature is the last."""
        return {name: getattr(self, name) for name in NUMBERS if getattr(self, name) is not None}

    @property
    def strength(self) -> Literal["alpha", "beta"] | None:
        """Which number is the strength of the weighting, if any."""
        return "alpha" if self.alpha is not None else "beta" if self.beta is not None else None

    @property
    def objective(self) -> Objective:
        """The objective, as the trainer builds it for its last step.

        Raises:
            ValueError: a number is out of its range.
        """
        settings = ObjectiveSettings(name=self.name, weigh=self.weigh, **self.numbers)  # pyright: ignore[reportArgumentType]
        return settings.at(1, 1)


def setting_of(name: Name, objective: Objective) -> Setting:
    """Return an objective's numbers. `name` is its name in `ObjectiveSettings`."""
    numbers = {number: float(getattr(objective, number)) for number in NUMBERS if hasattr(objective, number)}
    return Setting(name, weigh=getattr(objective, "weigh", "all"), **numbers)


def trained_setting(settings: ObjectiveSettings) -> Setting:
    """Return the objective at the end of a training."""
    setting = setting_of(settings.name, settings.at(1, 1))
    # A scheduled temperature arrives with a rounding error, which would be an option of its own beside the usual one.
    return replace(setting, temperature=float(f"{setting.temperature:.9g}"))


def first_setting(name: Name, trained: Setting) -> Setting:
    """Say where a what-if begins: with the trained numbers if the trained objective is asked for, else the published.

    It weighs all negatives, for the pools of an evaluation hold no explicit ones.
    """
    return replace(trained, weigh="all") if name == trained.name else setting_of(name, PUBLISHED[name])
