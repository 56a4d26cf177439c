"""Clips: frames taken evenly from a video file, or from a folder of frames that were taken before.

A file is decoded once for all its frames, when the first of them is opened, and the frames of the last clips are kept.
Only known containers are read, and only local files: what a file names inside is never followed.
"""

import hashlib
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path

import av
import av.container
import av.video
import numpy as np
import PIL.Image
from av.error import FFmpegError

from core.data.images.bad_image import BadImage
from core.data.images.file_kinds import CLIP, FORMATS, HEAD, PICTURE_SUFFIXES, format_of, what_it_is
from core.data.images.image_files import FileImage, decode
from core.data.records import Video, digest
from core.data.video.frame_pixels import pixels

CONTAINERS = ("mov,mp4,m4a,3gp,3g2,mj2", "matroska,webm", "avi", "mpegts", "mpeg", "flv", "gif", "asf", "ogg")
OPTIONS = {"format_whitelist": ",".join(CONTAINERS), "protocol_whitelist": "file"}
MAX_SECONDS = 6 * 3600
MAX_PIXELS = 40_000_000
"""Of a frame."""
KEPT_CLIPS = 2
ENOUGH = 0.9
"""The share of the frames that a file says it has, below which it is taken to be cut off."""
SEEK_GAP = 300
"""Frames between two that are wanted, from which on the decoder jumps to the key frame before the second."""
UNITS = re.compile(r"(\d+)")


class BadVideo(BadImage):
    """A clip that cannot be used; the message names the file and the reason."""


def bytes_id(data: bytes) -> str:
    """Return the id of a file's bytes."""
    return hashlib.sha256(data).hexdigest()[:16]


@dataclass(frozen=True)
class FrameFile(FileImage):
    """A frame that was taken from a clip before. Its id is that of the file's bytes.

    Suites name many thousand frames, and a clip's frames are told by their files too (`VideoFrame`): to decode them
    for their ids would double the work of encoding them.
    """

    @property
    def content_id(self) -> str:
        """The id of the file's bytes, which are read for it once. Raises `BadImage`."""
        return self._id

    @cached_property
    def _id(self) -> str:
        return bytes_id(self.read())

    def open(self) -> PIL.Image.Image:
        """Read and decode the file. Raises `BadImage`."""
        data = self.read()
        vars(self).setdefault("_id", bytes_id(data))
        return decode(data, str(self.path))


@dataclass(frozen=True)
class VideoFile:
    """A video file and which of its frames are taken, counted from 0 in order of time."""

    path: Path
    positions: tuple[int, ...]

    @cached_property
    def file_id(self) -> str:
        """The hash of the file's bytes, which are read for it once. Raises `BadVideo`."""
        try:
            with self.path.open("rb") as file:
                return hashlib.file_digest(file, "sha256").hexdigest()[:16]
        except OSError as error:
            raise BadVideo(f"{self.path}: cannot be read ({error.strerror or error}).") from error


@dataclass(frozen=True)
class VideoFrame:
    """An image source: one of a clip's frames, by its place in `clip.positions`.

    Two frames are one if their files hold the same bytes and they have the same position: a clip that was stored
    anew counts as another, for its frames are known only once it is decoded.
    """

    clip: VideoFile
    number: int

    @property
    def content_id(self) -> str:
        """The id of the file's bytes and of the frame's position in it. Raises `BadVideo`."""
        return self._id

    @cached_property
    def _id(self) -> str:
        return digest("frame", self.clip.file_id, str(self.clip.positions[self.number]))

    def open(self) -> PIL.Image.Image:
        """Get the frame, at most 1280 pixels wide and high. Raises `BadVideo` when the file is damaged or cut off."""
        return PIL.Image.fromarray(decoded(self.clip)[self.number])


def read_clip(path: Path, frames: int, rate: float | int | None = None) -> Video:
    """Return a video file as frames spread evenly over it. The file is looked into, not decoded.

    Args:
        path: the file.
        frames: how many frames at most; a shorter clip gives all that it has.
        rate: take so many frames a second where that gives fewer; None: always as many as `frames`.

    Raises:
        BadVideo: the file is missing, empty, no video, of an unknown container or too large.
    """
    total, per_second = probe(path)
    clip = VideoFile(path, positions(total, per_second, frames, rate))
    return Video(tuple(VideoFrame(clip, number) for number in range(len(clip.positions))))


def positions(total: int, per_second: float | int | None, frames: int, rate: float | int | None) -> tuple[int, ...]:
    """Tell which of `total` frames are taken, as LLaVA's and LLaVE's code does it.

    With a rate every k-th frame, k = the clip's frames per second / rate, rounded; if that is more than `frames`, or
    without a rate, `frames` positions from the first frame to the last.

    Raises:
        ValueError: `frames` is below 1.
    """
    if frames < 1:
        raise ValueError(f"frames = {frames} must be at least 1.")
    if rate is not None and per_second:
        every = range(0, total, max(1, round(per_second / rate)))
        if len(every) <= frames:
            return tuple(every)
    if total <= frames:
        return tuple(range(total))
    return tuple(int(each) for each in np.linspace(0, total - 1, frames).astype(int))


def frames_of_folder(folder: Path, frames: int | None) -> Video:
    """Return a folder of frames that were taken before, named in order of time; the numbers in names count as numbers.

    Args:
        folder: holds pictures; other files and hidden ones are no frames.
        frames: take so many, spread evenly; None, or more than there are: all.

    Raises:
        BadVideo: there is no such folder, or no frame in it.
    """
    if not folder.is_dir():
        raise BadVideo(f"{folder}: no such folder of frames.")
    names = sorted((each.name for each in os.scandir(folder) if is_frame(each.name)), key=in_order)
    if not names:
        raise BadVideo(f"{folder}: holds no frames ({', '.join(PICTURE_SUFFIXES)}).")
    taken = range(len(names)) if frames is None else positions(len(names), None, frames, None)
    return Video(tuple(FrameFile(folder / names[place]) for place in taken))


