"""Small pictures, and the bytes of their files."""

import io

import numpy as np
import PIL.Image


def encoded(image: PIL.Image.Image, form: str = "PNG", **options: object) -> bytes:
    """The bytes of a picture file."""
    buffer = io.BytesIO()
    image.save(buffer, form, **options)
    return buffer.getvalue()


def noise(width: int = 24, height: int = 16) -> PIL.Image.Image:
    """A random RGB picture."""
    return PIL.Image.fromarray(np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8))
