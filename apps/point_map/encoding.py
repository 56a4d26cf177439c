"""What a point map draws, packed into the bytes that its script reads.

    "PMAP"   uint32 version   uint32 n   uint32 h      little endian
    h bytes of JSON (UTF-8, padded with spaces to a multiple of four): key, names, colours, lines, ...
    float32 x[n]   float32 y[n]   uint8 group[n]   uint8 flags[n]

Coordinates are centred and divided by the larger half width, so that 32 bits are enough for any scale. Points that are
not finite have no place and are left out, so a row of the browser's is not one of the caller's: `Packed.rows` has both.
"""

import hashlib
import json
import struct
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Float32, Int, Integer, UInt8

from workbench.figures.theme import BLUE, GREY, GROUP_COLOURS, ORANGE

MAGIC, VERSION = b"PMAP", 1
SELECTED, QUERY, RIGHT, WINNER, DIMMED = 1, 2, 4, 8, 16
"""Flags of a point, added up. DIMMED: left out by a filter; drawn faintly, and never taken by a lasso."""
MOST_GROUPS, OTHER = 24, "other"
MOST_POINTS, MOST_LINES = 5_000_000, 10_000
HEIGHTS = (200, 2000)
LONGEST_LABEL = 60
SHAPES = 8
"""Shapes that the script can draw: circle, diamond, plus, square, cross, triangles up and down, ring."""
LINES = {
    "right answer": {"colour": BLUE, "dash": []},
    "hardest negative": {"colour": ORANGE, "dash": [7, 4]},
    "neighbour": {"colour": GREY, "dash": [2, 3]},
}
MARKS = [
    {"flag": QUERY, "name": "query", "colour": None, "shape": 0},
    {"flag": RIGHT, "name": "right answer", "colour": BLUE, "shape": 3},
    {"flag": WINNER, "name": "hardest negative", "colour": ORANGE, "shape": 1},
]
"""Outlines around the points with a flag; no colour: that of the page's text."""


@dataclass(frozen=True)
class Placed:
    """Points as they are drawn: float32 within [-1, 1]. It may be kept for as long as the points are the same.

    placed = (points[rows] - centre) / half. rows: the caller's row of each; count: of the caller's points, of which
    some are not finite. digest: of places and rows; other points, other digest.
    """

    placed: Float32[np.ndarray, "m 2"]
    rows: Int[np.ndarray, " m"]
    count: int
    centre: Float[np.ndarray, " 2"]
    half: float
    columns: bytes
    digest: str


@dataclass(frozen=True)
class PointCloud:
    """What to draw. groups: for each point a place in names. lines: from row, to row, kind (a key of LINES).

    points: or what `place` made of them, which is most of the work and may be kept between runs of a page.
    names: of any number; beyond 24 the largest keep theirs and the rest is "other". flags: none where None.
    labels: words at places of the points' own coordinates, drawn over them.
    label: what the map shows, in words, for those who cannot see it and for exported pictures. height: pixels.
    """

    points: Float[np.ndarray, "n 2"] | Placed
    groups: Integer[np.ndarray, " n"]
    names: Sequence[str]
    flags: UInt8[np.ndarray, " n"] | None = None
    lines: Sequence[tuple[int, int, str]] = ()
    label: str = "Map"
    height: int = 560
    labels: Sequence[tuple[float, float, str]] = ()


@dataclass(frozen=True)
class Packed:
    """What is sent. left_out: points that are not finite. lines_left_out: lines to such points."""

    content: bytes
    points: Placed
    groups: UInt8[np.ndarray, " m"]
    flags: UInt8[np.ndarray, " m"]
    left_out: int
    lines_left_out: int


def pack(key: str, cloud: PointCloud) -> Packed:
    """Return the bytes that draw a cloud, and what is needed to read what comes back.

    Raises:
        ValueError: columns of different lengths, an unknown group or kind of line, a row that is not there, more than
            5,000,000 points or 10,000 lines, or a height outside 200 to 2,000.
    """
    points = cloud.points if isinstance(cloud.points, Placed) else place(cloud.points)
    check(cloud, points.count)
    drawn = slice(None) if len(points.rows) == points.count else points.rows
    groups, names = named_groups(np.asarray(cloud.groups)[drawn], cloud.names)
    flags = np.zeros(len(points.rows), np.uint8) if cloud.flags is None else np.array(cloud.flags[drawn])
    lines, left_out = lines_between(cloud.lines, points.rows), points.count - len(points.rows)
    head = {
        "key": key,
        "digest": points.digest,
        "names": names,
        "colours": [colour_of(code, name) for code, name in enumerate(names)],
        "shapes": [shape_of(code) for code in range(len(names))],
        "marks": MARKS,
        "styles": LINES,
        "lines": lines,
        "labels": labels_at(cloud.labels, points),
        "label": cloud.label,
        "height": cloud.height,
        "leftOut": left_out,
    }
    text = json.dumps(head).encode()
    text += b" " * (-len(text) % 4)
    start = struct.pack("<4sIII", MAGIC, VERSION, len(points.rows), len(text))
    content = b"".join((start, text, points.columns, groups.tobytes(), flags.tobytes()))
    return Packed(content, points, groups, flags, left_out, len(cloud.lines) - len(lines))


