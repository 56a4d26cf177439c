"""The originals behind a bundle's small pictures: opened again from the file that the bundle names, if it is the same.

A bundle may come from elsewhere, so what it names is not trusted: only plain files that the project's own decoders
take, within their limits, and only where the content id of what was read is the one that the bundle holds.
"""

import io
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import PIL.Image

from core.data.images.bad_image import BadImage
from core.data.images.image_files import FileImage
from core.data.records import Image, Video
from core.data.video.video_files import VideoFile, VideoFrame, frames_of_folder

LARGEST = 1600
"""Pixels of the longer side at which an original is shown."""
MOST_FRAMES = 256
MOST_BYTES = 4_000_000_000
"""Of a video file, which is read whole for its id."""
REMOTE = ("//", "\\\\")
"""Begins the name of a file of another machine, which is not asked for anything."""


class NoOriginal(ValueError):
    """There is no original to show; the message says why."""


def original(part: Mapping[str, Any]) -> list[PIL.Image.Image]:
    """Open the picture of a part again, or the frames of its clip, at most 1600 pixels wide and high.

    A relative path counts from the present folder, as where the bundle was written.

    Raises:
        NoOriginal: the bundle names no file, it is no longer there, cannot be read, or holds something else by now.
    """
    source = part.get("source")
    if not source:
        raise NoOriginal("This bundle names no file of it: it was drawn, or lay in an archive or a table.")
    path = Path(source)
    if source.startswith(REMOTE) or not os.path.exists(path):
        raise NoOriginal(f"The original is no longer at {source}.")
    try:
        pictures, found = clip(part, path) if part["type"] == "video" else picture(path)
    except (BadImage, OSError) as error:
        raise NoOriginal(f"The original cannot be read. {error}") from error
    if found != part["thumbnail"]:
        raise NoOriginal(f"What is at {source} now is not what was evaluated.")
    for each in pictures:
        each.thumbnail((LARGEST, LARGEST))
    return pictures


def picture(path: Path) -> tuple[list[PIL.Image.Image], str]:
    """Return a picture and its content id. Raises BadImage."""
    source = FileImage(path)
    return [source.open()], Image(source).content_id


def clip(part: Mapping[str, Any], path: Path) -> tuple[list[PIL.Image.Image], str]:
    """Return the frames of a clip and its content id. Raises BadImage, NoOriginal."""
    frames, positions = part.get("frames", 0), part.get("positions")
    if not 1 <= frames <= MOST_FRAMES:
        raise NoOriginal(f"The clip has {frames:,} frames; 1 to {MOST_FRAMES} can be shown.")
    if positions is None:
        video = frames_of_folder(path, frames)
    else:
        if not path.is_file() or path.stat().st_size > MOST_BYTES:
            raise NoOriginal(f"{path} is no file of at most {MOST_BYTES:,} bytes.")
        if not ascending(positions) or len(positions) != frames:
            raise NoOriginal(f"The bundle names no {frames} frames of {path} in order.")
        file = VideoFile(path, tuple(positions))
        video = Video(tuple(VideoFrame(file, number) for number in range(len(positions))))
    found = video.content_id
    # Decoded only once it is known to be the same.
    return ([frame.open() for frame in video.frames] if found == part["thumbnail"] else []), found


def ascending(positions: Sequence[int]) -> bool:
    """Tell whether positions are whole numbers from 0 on, each above the one before."""
    return all(before < after for before, after in zip((-1, *positions), positions, strict=False))


def frames_of_strip(strip: PIL.Image.Image, frames: int) -> list[PIL.Image.Image]:
    """Cut a clip's thumbnail into its frames; the whole strip as one where it cannot be cut evenly."""
    if not 1 < frames <= strip.width or strip.width % frames:
        return [strip]
    width = strip.width // frames
    return [strip.crop((left, 0, left + width, strip.height)) for left in range(0, strip.width, width)]


def animated(frames: Sequence[PIL.Image.Image], seconds: float = 0.4, enlarged: int = 1) -> bytes:
    """Return frames as a GIF that plays for ever, each shown so many seconds and enlarged so many times."""
    sizes = [(each.width * enlarged, each.height * enlarged) for each in frames]
    large = [each.resize(size) for each, size in zip(frames, sizes, strict=True)]
    stream = io.BytesIO()
    large[0].save(stream, "GIF", save_all=True, append_images=large[1:], duration=round(1000 * seconds), loop=0)
    return stream.getvalue()
