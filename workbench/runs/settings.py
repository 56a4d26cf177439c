"""The settings of runs side by side: by dotted name, defaults filled in, and those that differ."""

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from core.config.command_line import plain
from core.config.settings import TrainSettings

WITHOUT_RESULT = {
    *("output", "resume", "dry_run", "save_every", "keep_latest", "keep_best", "collective_timeout_s", "private_paths"),
    *("chunk", "graph_memory_gb", "on_nonfinite", "nonfinite_limit", "data.workers", "sharding", "sharding_replicas"),
    *("model.feature_cache", "model.published", "model.trainable.activation_checkpointing"),
    *("model.trainable.compile_blocks", "model.trainable.packing"),
}
"""Settings that change where a run goes, its memory or its time, and not what it learns."""
GROUPS_WITHOUT_RESULT = ("record.", "validate.", "log.", "plan.")
MAPPINGS = {"data.limits", "data.weights"}
"""Settings that are one value, though they are written as names with values."""


def flat(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return settings by dotted name ("objective.alpha"), with the defaults of those that are missing."""
    return defaults() | dict(entries(settings))


@cache
def defaults() -> dict[str, Any]:
    """Return the defaults of a training by dotted name."""
    return dict(entries(plain(TrainSettings())))


def entries(settings: Mapping[str, Any], prefix: str = "") -> list[tuple[str, Any]]:
    """Return dotted names with their values."""
    found: list[tuple[str, Any]] = []
    for name, value in settings.items():
        if isinstance(value, Mapping) and f"{prefix}{name}" not in MAPPINGS:
            found += entries(value, f"{prefix}{name}.")
        else:
            found.append((f"{prefix}{name}", value))
    return found


def differing(settings: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the names whose values are not the same in all of some settings and change what is learned, in order.

    Numbers that an objective does not use differ too, if they were set differently.
    """
    names = dict.fromkeys(name for each in settings for name in each)
    return [
        name
        for name in names
        if name not in WITHOUT_RESULT
        and not name.startswith(GROUPS_WITHOUT_RESULT)
        and any(each.get(name) != settings[0].get(name) for each in settings[1:])
    ]
