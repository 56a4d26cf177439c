"""Encoded pictures to RGB: known formats only, upright, of a bounded size, and any damage told with its cause.

What has more than 40 million pixels is reduced by 2, 4 or 8 while it is decoded (JPEG) or at once after it, one such
picture at a time in a process: a photograph of 200 megapixels takes less than 2 GB.
"""

import io
import os
import threading
from collections.abc import Callable, Mapping

import PIL.features
import PIL.Image
from PIL.AvifImagePlugin import AvifImageFile
from PIL.BmpImagePlugin import BmpImageFile
from PIL.ExifTags import Base
from PIL.GifImagePlugin import GifImageFile
from PIL.JpegImagePlugin import JpegImageFile, jpeg_factory
from PIL.PngImagePlugin import PngImageFile
from PIL.TiffImagePlugin import TiffImageFile
from PIL.WebPImagePlugin import WebPImageFile

from core.data.images import jpeg_segments, png_chunks
from core.data.images.bad_image import BadImage, say_once
from core.data.images.file_kinds import FORMATS, HEAD, format_of, what_it_is
from core.data.images.flattening import to_rgb

MAX_PIXELS = 40_000_000
"""Larger pictures are reduced to at most this."""
LARGEST: Mapping[str, int] = {
    "JPEG": 220_000_000,
    "PNG": 128_000_000,
    "BMP": 128_000_000,
    "TIFF": 128_000_000,
}
LARGEST_OTHER = 64_000_000
"""Pixels of a picture that is read at all: what its decoder takes stays below 2 GB. A GIF's are decoded in one."""
PLUGINS: Mapping[str, Callable[[io.BytesIO], PIL.Image.Image]] = {
    "PNG": PngImageFile,
    "JPEG": jpeg_factory,
    "WEBP": WebPImageFile,
    "GIF": GifImageFile,
    "BMP": BmpImageFile,
    "TIFF": TiffImageFile,
    "AVIF": AvifImageFile,
}
"""Pillow's own `open` would try several, lose what each says, and refuse 200 megapixels."""
WITHOUT_WORDS = {"PNG": png_chunks.without_words, "JPEG": jpeg_segments.without_words}
HEIF_EXTRA = 'a HEIC or HEIF picture, which needs pillow-heif: pip install "multimodal-embedding-workbench[heic]"'
TURNS: Mapping[object, PIL.Image.Transpose] = {
    2: PIL.Image.Transpose.FLIP_LEFT_RIGHT,
    3: PIL.Image.Transpose.ROTATE_180,
    4: PIL.Image.Transpose.FLIP_TOP_BOTTOM,
    5: PIL.Image.Transpose.TRANSPOSE,
    6: PIL.Image.Transpose.ROTATE_270,
    7: PIL.Image.Transpose.TRANSVERSE,
    8: PIL.Image.Transpose.ROTATE_90,
}
"""What EXIF's values of the orientation ask for."""
LARGE = threading.Lock()
"""Held while a picture is decoded that has to be reduced."""


def renew_lock() -> None:
    """Give a forked process a lock of its own: a thread that it does not have may hold the old one."""
    global LARGE
    LARGE = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=renew_lock)


def decode(data: bytes, name: str) -> PIL.Image.Image:
    """Decode an encoded picture to RGB, turned upright, what is transparent on white; of an animation the first frame.

    Raises:
        BadImage: the bytes are no picture of `FORMATS`, are damaged, or hold too many pixels; the message says which,
            and what they are instead.
    """
    form = format_of(data)
    if form is None:
        raise BadImage(f"{name}: not a readable picture ({what_it_is(data[:HEAD])}). Use one of {', '.join(FORMATS)}.")
    try:
        with plugin(form, name)(io.BytesIO(WITHOUT_WORDS[form](data) if form in WITHOUT_WORDS else data)) as image:
            return pixels(image, form, name)
    except BadImage:
        raise
    except Exception as error:  # whatever a decoder raises for damaged bytes: IndexError, struct.error, MemoryError ...
        cause = str(error) or type(error).__name__
        raise BadImage(f"{name}: not a readable picture (a damaged {form}: {cause}).") from error


def plugin(form: str, name: str) -> Callable[[io.BytesIO], PIL.Image.Image]:
    """Return what opens a format. Raises `BadImage` for AVIF and HEIF where their decoder is not installed."""
    if form == "AVIF" and not PIL.features.check("avif"):
        raise BadImage(f"{name}: not a readable picture (AVIF, which this build of Pillow has no decoder for).")
    return heif_plugin(name) if form == "HEIF" else PLUGINS[form]


def heif_plugin(name: str) -> Callable[[io.BytesIO], PIL.Image.Image]:
    """Return what opens HEIC, which is an extra. Raises `BadImage` that says how to get it."""
    try:
        from pillow_heif import HeifImageFile  # pyright: ignore[reportMissingImports]
    except ImportError as error:
        raise BadImage(f"{name}: not a readable picture ({HEIF_EXTRA}).") from error
    return HeifImageFile


def pixels(image: PIL.Image.Image, form: str, name: str) -> PIL.Image.Image:
    """Return an opened picture upright in RGB, reduced where it is large. Raises `BadImage` and what decoders raise."""
    width, height = image.size
    largest = LARGEST.get(form, LARGEST_OTHER)
    if width * height > largest:
        raise BadImage(f"{name}: {width} x {height} pixels; at most {largest:,} of a {form} are read. Shrink it.")
    if width * height <= MAX_PIXELS:
        return upright(image, name)
    with LARGE:
        if isinstance(image, JpegImageFile):
            factor = reduction(image.size)
            image.draft(None, (max(1, width // factor), max(1, height // factor)))
        return upright(image, name)


def reduction(size: tuple[int, int]) -> int:
    """Return the power of two by which both sides are divided, so that at most `MAX_PIXELS` are left."""
    factor = 1
    while -(-size[0] // factor) * -(-size[1] // factor) > MAX_PIXELS:
        factor *= 2
    return factor


def upright(image: PIL.Image.Image, name: str) -> PIL.Image.Image:
    """Return a picture in RGB of at most `MAX_PIXELS`, turned as its EXIF says."""
    image.load()
    turn = TURNS.get(orientation(image, name))
    flat = to_rgb(reduced(image, name), name)
    return flat if turn is None else flat.transpose(turn)


def reduced(image: PIL.Image.Image, name: str) -> PIL.Image.Image:
    """Return a picture whose sides are divided by `reduction`, each pixel the mean of those that it stands for."""
    factor = reduction(image.size)
    if factor == 1:
        return image
    if image.mode in ("P", "PA"):
        image = image.convert("RGBA" if image.has_transparency_data else "RGB")
    elif image.mode not in ("L", "LA", "RGB", "RGBA", "CMYK", "YCbCr"):
        image = to_rgb(image, name)
    return image.reduce(factor)


def orientation(image: PIL.Image.Image, name: str) -> int:
    """Return EXIF's orientation of a picture, 1 where there is none; says once where the EXIF cannot be read.

    Pixels are whole whatever stands beside them, so a picture with broken EXIF is used, not turned.
    """
    try:
        found = image.getexif().get(Base.Orientation, 1)
    except Exception as error:  # Pillow's reader lets pass whatever malformed tags lead to
        say_once("its EXIF cannot be read, so it is not turned", name, str(error))
        return 1
    return found if isinstance(found, int) else 1
