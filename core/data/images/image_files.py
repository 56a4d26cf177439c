"""Pictures from files and bytes, opened late and with limits: only known formats, only sane sizes."""

import hashlib
import stat
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import PIL.Image

from core.data.images.bad_image import BadImage
from core.data.images.decoding import decode

MAX_BYTES = 500_000_000
"""Of one file."""


def pixels_id(picture: PIL.Image.Image) -> str:
    """Return the content id of an upright RGB picture: the hash of its size and pixels, which is what a model sees.

    In whichever format, with whichever metadata and palette it was stored: it is the same picture.
    """
    found = hashlib.sha256(f"{picture.width} {picture.height} ".encode())
    found.update(picture.tobytes())
    return found.hexdigest()[:16]


def with_id(source: object, picture: PIL.Image.Image) -> PIL.Image.Image:
    """Return the decoded picture of a source, which keeps its id, so that it is not decoded once more for it."""
    known = vars(source)
    if "_pixels_id" not in known:
        known["_pixels_id"] = pixels_id(picture)
    known["_size"] = picture.size
    return picture


def size_when_opened(source: object) -> tuple[int, int] | None:
    """Return the width and height that a source had when it was opened; None if it was not."""
    return getattr(source, "__dict__", {}).get("_size")


@dataclass(frozen=True)
class FileImage:
    """A picture file. Two files with the same pixels are the same picture."""

    path: Path

    @property
    def content_id(self) -> str:
        """The id of the pixels, known from when it was opened, else decoded once. Raises `BadImage`."""
        return self._pixels_id

    @cached_property
    def _pixels_id(self) -> str:
        return pixels_id(decode(self.read(), str(self.path)))

    def open(self) -> PIL.Image.Image:
        """Read and decode the file. Raises `BadImage` when it is missing, damaged or too large."""
        return with_id(self, decode(self.read(), str(self.path)))

    def read(self) -> bytes:
        """Return the file's bytes. Raises `BadImage`."""
        try:
            facts = self.path.stat()
            if not stat.S_ISREG(facts.st_mode) and not stat.S_ISDIR(facts.st_mode):
                raise BadImage(f"{self.path}: cannot be read (a pipe, a socket or a device, no file).")
            if facts.st_size > MAX_BYTES:
                raise BadImage(f"{self.path}: {facts.st_size:,} bytes; at most {MAX_BYTES:,} are read. Shrink it.")
            return self.path.read_bytes()
        except BadImage:
            raise
        except (OSError, ValueError) as error:  # ValueError: a zero byte in the name
            raise BadImage(f"{self.path}: cannot be read ({getattr(error, 'strerror', None) or error}).") from error


@dataclass(frozen=True)
class BytesImage:
    """An encoded picture held in memory, such as an upload or a column of a table."""

    data: bytes = field(repr=False)
    name: str = "uploaded picture"

    @property
    def content_id(self) -> str:
        """The id of the pixels, known from when it was opened, else decoded once. Raises `BadImage`."""
        return self._pixels_id

    @cached_property
    def _pixels_id(self) -> str:
        return pixels_id(decode(self.data, self.name))

    def open(self) -> PIL.Image.Image:
        """Decode. Raises `BadImage`."""
        return with_id(self, decode(self.data, self.name))
