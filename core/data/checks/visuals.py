"""Open pictures and decode clips before any work starts, each once, by several threads."""

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TypeAlias

from tqdm import tqdm

from core.data.checks.model_rules import ModelRules
from core.data.checks.problems import reason_of
from core.data.images.image_files import size_when_opened
from core.data.records import ImageSource
from core.data.video.video_files import VideoFile, VideoFrame

Visual: TypeAlias = ImageSource | VideoFile
"""A picture, or a whole clip, which is decoded for all its frames at once."""

CHUNK = 1024
THREADS = 16
CLIP_THREADS = 4
"""Fewer than for pictures, as each holds the frames of a clip."""


def visual(source: ImageSource) -> Visual:
    """Return what is opened to get a picture: the clip that a frame is of, or the picture itself."""
    return source.clip if isinstance(source, VideoFrame) else source


def name_of(source: ImageSource) -> str:
    """Return the name of a picture for messages: its file, of a frame the clip's; empty if it has none."""
    if isinstance(source, VideoFrame):
        return str(source.clip.path)
    named = getattr(source, "path", None) or getattr(source, "name", None)
    return str(named or "")


def unreadable(
    sources: Sequence[ImageSource], name: str, progress: bool, rules: ModelRules | None = None
) -> Iterator[tuple[ImageSource, str]]:
    """Return the pictures that cannot be used, each with the reason; of a clip that cannot, every frame given.

    Pillow and FFmpeg decode outside the interpreter lock, so threads share the work; the chunks bound what is queued.
    """
    frames: dict[Visual, list[ImageSource]] = {}
    for source in sources:
        frames.setdefault(visual(source), []).append(source)
    clips = [each for each in frames if isinstance(each, VideoFile)]
    stills = [each for each in frames if not isinstance(each, VideoFile)]
    for found, kind, threads in ((stills, "picture", THREADS), (clips, "clip", CLIP_THREADS)):
        if not found and (kind == "clip" or clips):
            continue
        bar = tqdm(total=len(found), desc=f"checking {kind}s of {name}", unit=kind, disable=not progress)
        with bar, ThreadPoolExecutor(max_workers=min(threads, os.cpu_count() or 1)) as pool:
            for start in range(0, len(found), CHUNK):
                chunk = found[start : start + CHUNK]
                first = [frames[each][0] for each in chunk]
                for each, reason in zip(chunk, pool.map(partial(why_bad, rules=rules), first), strict=True):
                    bar.update()
                    if reason is not None:
                        yield from ((source, reason) for source in frames[each])


def why_bad(source: ImageSource, rules: ModelRules | None = None) -> str | None:
    """Say why a picture cannot be opened, or not be given to the model; None if it can. A frame stands for its clip.

    A picture that was opened before is not opened again, unless its size is one about which the model has to be asked.
    """
    size = size_when_opened(source)
    if size is not None and (rules is None or not rules.suspects_size(size)):
        return None
    try:
        picture = source.open()
        if rules is not None and rules.suspects_size(picture.size):
            rules.refuse_picture(picture, name_of(source))
    except Exception as error:  # see core.data.checks.problems.naming
        reason, name = reason_of(error), name_of(source)
        return reason if name in reason else f"{name}: {reason}"
    return None
