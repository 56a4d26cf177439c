"""Write a checkpoint's shards a few megabytes at a time, straight from the files where the values lie."""

import json
import math
import struct
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

import torch

from core.checkpoint_import.source import DTYPES, INDEX, WEIGHTS, Stored
from core.checkpoint_import.tensor_account import Tensor

SHARD_BYTES = 5_000_000_000
PIECE_BYTES = 1 << 24
"""How much of a tensor is in memory at once; a multiple of every element's size."""
SPELLED = {dtype: name for name, dtype in DTYPES.items()}


def write_shards(tensors: Sequence[Tensor], folder: Path, shard_bytes: int = SHARD_BYTES) -> None:
    """Write one file, or several with their index, under the names that transformers reads.

    Raises:
        ValueError: a tensor holds NaN or infinity, or its file ends too early.
    """
    shards = list(divided(tensors, shard_bytes))
    names = [WEIGHTS]
    if len(shards) > 1:
        names = [f"model-{number:05}-of-{len(shards):05}.safetensors" for number in range(1, len(shards) + 1)]
    for name, shard in zip(names, shards, strict=True):
        write_shard(shard, folder / name)
    if len(shards) > 1:
        placed = {tensor.name: name for name, shard in zip(names, shards, strict=True) for tensor in shard}
        total = {"total_size": sum(size(tensor) for tensor in tensors)}
        (folder / INDEX).write_text(json.dumps({"metadata": total, "weight_map": placed}, indent=2) + "\n")


def divided(tensors: Sequence[Tensor], shard_bytes: int) -> Iterator[list[Tensor]]:
    """Neighbours together up to a shard's size; a larger tensor has a shard of its own."""
    shard: list[Tensor] = []
    used = 0
    for tensor in tensors:
        if shard and used + size(tensor) > shard_bytes:
            yield shard
            shard, used = [], 0
        shard.append(tensor)
        used += size(tensor)
    yield shard


def size(tensor: Tensor) -> int:
    """Return bytes of a tensor as it is written."""
    return math.prod(tensor.shape) * tensor.source.dtype.itemsize


def write_shard(shard: Sequence[Tensor], path: Path) -> None:
    """Write one safetensors file: the length of the header, the header, the values."""
    header: dict[str, object] = {"__metadata__": {"format": "pt"}}
    end = 0
    for tensor in shard:
        offsets = [end, end := end + size(tensor)]
        header[tensor.name] = {
            "dtype": SPELLED[tensor.source.dtype],
            "shape": list(tensor.shape),
            "data_offsets": offsets,
        }
    encoded = json.dumps(header).encode()
    encoded += b" " * (-len(encoded) % 8)  # values begin at a multiple of eight
    with path.open("wb") as file:
        file.write(struct.pack("<Q", len(encoded)) + encoded)
        for tensor in shard:
            write_values(tensor, file)


def write_values(tensor: Tensor, file: BinaryIO) -> None:
    """Copy a tensor's values, then zeros for the rows that the source lacks."""
    for piece in pieces(tensor.source):
        values = torch.frombuffer(piece, dtype=tensor.source.dtype)
        if not bool(values.isfinite().all()):
            raise ValueError(
                f"{tensor.source.file}: the tensor that becomes {tensor.name} holds NaN or infinity; the file is "
                "damaged, get it again."
            )
        file.write(piece)
    lacking = size(tensor) - (tensor.source.end - tensor.source.start)
    while lacking:
        file.write(bytes(min(lacking, PIECE_BYTES)))
        lacking -= min(lacking, PIECE_BYTES)


def pieces(stored: Stored) -> Iterator[bytearray]:
    """Return the bytes of a tensor, a piece at a time."""
    with stored.file.open("rb") as file:
        file.seek(stored.start)
        left = stored.end - stored.start
        while left:
            piece = bytearray(file.read(min(left, PIECE_BYTES)))
            if not piece:
                raise ValueError(f"{stored.file}: ends before its last tensor does; get the file again.")
            left -= len(piece)
            yield piece
