"""Pictures from files and bytes, opened late and with limits: only known formats, only sane sizes."""

import hashlib
import io
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
import PIL.Image
import PIL.ImageOps

FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP")
MAX_PIXELS = 40_000_000
# Pillow's own limits lie above ours; the first is a warning, which strict filters turn into an exception.
BOMBS = (PIL.Image.DecompressionBombWarning, PIL.Image.DecompressionBombError)


class BadImage(ValueError):
    """A picture that cannot be used; the message names the file and the reason."""


def decode(data: bytes, name: str) -> PIL.Image.Image:
    """Decode an encoded picture to RGB, turned upright; of an animation the first frame.

    Raises:
        BadImage: the bytes are no PNG, JPEG, WebP, GIF or BMP, are damaged, or hold over 40 million pixels.
    """
    try:
        with PIL.Image.open(io.BytesIO(data), formats=FORMATS) as image:
            width, height = image.size
            if width * height > MAX_PIXELS:
                raise BadImage(
                    f"{name}: {width} x {height} pixels; at most {MAX_PIXELS:,} are read. Shrink the picture."
                )
            return to_rgb(PIL.ImageOps.exif_transpose(image))
    except BadImage:
        raise
    except PIL.UnidentifiedImageError as error:
        raise BadImage(f"{name}: not a readable picture (unknown format). Use one of {', '.join(FORMATS)}.") from error
    except (OSError, ValueError, SyntaxError, EOFError, *BOMBS) as error:
        raise BadImage(f"{name}: not a readable picture ({error}). Use one of {', '.join(FORMATS)}.") from error


def to_rgb(image: PIL.Image.Image) -> PIL.Image.Image:
    """Return the picture in RGB; transparency is dropped, and the colour under it stays.

    Pillow's own conversion clips 16-bit grey to white and warns of palettes with transparency.
    """
    if image.mode.startswith("I;16"):
        return PIL.Image.fromarray((np.asarray(image) >> 8).astype(np.uint8)).convert("RGB")
    if image.mode == "P":
        image = image.convert("RGBA")
    return image.convert("RGB")


def pixels_id(picture: PIL.Image.Image) -> str:
    """Return the content id of an upright RGB picture: the hash of its size and pixels, which is what a model sees.

    In whichever format, with whichever metadata and palette it was stored: it is the same picture.
    """
    found = hashlib.sha256(f"{picture.width} {picture.height} ".encode())
    found.update(picture.tobytes())
    return found.hexdigest()[:16]


def with_id(source: object, picture: PIL.Image.Image) -> PIL.Image.Image:
    """Return the decoded picture of a source, which keeps its id, so that it is not decoded once more for it."""
    if not was_opened(source):
        vars(source)["_pixels_id"] = pixels_id(picture)
    return picture


def was_opened(source: object) -> bool:
    """Tell whether a source knows the id of its pixels, and so was decoded before."""
    return "_pixels_id" in getattr(source, "__dict__", {})


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
            return self.path.read_bytes()
        except OSError as error:
            raise BadImage(f"{self.path}: cannot be read ({error.strerror or error}).") from error


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
