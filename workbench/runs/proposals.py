"""What to train with instead: settings that are known to help against a finding, as a command, and runs that had them.

Each proposal starts from the settings that the run was trained with, so that it changes something.
"""

import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import yaml

from core.files.run_layout import CONFIG
from core.objectives.settings import ObjectiveSettings
from workbench.runs.runs import Run
from workbench.runs.settings import differing, flat

WEIGHTED = ("llave", "relative", "amplifier", "hard_debiased")
PUBLISHED_ALPHA = ObjectiveSettings().alpha
HOTTEST = 0.1
"""Temperatures above it are not proposed: few published objectives use them."""
EXCLUDED_ABOVE, EXCLUDED_SIMILAR = 0.1, 0.95
"""Qwen3-Embedding's and RzenEmbed's."""


@dataclass(frozen=True)
class Proposal:
    """Settings of a training by dotted name, and why they might help."""

    settings: Mapping[str, Any]
    why: str


def propose(cause: str, settings: Mapping[str, Any], datasets: Sequence[str]) -> Proposal | None:
    """Return what to train with against a finding; None where no setting is known to help.

    settings: those of the run as config.yaml holds them; a setting that it does not name counts with its default.
    datasets: whom the finding concerns, of those that the run was trained on.
    """
    kind = "left behind" if cause.endswith(" left behind") or cause == "not told from chance" else cause
    found = BY_CAUSE.get(kind)
    return found(flat(settings), datasets) if found else None


def harder(settings: Mapping[str, Any], datasets: Sequence[str]) -> Proposal:
    """Let near misses weigh more: hardness weights, then blocks of one data set, then explicit negatives."""
    if settings["objective.name"] not in WEIGHTED:
        return Proposal({"objective.name": "llave"}, "weigh negatives by their hardness")
    if settings["objective.name"] == "llave" and settings["objective.alpha"] < PUBLISHED_ALPHA:
        return Proposal({"objective.alpha": PUBLISHED_ALPHA}, "weigh hard negatives as strongly as published")
    if settings["data.block"] < settings["batch"]:
        block = next(
            size for size in range(2 * settings["data.block"], settings["batch"] + 1) if not settings["batch"] % size
        )
        return Proposal({"data.block": block}, "more negatives of the query's own data set in a batch")
    return Proposal(
        {"data.negatives": settings["data.negatives"] + 1}, "explicit hard negatives, where the data has them"
    )


def larger_batch(settings: Mapping[str, Any], datasets: Sequence[str]) -> Proposal:
    """Show each hub to more queries, which push it away."""
    return Proposal({"batch": 2 * settings["batch"]}, "twice as many queries push a hub away in each step")


def masked(settings: Mapping[str, Any], datasets: Sequence[str]) -> Proposal:
    """Leave suspected false negatives out of the loss."""
    if settings["objective.exclude_similar"] is None:
        return Proposal(
            {"objective.exclude_similar": EXCLUDED_SIMILAR},
            "leave out negatives that are nearly the right answer (RzenEmbed's mask)",
        )
    if settings["objective.exclude_above"] is None:
        return Proposal(
            {"objective.exclude_above": EXCLUDED_ABOVE},
            "leave out negatives far above the right answer (Qwen3-Embedding's mask)",
        )
    return Proposal(
        {"objective.exclude_similar": round(settings["objective.exclude_similar"] - 0.05, 3)}, "a wider mask"
    )


def hotter(settings: Mapping[str, Any], datasets: Sequence[str]) -> Proposal | None:
    """Raise the temperature: the gap between modalities is smaller at higher ones (Liang et al. 2022)."""
    if not settings["objective.both_directions"] and settings["objective.name"] != "siglip":
        return Proposal({"objective.both_directions": True}, "contrast candidates with queries too")
    temperature = 2 * settings["objective.temperature"]
    if temperature > HOTTEST:
        return None
    return Proposal({"objective.temperature": round(temperature, 6)}, "gaps are smaller at higher temperatures")


def slower(settings: Mapping[str, Any], datasets: Sequence[str]) -> Proposal:
    """Lower the learning rate, whose excess is what makes all vectors alike most often."""
    rate = float(f"{settings['optimizer.learning_rate'] / 10:.3g}")
    return Proposal({"optimizer.learning_rate": rate}, "steps too large are the most frequent cause")


def more_often(settings: Mapping[str, Any], datasets: Sequence[str]) -> Proposal | None:
    """Visit the data sets that are left behind twice as often; None where none of them was trained on."""
    if not datasets:
        return None
    weights = dict(settings["data.weights"])
    weights.update({name: 2 * weights.get(name, 1.0) for name in datasets})
    return Proposal({"data.weights": weights}, "an epoch visits them twice as often")


def unweighted(settings: Mapping[str, Any], datasets: Sequence[str]) -> Proposal | None:
    """Give up weights that fall on the wrong negatives."""
    if settings["objective.name"] not in WEIGHTED:
        return None
    return Proposal({"objective.name": "infonce"}, "every negative weighs the same")


BY_CAUSE: Mapping[str, Callable[[Mapping[str, Any], Sequence[str]], Proposal | None]] = {
    "near misses": harder,
    "hubs": larger_batch,
    "suspected false negatives": masked,
    "modality gap": hotter,
    "collapse": slower,
    "left behind": more_often,
    "true hardness not followed": unweighted,
}


def commands(run: Run, proposal: Proposal) -> list[str]:
    """Say what to type to train the run once more with a proposal, into a folder of its own, and to evaluate that."""
    words = "-".join(name.rpartition(".")[2].replace("_", "-") for name in proposal.settings)
    folder = f"{run.folder}-{words}"
    train = [
        *("torchrun", "--standalone", f"--nproc_per_node={run.processes}", "core/train.py"),
        *("--config", str(run.folder / CONFIG), "--output", folder, "--resume", "false"),
        *arguments(proposal),
    ]
    return [shlex.join(train), shlex.join(["python", "core/eval.py", "--checkpoint", folder])]


def arguments(proposal: Proposal) -> list[str]:
    """Return a proposal as the arguments of core/train.py."""
    return [word for name, value in proposal.settings.items() for word in (f"--{name}", written(value))]


def written(value: object) -> str:
    """Return a value as the command line reads it."""
    return yaml.safe_dump(value, default_flow_style=True, width=10**6).removesuffix("\n").removesuffix("\n...")


def runs_with(run: Run, runs: Sequence[Run], proposal: Proposal) -> list[Run]:
    """Return the other runs that were trained like this one in everything but the settings of a proposal."""
    if not run.settings:
        return []
    own = flat(run.settings)
    return [
        each
        for each in runs
        if each.folder != run.folder and each.settings and differing([own, flat(each.settings)]) == [*proposal.settings]
    ]