def is_frame(name: str) -> bool:
    """Tell whether a file's name is that of a frame."""
    return name.lower().endswith(PICTURE_SUFFIXES) and not name.startswith(".")


def in_order(name: str) -> list[tuple[int, str]]:
    """Say what names are sorted by: frame_9 comes before frame_10."""
    return [(int(piece), "") if piece.isdigit() else (-1, piece.lower()) for piece in UNITS.split(name)]


def probe(path: Path) -> tuple[int, float | None]:
    """Return the number of frames in a file and how many it shows a second, where it says so.

    Raises:
        BadVideo: the file is missing, empty, no video, of an unknown container or too large.
    """
    with opened(path) as container:
        stream = video_stream(container, path)
        total = stream.frames or sum(packet.size > 0 for packet in container.demux(stream))
        per_second = float(stream.average_rate) if stream.average_rate else None
    if not total:
        raise BadVideo(f"{path}: holds no frames.")
    return total, per_second


@contextmanager
def opened(path: Path) -> Iterator[av.container.InputContainer]:
    """Return a container; what goes wrong while it is read is told as `BadVideo`."""
    try:
        if path.stat().st_size == 0:
            raise BadVideo(f"{path}: the file is empty.")
        if not path.is_file():
            raise BadVideo(f"{path}: cannot be read (a folder, a pipe or a device, no file).")
        with av.open(str(path), options=OPTIONS) as container:
            yield container
    except BadVideo:
        raise
    except FFmpegError as error:
        raise BadVideo(f"{path}: not a readable video ({what_instead(path) or error.strerror or error}).") from error
    except OSError as error:
        raise BadVideo(f"{path}: cannot be read ({error.strerror or error}).") from error
    except Exception as error:  # whatever PyAV raises for damaged bytes: UnicodeDecodeError, OverflowError ...
        cause = str(error) or type(error).__name__
        raise BadVideo(f"{path}: not a readable video (damaged: {type(error).__name__}: {cause}).") from error


def what_instead(path: Path) -> str:
    """Say in words what a file is that is no video, or nothing where it looks like one."""
    with path.open("rb") as file:
        head = file.read(HEAD)
    form = format_of(head)
    if form in FORMATS:
        return f"a {form} picture"
    words = what_it_is(head)
    return "" if words in (CLIP, "unknown format") or "a video" in words else words


def video_stream(container: av.container.InputContainer, path: Path) -> av.video.VideoStream:
    """Return the first video stream.

    Raises:
        BadVideo: there is none, its frames are over 40 million pixels, or it is longer than six hours.
    """
    if not container.streams.video:
        raise BadVideo(f"{path}: holds no video.")
    stream = container.streams.video[0]
    if stream.width * stream.height > MAX_PIXELS:
        raise BadVideo(f"{path}: {stream.width} x {stream.height} pixels a frame; at most {MAX_PIXELS:,} are read.")
    seconds = (container.duration or 0) / av.time_base
    if seconds > MAX_SECONDS:
        raise BadVideo(f"{path}: {seconds / 3600:.1f} hours long; at most {MAX_SECONDS / 3600:.0f} are read. Cut it.")
    return stream


@lru_cache(maxsize=KEPT_CLIPS)
def decoded(clip: VideoFile) -> tuple[np.ndarray, ...]:
    """Return the frames of a clip as RGB of shape (height, width, 3), uint8; those of the last two clips are kept.

    A last frame that the file announces and does not hold is replaced by the one before it.

    Raises:
        BadVideo: the file is damaged, or holds less than 90 % of the frames up to the last that is wanted.
    """
    wanted = clip.positions
    taken = set(wanted)
    found: dict[int, np.ndarray] = {}
    seen = 0
    with opened(clip.path) as container:
        stream = video_stream(container, clip.path)
        for position, frame in numbered_frames(container, stream, wanted):
            seen = position + 1
            if position in taken:
                found[position] = pixels(frame)
            if position >= wanted[-1]:
                break
    if not found or seen < ENOUGH * (wanted[-1] + 1):
        raise BadVideo(f"{clip.path}: cut off: {seen} of at least {wanted[-1] + 1} frames can be read.")
    return tuple(found[max((each for each in found if each <= position), default=min(found))] for position in wanted)


def numbered_frames(
    container: av.container.InputContainer, stream: av.video.VideoStream, wanted: Sequence[int]
) -> Iterator[tuple[int, av.VideoFrame]]:
    """Return frames with their position from 0; between wanted ones that lie far apart most are never decoded."""
    gaps = [after - before for before, after in zip((0, *wanted), wanted, strict=False)]
    times = frame_times(container, stream) if max(gaps) > SEEK_GAP else []
    if not times:
        yield from enumerate(container.decode(stream))
        return
    place = {time: position for position, time in enumerate(times)}
    for position in wanted:
        container.seek(times[position], stream=stream)
        for frame in container.decode(stream):
            if frame.pts is not None and frame.pts >= times[position]:
                yield place.get(frame.pts, position), frame
                break


def frame_times(container: av.container.InputContainer, stream: av.video.VideoStream) -> list[int]:
    """Return the time stamps of all frames in order; empty where the container does not give them."""
    times = [packet.pts for packet in container.demux(stream) if packet.size > 0]
    container.seek(0, stream=stream)
    return [] if any(time is None for time in times) else sorted(time for time in times if time is not None)
