"""Where a what-if begins, and what another choice of objective moves: nothing that the reader set, unless it must.

A temperature and a strength mean the same for most objectives, so they stay. HCL's beta multiplies s / tau and not s:
there the number of another objective means something else, and its published (or trained) one is taken.
"""

from dataclasses import dataclass, replace

from core.objectives.settings import Name
from workbench.what_if.objective_words import LABELS
from workbench.what_if.what_if import PUBLISHED, Setting, first_setting, setting_of

OF_ITS_OWN: frozenset[Name] = frozenset({"hard_debiased"})
"""Objectives whose strength is on a scale of its own."""
OF_SCALE = ("alpha", "beta")
"""The names of strengths."""
SYMBOLS = {"alpha": "alpha", "beta": "beta", "margin": "margin m", "prior": "the prior", "bias": "bias b"}


@dataclass(frozen=True)
class Moved:
    """The setting that another objective begins with, and a sentence for each number that could not stay."""

    setting: Setting
    words: tuple[str, ...]


def beginning(name: Name, trained: Setting | None) -> Setting:
    """Return the trained numbers of an objective where it was trained with, else the published; weighing all."""
    return setting_of(name, PUBLISHED[name]) if trained is None else first_setting(name, trained)


def first_pair(trained: Setting | None) -> tuple[Setting, Setting]:
    """Return the two objectives that are compared at first, at the same tau.

    The trained one (LLaVE as published where it is not known) against InfoNCE; InfoNCE itself against LLaVE.
    """
    this = beginning("llave" if trained is None else trained.name, trained)
    other = beginning("llave" if this.name == "infonce" else "infonce", trained)
    return this, replace(other, temperature=this.temperature)


def moved(before: Setting, name: Name, trained: Setting | None, last_strength: float | None = None) -> Moved:
    """Choose another objective: temperature, strength and prior stay what they are where it has them.

    last_strength: the strength that was used last, where `before` has none.
    """
    fresh = beginning(name, trained)
    as_trained = trained is not None and trained.name == name
    whose = "the trained one" if as_trained else "the published one"
    kept: dict[str, float] = {"temperature": before.temperature}
    words: list[str] = []
    for field, value in fresh.numbers.items():
        if field == "temperature":
            continue
        held = carried(before, fresh, field, last_strength)
        if held is None:
            words.append(f"{SYMBOLS[field].capitalize()} was set to {value:g}, {whose}.")
        else:
            kept[field] = held
    if before.strength is not None and fresh.strength is not None and fresh.strength not in kept:
        words.append(f"{LABELS[before.name]}'s {before.strength} would mean something else there.")
    if words:
        words.append("Tau stayed what it was.")
    return Moved(replace(fresh, **kept), tuple(words))


def carried(before: Setting, fresh: Setting, field: str, last_strength: float | None) -> float | None:
    """Return the number that stays for a field of a new objective, None where there is none that fits."""
    if field not in OF_SCALE:
        return getattr(before, field)
    if fresh.name in OF_ITS_OWN or before.name in OF_ITS_OWN:
        return getattr(before, field) if fresh.name == before.name else None
    return last_strength if before.strength is None else before.numbers[before.strength]
