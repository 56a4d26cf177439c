"""Every objective beside its printed equation: for tests of objectives, of the contrast step and of its ranks."""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import printed_equations as printed
from torch import Tensor

from core.objectives.amplifier import GradientAmplifier
from core.objectives.debiased import Debiased
from core.objectives.focal import FocalInfoNCE
from core.objectives.hard_debiased import HardDebiased
from core.objectives.hardness import HardnessWeighted
from core.objectives.infonce import InfoNCE
from core.objectives.objective import Objective
from core.objectives.relative import RelativeHardness
from core.objectives.siglip import SigLIP


class Case(NamedTuple):
    objective: Objective
    equation: Callable[[printed.Anchor], Tensor]


CASES = {
    "infonce": Case(InfoNCE(0.02), partial(printed.infonce, tau=0.02)),
    "llave": Case(HardnessWeighted(9.0, 0.02), partial(printed.llave, alpha=9.0, tau=0.02)),
    "explicit": Case(
        HardnessWeighted(5.0, 0.05, weigh="explicit"), partial(printed.llave, alpha=5.0, tau=0.05, explicit=True)
    ),
    "relative": Case(RelativeHardness(9.0, 0.02), partial(printed.relative, beta=9.0, tau=0.02)),
    "amplifier": Case(GradientAmplifier(9.0, 0.02), partial(printed.amplifier, beta=9.0, tau=0.02)),
    "focal": Case(FocalInfoNCE(0.3, 0.05), partial(printed.focal, margin=0.3, tau=0.05)),
    "siglip": Case(SigLIP(0.1, -10.0), partial(printed.siglip, tau=0.1, bias=-10.0)),
    "debiased": Case(Debiased(0.1, 0.5), partial(printed.debiased, prior=0.1, tau=0.5)),
    "debiased-floor": Case(Debiased(0.4, 0.1), partial(printed.debiased, prior=0.4, tau=0.1)),
    "hard_debiased": Case(HardDebiased(1.0, 0.1, 0.5), partial(printed.hard_debiased, beta=1.0, prior=0.1, tau=0.5)),
}
