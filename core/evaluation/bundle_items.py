"""The tables of a bundle that say what its items are: words, parts, attributes, thumbnails."""

import io
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path

import PIL.Image
import pyarrow as pa
import pyarrow.parquet as pq

from core.data.records import Image, Item, Text, Video
from core.evaluation.part_records import part_record, part_type

THUMBNAIL = 96
ROWS_AT_ONCE = 2**16
PICTURES_AT_ONCE = 256
"""Thumbnails of a row group: a page that shows one reads so many."""
ATTRIBUTE = "attribute:"
"""Begins the name of a column of attributes."""


def write_items(items: Sequence[Item], path: Path, private: bool = False) -> None:
    """Write one row an item, in the order of the vectors, and a column for each attribute that any item has.

    private: name no file outside the present folder as the source of a picture or clip.
    """
    names = sorted({name for item in items for name in item.attributes})
    schema = pa.schema(
        {
            "item": pa.string(),
            "modality": pa.dictionary(pa.int32(), pa.string()),
            "text": pa.string(),
            "parts": pa.list_(part_type(items, private)),
            **{ATTRIBUTE + name: pa.dictionary(pa.int32(), pa.string()) for name in names},
        }
    )
    with pq.ParquetWriter(path, schema) as writer:
        for start in range(0, len(items), ROWS_AT_ONCE):
            rows = items[start : start + ROWS_AT_ONCE]
            columns = {
                "item": [item.content_id for item in rows],
                "modality": [item.modality for item in rows],
                "text": [item.text for item in rows],
                "parts": [[part_record(part, private) for part in item.parts] for item in rows],
                **{ATTRIBUTE + name: [item.attributes.get(name) for item in rows] for name in names},
            }
            writer.write_table(pa.table([pa.array(columns[each.name], each.type) for each in schema], schema=schema))


def write_thumbnails(items: Sequence[Item], path: Path) -> None:
    """Write each distinct picture and clip as WebP, at most 96 pixels high; a clip is its frames side by side."""
    parts = {part.content_id: part for item in items for part in item.parts if not isinstance(part, Text)}
    schema = pa.schema({"thumbnail": pa.string(), "webp": pa.binary()})
    left = iter(parts.items())
    with (
        ThreadPoolExecutor(min(32, os.cpu_count() or 1)) as pool,
        pq.ParquetWriter(path, schema, compression="none") as writer,
    ):
        while chosen := list(islice(left, PICTURES_AT_ONCE)):
            pictures = list(pool.map(lambda named: webp(thumbnail(named[1])), chosen))
            writer.write_table(pa.table([[name for name, _ in chosen], pictures], schema=schema))


def thumbnail(part: Image | Video) -> PIL.Image.Image:
    """Return a picture, or a strip of a clip's frames, reduced to at most 96 pixels of height.

    Every frame has the same share of the strip's width, so that it can be cut apart again.
    """
    sources = [part.source] if isinstance(part, Image) else list(part.frames)
    frames = [source.open() for source in sources]
    for frame in frames:
        frame.thumbnail((2 * THUMBNAIL, THUMBNAIL))
    width = max(frame.width for frame in frames)
    strip = PIL.Image.new("RGB", (width * len(frames), max(frame.height for frame in frames)))
    for number, frame in enumerate(frames):
        strip.paste(frame, (number * width, 0))
    return strip


def webp(picture: PIL.Image.Image) -> bytes:
    """Return the picture's WebP encoding."""
    stream = io.BytesIO()
    picture.save(stream, "WEBP", quality=85)
    return stream.getvalue()
