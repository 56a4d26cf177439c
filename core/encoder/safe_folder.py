"""Refuse published folders that could run code, be unpickled, or reach outside themselves."""

import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from core.files.reading import parse_json

PICKLES = (".bin", ".pt", ".pth", ".pkl", ".pickle", ".ckpt")
WEIGHTS = ".safetensors"
SETTINGS = ("config.json", ".index.json")
"""How the names end of files that may name code or shards: config.json, tokenizer_config.json, and so on."""
CODE = (
    "auto_map",
    "custom_generate",
    "trust_remote_code",
    "use_kernels",
    "kernel_config",
    "allow_all_kernels",
    "kernels",
)
"""Entries of JSON files of settings, at any depth, that name code or ask for some from a hub."""
IMPLEMENTATION = "implementation"
"""What is in the names of entries such as _attn_implementation, whose value may be a repository of the hub: owner/name,
a kernel, which is compiled code that transformers would fetch and run."""


def refuse_unsafe(folder: Path) -> None:
    """Check a folder of weights and settings before anything in it is opened by a library.

    Pickles beside safetensors are left alone: nothing opens them.

    Raises:
        ValueError: its weights are pickles, its settings ask for code of their own, or an index of shards names a
            file that is no safetensors or lies outside the folder. The message names the file and the entry.
    """
    if not folder.is_dir():
        raise ValueError(f"{folder} is not a folder.")
    files = sorted(path for path in folder.iterdir() if path.is_file())
    refuse_pickles(folder, files)
    for path in files:
        if path.name.endswith(SETTINGS):
            refuse_settings(path)


def refuse_pickles(folder: Path, files: list[Path]) -> None:
    """Raise ValueError if there are pickles and no safetensors."""
    pickles = [path for path in files if path.suffix in PICKLES]
    if pickles and not any(path.suffix == WEIGHTS for path in files):
        raise ValueError(
            f"{pickles[0]}: weights in a pickle are not opened, since a pickle runs any code that its author put in "
            f"it, and {folder} has no {WEIGHTS}. Get the safetensors of the model, or convert it where you trust it."
        )


def refuse_settings(path: Path) -> None:
    """Raise ValueError if a JSON file names code to run or, as an index, shards that may not be read.

    Files that are no JSON objects are left to whoever reads them.
    """
    try:
        settings: Any = parse_json(path.read_text())
    except ValueError:
        return
    if not isinstance(settings, dict):
        return
    for name, value in entries(settings):
        refuse_code(path, name, value)
    if path.name.endswith(".index.json"):
        refuse_shards(path, settings.get("weight_map"))


def entries(settings: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """List every entry of settings and of the settings and lists within them, with its name: text_config.auto_map."""
    left: list[tuple[str, Any]] = [("", settings)]
    while left:
        where, value = left.pop()
        if isinstance(value, dict):
            inner = [(f"{where}.{name}" if where else str(name), each) for name, each in value.items()]
        else:
            inner = [(f"{where}[{place}]", each) for place, each in enumerate(value)]
        yield from inner
        left += [(name, each) for name, each in inner if isinstance(each, dict | list)]


def refuse_code(path: Path, name: str, value: object) -> None:
    """Raise ValueError if an entry names code to run."""
    own = name.rpartition(".")[2]
    if own in CODE and value:
        raise ValueError(
            f"{path}: {name} = {json.dumps(value)[:120]} asks to run code of the folder's author or of a hub; no "
            "remote code is run. Convert a model whose model_type is supported, without that entry."
        )
    if IMPLEMENTATION in name and isinstance(value, str) and "/" in value:
        raise ValueError(
            f"{path}: {name} = {value[:120]!r} names a kernel of a hub, which is code that would be fetched and run; "
            "only implementations of transformers itself are used. Take the entry out, or write eager or sdpa."
        )


def refuse_shards(index: Path, shards: object) -> None:
    """Raise ValueError unless every shard that an index names is a safetensors file within the index's folder."""
    if not isinstance(shards, dict):
        raise ValueError(f"{index}: weight_map is missing or no object; it maps the names of weights to files.")
    for weight, shard in shards.items():
        name = str(shard)
        whole = os.path.normpath(index.parent.absolute() / name)  # by its letters: hubs keep files behind links
        if not Path(whole).is_relative_to(index.parent.absolute()):
            raise ValueError(
                f"{index}: weight_map[{weight!r}] = {name!r} leaves the folder; shards lie beside their index."
            )
        if not index.name.endswith(f"{WEIGHTS}.index.json"):
            continue  # an index of other files, which is not read
        if not name.endswith(WEIGHTS):
            raise ValueError(f"{index}: weight_map[{weight!r}] = {name!r} is no {WEIGHTS} file; nothing else is read.")
