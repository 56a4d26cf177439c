"""What all ranks say of a step's data before any of them begins it, so that one rank's bad pair is everybody's."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from core.data.checks.problems import Problem
from core.parallel.collectives import sum_over_ranks
from core.training.nan_guard import NAMED, from_all_ranks
from core.training.step_data import StepData
from core.training.step_pairs import ATTEMPTS, BadStep, Substitution


@dataclass(frozen=True)
class Agreed:
    """A step's data over all ranks, the same on each of them.

    tokens: that will be encoded. cut: of texts, that were left out. problems: of pairs that are missing; with any, no
    rank may begin the step.
    """

    tokens: int
    cut: int
    substituted: int
    substitutions: tuple[Substitution, ...]
    problems: tuple[Problem, ...]

    def numbers(self) -> dict[str, int]:
        """Return what a line of the log says of it, where there is anything to say."""
        found = {"substituted": self.substituted, "tokens_cut": self.cut}
        return {name: number for name, number in found.items() if number}


def agree(data: StepData | BadStep, device: torch.device) -> Agreed:
    """Return what all ranks say; every rank must call it with its part of the same step."""
    problems = list(data.problems) if isinstance(data, BadStep) else []
    substitutions = list(data.substitutions)
    cut = data.cut if isinstance(data, StepData) else 0
    local = torch.tensor([data.tokens, cut, len(substitutions), len(problems)], device=device)
    tokens, cut, substituted, bad = sum_over_ranks(local).tolist()
    everywhere = from_all_ranks(substitutions) if substituted else []
    everyone = from_all_ranks(problems) if bad else []
    return Agreed(tokens, cut, substituted, tuple(everywhere), tuple(dict.fromkeys(everyone)))


def lacks_pairs(step: int, problems: Sequence[Problem], done: int, skips: bool, command: str) -> str:
    """Say in one line why a step, counted from 1, lacks pairs, what was saved, and how to go on."""
    named = "; ".join(map(str, problems[:NAMED])) + f"; and {len(problems) - NAMED} more." * (len(problems) > NAMED)
    saved = f"Saved after step {done}." if done else "No step was done yet."
    advice = f"{ATTEMPTS} others were bad too." if skips else "Or let others stand in: --data.on_bad_item skip."
    return f"Step {step} lacks pairs: {named} {saved} Mend the data, then: {command} {advice}"
