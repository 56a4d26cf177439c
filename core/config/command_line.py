"""Parse settings from the command line and YAML files, by jsonargparse over the settings' dataclasses."""

import dataclasses
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

import yaml
from jsonargparse import ArgumentParser, set_parsing_settings

from core.files.reading import read_settings

Settings = TypeVar("Settings")


def parse(settings: type[Settings], description: str, arguments: Sequence[str] | None = None) -> Settings:
    """Read `settings` from the command line (`--a.b value`), or from YAML by `--config FILE`.

    An unknown setting, or one out of its range, ends the program with a message that names it, its value and the
    range, and exit status 2.
    """
    set_parsing_settings(docstring_parse_attribute_docstrings=True)
    parser = ArgumentParser(description=description, usage="%(prog)s [--config FILE] [--setting value ...]")
    parser.add_argument("--config", action="config", help="A YAML file of settings, such as a run's config.yaml.")
    parser.add_class_arguments(settings)
    given = with_switches(settings, sys.argv[1:] if arguments is None else arguments)
    try:
        for path in recipes(given):
            check_recipe(path, settings)
        parsed = parser.parse_args(given)
        nested = parser.instantiate(parsed)
        return settings(**{field.name: nested[field.name] for field in dataclasses.fields(settings)})  # pyright: ignore[reportArgumentType]
    except (ValueError, RecursionError) as error:
        parser.error(str(error))


def recipes(arguments: Sequence[str]) -> Iterator[Path]:
    """Say which files of settings a command line names."""
    for argument, following in zip(arguments, [*arguments, ""][1:], strict=True):
        name, equals, value = argument.partition("=")
        if name == "--config":
            yield Path(value if equals else following)


def check_recipe(path: Path, settings: type[Any]) -> None:
    """Look into a file of settings before its values are taken.

    Raises:
        ValueError: it is no YAML of plain names and values, one that would fill the memory, or has something else
            where a group of settings should be.
    """
    try:
        found = read_settings(path)
    except ValueError as error:
        raise ValueError(f"--config {error}") from error
    for name in groups(settings):
        value: Any = found
        for part in name.split("."):
            if not isinstance(value, dict) or part not in value:
                break
            value = value[part]
        else:
            if not isinstance(value, dict | str):  # a word may be the name of a file with the group's settings
                raise ValueError(f"--config {path}: {name} = {str(value)[:80]} is no group of settings.")


def run(settings: type[Settings], description: str, act: Callable[[Settings], str]) -> int:
    """Parse, act, print what the act says of itself; the exit status is 0, or 1 for a user's error, which is told."""
    parsed = parse(settings, description)
    try:
        print(act(parsed))
    except ValueError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def with_switches(settings: type[Any], arguments: Sequence[str]) -> list[str]:
    """Let a yes-or-no setting stand alone: `--resume` means `--resume true`. `--dry-run` is `--dry_run`."""
    names = {f"--{name}" for name in switches(settings)}
    arguments = [underscored(argument) for argument in arguments]
    out: list[str] = []
    for argument, following in zip(arguments, [*arguments, "--"][1:], strict=True):
        out += [argument, "true"] if argument in names and following.startswith("--") else [argument]
    return out


def underscored(argument: str) -> str:
    """Return a setting's name with hyphens in the usual spelling; values stay as they are."""
    if not argument.startswith("--"):
        return argument
    name, equals, value = argument[2:].partition("=")
    return f"--{name.replace('-', '_')}{equals}{value}"


def switches(settings: type[Any], prefix: str = "") -> Iterator[str]:
    """Dotted names of the yes-or-no settings."""
    for field in dataclasses.fields(settings):
        if field.type is bool:
            yield prefix + field.name
        elif isinstance(field.type, type) and dataclasses.is_dataclass(field.type):
            yield from switches(field.type, f"{prefix}{field.name}.")


def groups(settings: type[Any], prefix: str = "") -> Iterator[str]:
    """Dotted names of the groups of settings, outer ones first."""
    for field in dataclasses.fields(settings):
        if isinstance(field.type, type) and dataclasses.is_dataclass(field.type):
            yield prefix + field.name
            yield from groups(field.type, f"{prefix}{field.name}.")


def plain(value: Any) -> Any:  # noqa: ANN401 - settings hold any plain type
    """Return settings as dictionaries, lists, strings and numbers, ready for YAML or JSON."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, list | tuple):
        return [plain(each) for each in value]
    return str(value) if isinstance(value, Path) else value


def to_yaml(settings: object) -> str:
    """Return every setting with its value, as `--config` reads it."""
    return yaml.safe_dump(plain(settings), sort_keys=False)
