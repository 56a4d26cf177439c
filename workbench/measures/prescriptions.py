"""What is wrong with a model, gravest first: findings, each with the failures that it explains and what would help."""

from collections.abc import Callable
from dataclasses import dataclass

from workbench.measures import findings_of_answers as answers
from workbench.measures import findings_of_space as spaces
from workbench.measures.finding import Evidence, Finding

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
    """What was found. suspects: in words, "" if the space has collapsed.

    queries: how many were looked at; pools: of how many of them the candidates were, an even sample.
    """

    findings: list[Finding]
    suspects: str
    queries: int
    pools: int


def examined(evidence: Evidence) -> Examined:
    """Say what is wrong on the queries of the evidence."""
    found = prescriptions(evidence)
    told = len(evidence.numbers) > 0 and not any(each.cause == "collapse" for each in found)
    suspects = answers.suspects_in_words(evidence) if told else ""
    return Examined(found, suspects, len(evidence.numbers), len(evidence.pools))
