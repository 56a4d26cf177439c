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


def bytes_id(data: bytes) -> str:
    """Return the content id of an encoded picture, wherever its bytes lie."""
    return hashlib.sha256(data).hexdigest()[:16]


def keep_id(source: object, data: bytes) -> None:
    """Let a source that was opened know its id, so that its bytes are not read once more for it."""
    if "_id" not in vars(source):
        vars(source)["_id"] = bytes_id(data)


@dataclass(frozen=True)
class FileImage:
    """A picture file. Two files with the same bytes are the same picture."""

    path: Path

    @property
    def content_id(self) -> str:
        """The hash of the file's bytes, which are read for it once. Raises `BadImage` when that fails."""
        return self._id

    @cached_property
    def _id(self) -> str:
        return bytes_id(self._read())

    def open(self) -> PIL.Image.Image:
        """Read and decode the file. Raises `BadImage` when it is missing, damaged or too large."""
        data = self._read()
        keep_id(self, data)
        return decode(data, str(self.path))

    def _read(self) -> bytes:
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
        """The hash of the bytes."""
        return self._id

    @cached_property
    def _id(self) -> str:
        return bytes_id(self.data)

    def open(self) -> PIL.Image.Image:
        """Decode. Raises `BadImage`."""
        return decode(self.data, self.name)
