"""Refuse published folders that could run code, be unpickled, or reach outside themselves."""

import json
import os
from pathlib import Path
from typing import Any

PICKLES = (".bin", ".pt", ".pth", ".pkl", ".pickle", ".ckpt")
WEIGHTS = ".safetensors"
SETTINGS = ("config.json", ".index.json")
"""How the names end of files that may name code or shards: config.json, tokenizer_config.json, and so on."""
CODE = "auto_map"
"""The entry of a JSON file of settings that names Python files to run."""


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
        settings: Any = json.loads(path.read_text())
    except ValueError:
        return
    if not isinstance(settings, dict):
        return
    if settings.get(CODE):
        raise ValueError(
            f"{path}: {CODE} = {json.dumps(settings[CODE])[:120]} asks to run Python files of the folder's author; no "
            "remote code is run. Convert a model whose model_type is supported, without that entry."
        )
    if path.name.endswith(".index.json"):
        refuse_shards(path, settings.get("weight_map"))


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
