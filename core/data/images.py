"""Pictures from files and bytes, opened late and with limits: only known formats, only sane sizes."""

import hashlib
import io
from dataclasses import dataclass, field
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
    """The picture in RGB; transparency is dropped, and the colour under it stays.

    Pillow's own conversion clips 16-bit grey to white and warns of palettes with transparency.
    """
    if image.mode.startswith("I;16"):
        return PIL.Image.fromarray((np.asarray(image) >> 8).astype(np.uint8)).convert("RGB")
    if image.mode == "P":
        image = image.convert("RGBA")
    return image.convert("RGB")


@dataclass(frozen=True)
class FileImage:
    """A picture file. Two files with the same bytes are the same picture."""

    path: Path

    @property
    def content_id(self) -> str:
        """The hash of the file's bytes."""
        return hashlib.sha256(self._read()).hexdigest()[:16]

    def open(self) -> PIL.Image.Image:
        """Read and decode the file. Raises `BadImage` when it is missing, damaged or too large."""
        return decode(self._read(), str(self.path))

    def _read(self) -> bytes:
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
        """The hash of the bytes."""
        return hashlib.sha256(self.data).hexdigest()[:16]

    def open(self) -> PIL.Image.Image:
        """Decode. Raises `BadImage`."""
        return decode(self.data, self.name)
