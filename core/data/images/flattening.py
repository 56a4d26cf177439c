"""Any mode of picture to RGB: transparency on white, 16-bit values to 8 bits, and no guess where white is not known.

Transparency is laid on white, as the processors of transformers do (`convert_to_rgb`) and Qwen's vision code does: a
drawing that lies in the alpha channel alone is seen, and two of them differ.
"""

import numpy as np
import PIL.Image

from core.data.images.bad_image import BadImage, say_once

WHITE = (255, 255, 255, 255)
LARGEST_16_BIT = 65535


def to_rgb(image: PIL.Image.Image, name: str = "picture") -> PIL.Image.Image:
    """Return the picture in RGB, what is transparent in it on white.

    16-bit values keep their upper 8 bits, floating-point values 0 to 1 become 0 to 255.

    Raises:
        BadImage: 16-bit values all lie below 256, or 32-bit or floating-point ones beyond what has a meaning.
        ValueError: Pillow knows no way from the mode to RGB.
    """
    if image.mode.startswith("I;16"):
        image = from_16_bits(image, name)
    elif image.mode == "I":
        image = grey_of_16_bits(np.asarray(image), name)
    elif image.mode == "F":
        image = from_floats(np.asarray(image), name)
    if image.has_transparency_data:
        return on_white(image, name)
    return image.convert("RGB")


def on_white(image: PIL.Image.Image, name: str) -> PIL.Image.Image:
    """Return a picture with transparency over a white ground. Says once if nothing is to be seen then."""
    layer = image.convert("LA").convert("RGBA") if image.mode == "La" else image.convert("RGBA")
    if layer.getchannel("A").getextrema() == (255, 255):
        return layer.convert("RGB")
    flat = PIL.Image.alpha_composite(PIL.Image.new("RGBA", layer.size, WHITE), layer).convert("RGB")
    if flat.getextrema() == ((255, 255),) * 3:
        say_once("nothing but white, for what is transparent is laid on white", name)
    return flat


def from_16_bits(image: PIL.Image.Image, name: str) -> PIL.Image.Image:
    """Return 16-bit grey as 8-bit grey, with alpha 0 where it has the value that its file calls transparent."""
    values = np.asarray(image)
    grey = grey_of_16_bits(values, name)
    clear = image.info.get("transparency")
    if isinstance(clear, int):
        grey.putalpha(PIL.Image.fromarray(np.where(values == clear, 0, 255).astype(np.uint8)))
    return grey


def grey_of_16_bits(values: np.ndarray, name: str) -> PIL.Image.Image:
    """Return the upper 8 bits of whole numbers from 0 to 65535. Raises `BadImage` for others, or if all are lost."""
    low, high = int(values.min()), int(values.max())
    if low < 0 or high > LARGEST_16_BIT:
        raise BadImage(
            f"{name}: whole numbers from {low} to {high}, of which nobody says which is white; save it with 8 bits, or "
            f"16 from 0 to {LARGEST_16_BIT}."
        )
    if 0 < high < 256:
        raise BadImage(
            f"{name}: 16-bit values that all lie below 256 (the largest is {high}), so it would be all black. They "
            "look like 8-bit values: save it with 8 bits, or multiply them by 257."
        )
    return PIL.Image.fromarray((values >> 8).astype(np.uint8))


def from_floats(values: np.ndarray, name: str) -> PIL.Image.Image:
    """Return floating-point grey, 0 for black to 1 for white, with 8 bits. Raises `BadImage` for other values."""
    low, high = float(values.min()), float(values.max())
    if not (low >= 0 and high <= 1):
        raise BadImage(
            f"{name}: floating-point values from {low:g} to {high:g}; only 0 (black) to 1 (white) are read. Scale "
            "them, or save it with 8 bits."
        )
    return PIL.Image.fromarray(np.rint(values * np.float32(255)).astype(np.uint8))
