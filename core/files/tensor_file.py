"""Write one tensor as a safetensors file, straight from its memory: the library copies it once more."""

import json
import struct
from pathlib import Path

import numpy as np

ALIGNED = 8
"""The header is filled up with spaces to a multiple of so many bytes, as the format's own library does."""


def write_tensor(path: Path, name: str, array: np.ndarray) -> None:
    """Write a float32 array as the only tensor of a safetensors file (8 bytes of length, a JSON header, the numbers).

    Raises:
        ValueError: the array is not float32.
    """
    if array.dtype != np.dtype("<f4"):
        raise ValueError(f"{path}: the tensor {name!r} is {array.dtype}, not float32.")
    header = {name: {"dtype": "F32", "shape": list(array.shape), "data_offsets": [0, array.nbytes]}}
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % ALIGNED)
    with path.open("wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        file.write(np.ascontiguousarray(array).data)
