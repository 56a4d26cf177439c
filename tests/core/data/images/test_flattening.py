"""Every mode of picture to RGB, against values computed by hand."""

import io
import logging
import struct
import zlib

import numpy as np
import PIL.Image
import pytest

from core.data.images import bad_image
from core.data.images.bad_image import BadImage
from core.data.images.decoding import decode
from core.data.images.flattening import to_rgb


def reopened(image: PIL.Image.Image, form: str = "PNG", **options: object) -> np.ndarray:
    """The pixels of a picture that was written and read."""
    buffer = io.BytesIO()
    image.save(buffer, form, **options)
    return np.asarray(decode(buffer.getvalue(), "x.png"))


def row(mode: str, *values: object) -> PIL.Image.Image:
    """A picture of one row."""
    image = PIL.Image.new(mode, (len(values), 1))
    for place, value in enumerate(values):
        image.putpixel((place, 0), value)
    return image


def raw_png(kind: int, depth: int, rows: bytes, width: int) -> bytes:
    """A PNG of one row of bytes as they stand in the file."""
    header = struct.pack(">IIBBBBB", width, 1, depth, kind, 0, 0, 0)
    chunks = [b"IHDR" + header, b"IDAT" + zlib.compress(b"\0" + rows), b"IEND"]
    packed = [struct.pack(">I", len(each) - 4) + each + struct.pack(">I", zlib.crc32(each)) for each in chunks]
    return b"\x89PNG\r\n\x1a\n" + b"".join(packed)


def test_what_is_transparent_lies_on_white() -> None:
    pixels = reopened(row("RGBA", (10, 20, 30, 255), (10, 20, 30, 0), (0, 100, 200, 51)))
    assert pixels[0, :2].tolist() == [[10, 20, 30], [255, 255, 255]]
    np.testing.assert_allclose(pixels[0, 2], [0.8 * 255, 0.2 * 100 + 0.8 * 255, 0.2 * 200 + 0.8 * 255], atol=1)


def test_two_drawings_in_alpha_alone_differ() -> None:
    black = [PIL.Image.new("RGBA", (4, 4)) for _ in range(2)]
    black[0].putpixel((0, 0), (0, 0, 0, 255))
    black[1].putpixel((3, 3), (0, 0, 0, 255))
    one, two = map(reopened, black)
    assert one[0, 0].tolist() == two[3, 3].tolist() == [0, 0, 0]
    assert (one != two).any(-1).sum() == 2


def test_pixels_are_those_of_transformers() -> None:
    from transformers.image_transforms import convert_to_rgb

    values = np.random.default_rng(0).integers(0, 256, (16, 16, 4), dtype=np.uint8)
    image = PIL.Image.fromarray(values)
    np.testing.assert_array_equal(np.asarray(to_rgb(image)), convert_to_rgb(image, return_numpy=True))


@pytest.mark.parametrize(
    ("image", "options", "expected"),
    [
        (row("LA", (100, 255), (100, 0)), {}, [[100] * 3, [255] * 3]),
        (row("L", 100, 7), {"transparency": 7}, [[100] * 3, [255] * 3]),
        (row("RGB", (1, 2, 3), (4, 5, 6)), {"transparency": (4, 5, 6)}, [[1, 2, 3], [255] * 3]),
        (row("1", 0, 255), {}, [[0] * 3, [255] * 3]),
        (row("1", 0, 255), {"transparency": 0}, [[255] * 3, [255] * 3]),
        (row("L", 0, 200), {}, [[0] * 3, [200] * 3]),
    ],
    ids=["LA", "L with a clear grey", "RGB with a clear colour", "1", "1 with a clear black", "L"],
)
def test_modes_of_png(image: PIL.Image.Image, options: dict[str, object], expected: list[list[int]]) -> None:
    assert reopened(image, **options)[0].tolist() == expected


def test_a_palette_and_its_transparency() -> None:
    image = row("P", 0, 1, 2)
    image.putpalette([255, 0, 0, 0, 255, 0, 0, 0, 255])
    assert reopened(image)[0].tolist() == [[255, 0, 0], [0, 255, 0], [0, 0, 255]]
    assert reopened(image, transparency=1)[0].tolist() == [[255, 0, 0], [255, 255, 255], [0, 0, 255]]
    half = reopened(image, transparency=bytes([255, 0, 128]))[0]
    assert half[:2].tolist() == [[255, 0, 0], [255, 255, 255]]
    np.testing.assert_allclose(half[2], [127, 127, 255], atol=1)
    assert reopened(image, "GIF", transparency=1)[0].tolist() == [[255, 0, 0], [255, 255, 255], [0, 0, 255]]


