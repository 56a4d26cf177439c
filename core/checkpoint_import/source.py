"""The folder of a published checkpoint: its settings, and where each of its tensors lies. No weight is read here."""

import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open

from core.encoder.safe_folder import refuse_unsafe
from core.files.reading import parse_json

CONFIG = "config.json"
WEIGHTS = "model.safetensors"
ADAPTER = "adapter_config.json"
INDEX = "model.safetensors.index.json"
DTYPES = {"F64": torch.float64, "F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16}
"""How safetensors spells the types that weights may have."""


@dataclass(frozen=True)
class Stored:
    """A tensor of a file: its type and shape, and the bytes that it takes, counted from the file's start."""

    file: Path
    dtype: torch.dtype
    shape: tuple[int, ...]
    start: int
    end: int


def check_folder(folder: Path) -> None:
    """Refuse a folder that must not be read, before anything in it is opened.

    Raises:
        ValueError: it is none, or holds pickles, code to run, shards outside itself or links out of it.
    """
    refuse_unsafe(folder)
    root = folder.resolve()
    # The hub's cache keeps the content of a snapshot's files in a folder of its own, two levels up.
    allowed = (root, root.parent.parent / "blobs") if root.parent.name == "snapshots" else (root,)
    for path in sorted(folder.rglob("*")):
        if path.is_symlink() and not any(path.resolve().is_relative_to(each) for each in allowed):
            raise ValueError(
                f"{path}: a link to {path.resolve()}, outside {folder}. Put the file itself there, or remove the link."
            )


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object.

    Raises:
        ValueError: the file is missing or holds something else.
    """
    try:
        value = parse_json(path.read_text())
    except (OSError, ValueError) as error:
        raise ValueError(f"{path}: cannot be read ({error}).") from error
    if not isinstance(value, dict):
        raise ValueError(f"{path}: holds a {type(value).__name__}; it should be a JSON object.")
    return value


def settings(folder: Path, name: str = CONFIG) -> dict[str, Any]:
    """Return a file of settings, empty where there is none: what recognising a layout goes by.

    Raises:
        ValueError: it is there but no JSON object.
    """
    return read_json(folder / name) if (folder / name).is_file() else {}


def entry(config: Mapping[str, Any], name: str, folder: Path, file: str = CONFIG) -> Any:  # noqa: ANN401
    """Return an entry of the settings that has to be there.

    Raises:
        ValueError: it is missing.
    """
    if config.get(name) is None:
        raise ValueError(f"{folder / file}: {name} is missing; the weights cannot be read without it.")
    return config[name]


def stored_tensors(folder: Path) -> dict[str, Stored]:
    """List every tensor of a folder's weights by its name: of the shards that the index names, or of the one file.

    Raises:
        ValueError: there are no weights, a shard is missing or damaged, a tensor is missing that the index names,
            one lies in two shards, or an adapter lies beside them, which would be left out.
    """
    if (folder / ADAPTER).is_file():
        raise ValueError(
            f"{folder / ADAPTER}: an adapter lies beside the weights of a whole model; put them into folders of their "
            "own and name that of the model by --base, or merge the adapter."
        )
    index = folder / INDEX
    if not index.is_file():
        files = [folder / WEIGHTS] if (folder / WEIGHTS).is_file() else sorted(folder.glob("*.safetensors"))
        if len(files) != 1:
            found = ", ".join(path.name for path in files) or "none"
            raise ValueError(
                f"{folder}: neither {WEIGHTS} nor {INDEX} is there, and of .safetensors files {found}. Name the "
                "folder of a checkpoint with its weights in safetensors."
            )
        return tensors_of(files[0])
    placed: dict[str, str] = read_json(index).get("weight_map", {})
    tensors: dict[str, Stored] = {}
    for shard in sorted(set(placed.values())):
        if not (folder / shard).is_file():
            raise ValueError(f"{folder / shard}: the shard is missing, but {INDEX} names it; get it again.")
        for name, tensor in tensors_of(folder / shard).items():
            if name in tensors:
                raise ValueError(f"{folder / shard}: {name} is in {tensors[name].file.name} too; one of them is wrong.")
            tensors[name] = tensor
    for name, shard in placed.items():
        if name not in tensors or tensors[name].file.name != Path(shard).name:
            raise ValueError(f"{index}: weight_map puts {name} in {shard}, but it is not there; get that file again.")
    return tensors


def tensors_of(path: Path) -> dict[str, Stored]:
    """Return the tensors of one file, by its header alone.

    Raises:
        ValueError: the file is no safetensors, is cut off, or holds other types than floating-point ones.
    """
    try:
        with safe_open(path, "pt"):  # it checks the header, that parts do not overlap, and the file's length
            pass
    except (OSError, SafetensorError) as error:
        raise ValueError(f"{path}: the weights cannot be read ({error}); the file is damaged, get it again.") from error
    return dict(header_entries(path))


def header_entries(path: Path) -> Iterator[tuple[str, Stored]]:
    """Read a checked file's header: its length in eight bytes, then JSON."""
    with path.open("rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        header = parse_json(file.read(length))
    for name, tensor in header.items():
        if name == "__metadata__":
            continue
        start, end = tensor["data_offsets"]
        dtype = DTYPES.get(tensor["dtype"])
        if dtype is None:
            raise ValueError(
                f"{path}: {name} has type {tensor['dtype']}; only {', '.join(DTYPES)} are read. Quantised weights "
                "cannot be trained: get the checkpoint in its own precision."
            )
        yield name, Stored(path, dtype, tuple(tensor["shape"]), 8 + length + start, 8 + length + end)
