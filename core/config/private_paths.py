"""Settings that can be shown to others: every path relative to the folder that the command was started in."""

import dataclasses
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

Settings = TypeVar("Settings")

ABSOLUTE = re.compile(r"(?<![\w.~-])(?:~|[A-Za-z]:)?[/\\](?:[^\s,'\"\[\]{}=:/\\]+[/\\])+")
"""The folders of an absolute path within words."""


def shareable(settings: Settings, start: Path | None = None) -> Settings:
    """Return settings with every path relative to a folder, by default the present one; links are kept as links.

    Raises:
        ValueError: a path leads out of that folder, so that it cannot be written without naming what others need not
            know; the message names the setting.
    """
    return _shareable(settings, "", (start or Path.cwd()).absolute())


def _shareable(value: Any, name: str, start: Path) -> Any:  # noqa: ANN401 - settings hold any plain type
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        inner = {each.name: f"{name}.{each.name}".strip(".") for each in dataclasses.fields(value)}
        changed = {each: _shareable(getattr(value, each), where, start) for each, where in inner.items()}
        return dataclasses.replace(value, **changed)
    if isinstance(value, list):
        return [_shareable(each, name, start) for each in value]
    if isinstance(value, dict):
        return {key: _shareable(each, f"{name}.{key}", start) for key, each in value.items()}
    if isinstance(value, Path):
        return Path(relative(str(value), name, start))
    # Some settings are a path or a word, such as model.start.
    return relative(value, name, start) if isinstance(value, str) and looks_like_a_path(value) else value


def looks_like_a_path(value: str) -> bool:
    """Tell whether words that may be a path are one that leads elsewhere."""
    return os.path.isabs(value) or value.startswith(("~", "..")) or "/../" in value


def relative(path: str, name: str, start: Path) -> str:
    """Return a path relative to a folder that it lies in, by its letters. Raises ValueError if it lies elsewhere."""
    whole = Path(os.path.normpath(start / path))
    if path.startswith("~") or not whole.is_relative_to(start):
        raise ValueError(
            f"{name} = {path!r} leads out of the folder that the command is started in, so private_paths cannot write "
            f"it without naming folders of this machine. Put a link there (ln -s {path} NAME) and name that, or start "
            "the command in a folder that holds both."
        )
    return whole.relative_to(start).as_posix()


def shareable_command(arguments: Sequence[str], start: Path | None = None) -> list[str]:
    """Return a command line without folders of this machine: paths relative to a folder, or their last names alone."""
    folder = str((start or Path.cwd()).absolute()).rstrip("/") + "/"
    return [ABSOLUTE.sub("", argument.replace(folder, "")) for argument in arguments]


def is_private(settings: Mapping[str, Any] | None) -> bool:
    """Tell whether a run's settings, as config.yaml holds them, ask for paths that can be shown."""
    return isinstance(settings, Mapping) and settings.get("private_paths") is True
