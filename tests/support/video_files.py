"""Small real videos, written by PyAV: each frame a plain grey of a known level."""

from collections.abc import Sequence
from pathlib import Path

import av
import numpy as np
import PIL.Image


def write_video(
    path: Path,
    levels: Sequence[int],
    codec: str = "mpeg4",
    rate: int = 10,
    size: tuple[int, int] = (64, 48),
    gop: int = 12,
) -> Path:
    """A video whose frame k is the grey levels[k]. `size` is (width, height)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=rate)
        stream.width, stream.height = size
        stream.pix_fmt = "yuv420p"
        stream.gop_size = gop
        for level in levels:
            pixels = np.full((size[1], size[0], 3), level, dtype=np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        container.mux(stream.encode())
    return path


def write_frames(folder: Path, levels: Sequence[int], name: str = "frame_{}.jpg", first: int = 1) -> Path:
    """A folder of frames as ffmpeg writes them."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, level in enumerate(levels, start=first):
        PIL.Image.new("RGB", (32, 24), (level, level, level)).save(folder / name.format(number))
    return folder


def level(image: PIL.Image.Image) -> float:
    """The mean grey of a picture."""
    return float(np.asarray(image, dtype=np.float64).mean())