def place(points: Float[np.ndarray, "n 2"]) -> Placed:
    """Return the finite points, centred and scaled.

    Raises:
        ValueError: not two coordinates a point, or more than 5,000,000 points.
    """
    points = np.asarray(points)
    if points.ndim != 2 or points.shape[1] != 2:
        raise ValueError(f"points: shape {points.shape}; give two coordinates a point.")
    if len(points) > MOST_POINTS:
        raise ValueError(f"points: {len(points):,}; at most {MOST_POINTS:,} are drawn, give a sample.")
    rows = np.flatnonzero(np.isfinite(points).all(axis=1))
    whole = len(rows) == len(points)
    placed, centre, half = scaled(points if whole else points[rows])
    columns = np.ascontiguousarray(placed.T, dtype="<f4").tobytes()
    digest = hashlib.blake2b(columns, digest_size=16)
    digest.update(b"" if whole else rows.tobytes())
    return Placed(placed, rows, len(points), centre, half, columns, digest.hexdigest())


def check(cloud: PointCloud, count: int) -> None:
    """Raise ValueError unless the cloud can be drawn."""
    groups = np.asarray(cloud.groups)
    if groups.shape != (count,) or not np.issubdtype(groups.dtype, np.integer):
        raise ValueError(
            f"groups: {groups.dtype} of shape {groups.shape}; give one whole number for each of {count:,}."
        )
    if count and not 0 <= int(groups.min()) <= int(groups.max()) < len(cloud.names):
        raise ValueError(f"groups: {groups.min()} to {groups.max()}; names has {len(cloud.names)} places, from 0 on.")
    flags = cloud.flags
    if flags is not None and (flags.shape != (count,) or flags.dtype != np.uint8):
        raise ValueError(f"flags: {flags.dtype} of shape {flags.shape}; give one uint8 for each of {count:,} points.")
    if not HEIGHTS[0] <= cloud.height <= HEIGHTS[1]:
        raise ValueError(f"height: {cloud.height}; give {HEIGHTS[0]} to {HEIGHTS[1]} pixels.")
    if len(cloud.lines) > MOST_LINES:
        raise ValueError(f"lines: {len(cloud.lines):,}; at most {MOST_LINES:,} are drawn.")
    for start, end, kind in cloud.lines:
        if kind not in LINES or not (0 <= start < count and 0 <= end < count):
            raise ValueError(
                f"lines: ({start}, {end}, {kind!r}); give two rows below {count:,} and one of {', '.join(LINES)}."
            )


def scaled(
    points: Float[np.ndarray, "m 2"],
) -> tuple[Float32[np.ndarray, "m 2"], Float[np.ndarray, " 2"], float]:
    """Return points within [-1, 1], shape kept, with the centre and half width that lead back."""
    if not len(points):
        return np.zeros((0, 2), np.float32), np.zeros(2), 1.0
    halves = points.astype(np.float64) / 2  # the width of the widest doubles is none
    low, high = halves.min(axis=0), halves.max(axis=0)
    centre, half = low + high, float((high - low).max())
    half = half if half > 0 else 1.0
    return ((halves - centre / 2) / (half / 2)).astype(np.float32), centre, half


def named_groups(groups: Integer[np.ndarray, " m"], names: Sequence[str]) -> tuple[UInt8[np.ndarray, " m"], list[str]]:
    """Return each point's group among at most 24 names and "other", and these names in their order."""
    if len(names) <= MOST_GROUPS:
        return groups.astype(np.uint8), [str(name) for name in names]
    counts = np.bincount(groups, minlength=len(names))
    kept = np.sort(np.argsort(-counts, kind="stable")[:MOST_GROUPS])
    place = np.full(len(names), MOST_GROUPS, dtype=np.uint8)
    place[kept] = np.arange(MOST_GROUPS)
    return place[groups], [*(str(names[each]) for each in kept), OTHER]


def colour_of(place: int, name: str) -> str:
    """Return the colour of a group; grey for all that have no place of their own."""
    return GREY if place == MOST_GROUPS and name == OTHER else GROUP_COLOURS[place % len(GROUP_COLOURS)]


def shape_of(place: int) -> int:
    """Return the shape of a group: of the first eight each has its own, and no two groups share shape and colour."""
    return (place + place // len(GROUP_COLOURS)) % SHAPES


def labels_at(labels: Sequence[tuple[float, float, str]], points: Placed) -> list[list[float | str]]:
    """Return the labels in the drawn coordinates, cut to a length that a map has room for."""
    return [
        [(x - points.centre[0]) / points.half, (y - points.centre[1]) / points.half, text[:LONGEST_LABEL]]
        for x, y, text in labels
    ]


def lines_between(lines: Sequence[tuple[int, int, str]], rows: Int[np.ndarray, " m"]) -> list[list[int | str]]:
    """Return the lines between drawn points, by the places of their ends among the drawn."""
    ends = np.array([line[:2] for line in lines], dtype=int).reshape(-1, 2)
    drawn = np.flatnonzero(np.isin(ends, rows).all(axis=1)).tolist()
    places = np.searchsorted(rows, ends).tolist()
    return [[*places[each], lines[each][2]] for each in drawn]
