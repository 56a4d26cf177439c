"""A decoded frame as a player shows it: turned or mirrored by its display matrix, what is transparent on white."""

import struct

import av.video
import numpy as np
import PIL.Image

from core.data.images.flattening import to_rgb

MAX_SIDE = 1280
"""Larger frames are reduced to it when they are decoded, which bounds the memory that a clip takes."""
MATRIX = struct.Struct("=9i")


def pixels(frame: av.VideoFrame) -> np.ndarray:
    """Return a frame upright as RGB of shape (height, width, 3), uint8, reduced to at most 1280 pixels a side."""
    shrink = min(1.0, MAX_SIDE / max(frame.width, frame.height))
    width, height = max(1, round(frame.width * shrink)), max(1, round(frame.height * shrink))
    if has_alpha(frame):
        layered = frame.reformat(width=width, height=height, format="rgba").to_ndarray()
        array = np.asarray(to_rgb(PIL.Image.fromarray(layered), "frame"))
    else:
        array = frame.reformat(width=width, height=height, format="rgb24").to_ndarray()
    array = np.ascontiguousarray(shown(array, display_matrix(frame)))
    array.setflags(write=False)
    return array


def has_alpha(frame: av.VideoFrame) -> bool:
    """Tell whether a frame's format knows transparency: GIF, ProRes 4444, animations."""
    return any(component.is_alpha for component in frame.format.components) or frame.format.name == "pal8"


def display_matrix(frame: av.VideoFrame) -> tuple[int, int, int, int]:
    """Return a, b, c, d of x' = a x + c y, y' = b x + d y: where a player shows the point (x, y); y points down.

    The numbers are those of the container, in units of 1 / 65536; without a matrix nothing moves.
    """
    found = bytes(frame.side_data.get("DISPLAYMATRIX") or b"")
    if len(found) < MATRIX.size:
        return 1, 0, 0, 1
    a, b, _, c, d, *_ = MATRIX.unpack(found[: MATRIX.size])
    return a, b, c, d


def shown(array: np.ndarray, matrix: tuple[int, int, int, int]) -> np.ndarray:
    """Return pixels turned and mirrored to the nearest of the eight positions that a matrix asks for."""
    a, b, c, d = matrix
    if abs(b) + abs(c) > abs(a) + abs(d):
        array, a, d = array.swapaxes(0, 1), c, b
    if a < 0:
        array = array[:, ::-1]
    if d < 0:
        array = array[::-1]
    return array