def test_cmyk() -> None:
    image = row("CMYK", (0, 0, 0, 0), (255, 0, 0, 0), (0, 255, 255, 0), (0, 0, 0, 255))
    expected = [[255, 255, 255], [0, 255, 255], [255, 0, 0], [0, 0, 0]]
    assert reopened(image, "TIFF")[0].tolist() == expected
    np.testing.assert_allclose(
        reopened(image.resize((64, 16), PIL.Image.Resampling.NEAREST), "JPEG", quality=100)[8, 8::16], expected, atol=6
    )


# --- more than 8 bits


@pytest.mark.parametrize("form", ["PNG", "TIFF"])
def test_16_bit_grey_keeps_its_upper_bits(form: str) -> None:
    values = np.array([[0, 255, 256, 0x8001, 65535]], np.uint16)
    assert reopened(PIL.Image.fromarray(values), form)[0, :, 0].tolist() == [0, 0, 1, 128, 255]


def test_16_bit_colours_and_grey_with_alpha_keep_their_upper_bits() -> None:
    colours = np.array([0, 256, 65535, 0x8001, 0x7FFF, 0x1234], ">u2").tobytes()
    assert np.asarray(decode(raw_png(2, 16, colours, 2), "x"))[0].tolist() == [[0, 1, 255], [0x80, 0x7F, 0x12]]
    grey = np.array([0x4000, 65535, 0x4000, 0], ">u2").tobytes()
    assert np.asarray(decode(raw_png(4, 16, grey, 2), "x"))[0].tolist() == [[64] * 3, [255] * 3]
    layers = np.array([0x4000, 0, 0, 65535, 0x4000, 0, 0, 0], ">u2").tobytes()
    assert np.asarray(decode(raw_png(6, 16, layers, 2), "x"))[0].tolist() == [[64, 0, 0], [255] * 3]


def test_16_bit_grey_with_a_clear_value() -> None:
    image = PIL.Image.fromarray(np.array([[0x4000, 0x9000]], np.uint16))
    image.info["transparency"] = 0x9000
    assert np.asarray(to_rgb(image))[0].tolist() == [[64] * 3, [255] * 3]


@pytest.mark.parametrize("kind", [np.uint16, np.int32])
def test_8_bit_values_in_16_bits_are_told(kind: type) -> None:
    with pytest.raises(BadImage, match=r"x\.png: 16-bit values that all lie below 256 \(the largest is 200\).*black"):
        reopened(PIL.Image.fromarray(np.array([[0, 200]], kind)), "TIFF")
    assert reopened(PIL.Image.fromarray(np.zeros((1, 2), kind)), "TIFF").max() == 0


@pytest.mark.parametrize("values", [[0, 70_000], [-1, 5]])
def test_whole_numbers_without_a_known_white_are_told(values: list[int]) -> None:
    with pytest.raises(BadImage, match=rf"x\.png: whole numbers from {values[0]} to {values[1]}"):
        reopened(PIL.Image.fromarray(np.array([values], np.int32)), "TIFF")


def test_floating_point_is_0_to_1() -> None:
    values = np.array([[0, 0.2, 0.5, 1]], np.float32)
    assert reopened(PIL.Image.fromarray(values), "TIFF")[0, :, 0].tolist() == [0, 51, 128, 255]
    for bad in ([0, 300], [0, float("nan")], [-0.5, 1]):
        with pytest.raises(BadImage, match=r"x\.png: floating-point values from .*only 0 \(black\) to 1 \(white\)"):
            reopened(PIL.Image.fromarray(np.array([bad], np.float32)), "TIFF")


def test_lab_is_turned_into_colours() -> None:
    red, white = (136, 208, 195), (255, 128, 128)  # L in 255ths of 100; a = 80 and b = 67, stored from 128 up
    np.testing.assert_allclose(reopened(row("LAB", red, white), "TIFF")[0], [[255, 0, 0], [255, 255, 255]], atol=12)


def test_white_on_nothing_is_told_once(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bad_image, "SAID", set())
    with caplog.at_level(logging.WARNING):
        for _ in range(2):
            reopened(row("RGBA", (255, 255, 255, 255), (255, 255, 255, 0)))
    assert [record.message.split(": ")[:2] for record in caplog.records] == [
        ["x.png", "nothing but white, for what is transparent is laid on white. Others like it are not listed."]
    ]
