"""What is wrong with a model, gravest first: findings, each with the failures that it explains and what would help."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Int

from workbench.bundles.bundle import Bundle
from workbench.measures import findings_of_answers as answers
from workbench.measures import findings_of_space as spaces
from workbench.measures.finding import Evidence, Finding, Measured, without_training

Check = Callable[[Evidence], list[Finding]]
ALWAYS: tuple[Check, ...] = (spaces.zero_vectors, answers.leakage)
"""Told of any space."""
UNLESS_COLLAPSED: tuple[Check, ...] = (
    answers.at_chance,
    answers.near_misses,
    spaces.crowded,
    answers.suspected,
    answers.false_negatives,
    spaces.gap_between_sides,
    answers.left_behind,
    answers.transfer_gap,
    answers.truth_not_followed,
)
"""What follows from a collapse is no finding of its own."""


def prescriptions(evidence: Evidence) -> list[Finding]:
    """List what stands out, by the share of the failures that it explains; empty when nothing does.

    A collapse comes first, and what follows from it is left out.
    """
    if not len(evidence.numbers):
        return []
    collapse = spaces.collapsed(evidence)
    checks = ALWAYS if collapse else (*ALWAYS, *UNLESS_COLLAPSED)
    found = [finding for check in checks for finding in check(evidence)]
    return [*collapse, *sorted(found, key=lambda finding: -finding.share)]


@dataclass(frozen=True)
class Examined:
    """What was found. cures: what needs no training, tried. suspects: in words, "" if the space has collapsed.

    queries: how many were looked at; pools: of how many of them the candidates were, an even sample.
    """

    findings: list[Finding]
    cures: list[Measured]
    suspects: str
    queries: int
    pools: int


def examined(bundle: Bundle, numbers: Int[np.ndarray, " queries"]) -> Examined:
    """Examine some rows of the rankings: what is wrong, and what could be changed without training."""
    evidence = Evidence(bundle, numbers)
    found = prescriptions(evidence)
    told = len(numbers) > 0 and not any(each.cause == "collapse" for each in found)
    suspects = answers.suspects_in_words(evidence) if told else ""
    return Examined(found, without_training(evidence), suspects, len(numbers), len(evidence.pools))
