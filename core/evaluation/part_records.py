"""The record of a part in items.parquet: words, or a picture or clip by its thumbnail, with the file that it came from.

The explorer opens that file again to show the original. Pictures out of archives, tables and generators have none.
"""

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from core.config.private_paths import relative
from core.data.images.image_files import FileImage
from core.data.records import Image, ImageSource, Item, Text, Video
from core.data.video.video_files import FrameFile, VideoFrame

ALWAYS = {"type": pa.string(), "text": pa.string(), "thumbnail": pa.string()}
KNOWN = {"source": pa.string(), "frames": pa.int32(), "positions": pa.list_(pa.int32())}
"""Columns of those bundles that have a part of which this is known."""
PART = pa.struct(ALWAYS | KNOWN)


def part_type(items: Iterable[Item], private: bool = False) -> pa.StructType:
    """Return the type of the records of some items' parts."""
    pictures = (part for item in items for part in item.parts if not isinstance(part, Text))
    known = {name for part in pictures for name in part_record(part, private)}
    return pa.struct(ALWAYS | {name: kind for name, kind in KNOWN.items() if name in known})


def part_record(part: Text | Image | Video, private: bool = False) -> dict[str, Any]:
    """Return {"type": "text", "text"}, or {"type": "image" or "video", "thumbnail": id in thumbnails.parquet, ...}.

    source: path of the picture, of the video file or of the folder of frames; absent where there is none, where it is
    no text, or where `private` and it lies outside the present folder. frames: of a clip, how many its thumbnail shows
    side by side. positions: which frames of the video file they are.
    """
    if isinstance(part, Text):
        return {"type": "text", "text": part.text}
    record: dict[str, Any] = {"type": type(part).__name__.lower(), "thumbnail": part.content_id}
    if isinstance(part, Video):
        record["frames"] = len(part.frames)
        path, positions = clip_file(part.frames)
        if positions is not None:
            record["positions"] = positions
    else:
        # A frame's id is that of its file, not of its pixels, so it cannot be known again as a picture.
        path = part.source.path if type(part.source) is FileImage else None
    written = None if path is None else written_path(path, private)
    return record if written is None else record | {"source": written}


def clip_file(frames: Sequence[ImageSource]) -> tuple[Path | None, list[int] | None]:
    """Return the video file that frames were taken from and their positions, or their folder; None for neither."""
    first = frames[0]
    if isinstance(first, VideoFrame):
        whole = [VideoFrame(first.clip, number) for number in range(len(first.clip.positions))]
        return (first.clip.path, list(first.clip.positions)) if list(frames) == whole else (None, None)
    folders = {frame.path.parent if isinstance(frame, FrameFile) else None for frame in frames}
    return (folders.pop(), None) if len(folders) == 1 else (None, None)


def written_path(path: Path, private: bool) -> str | None:
    """Return a path as the bundle names it; None for one that is no text, or that a private bundle does not name."""
    try:
        text = str(path)
        text.encode()
        return relative(text, "source", Path(os.getcwd())) if private else text
    except ValueError:  # half a character in the name, or a path that leads out of the present folder
        return None
