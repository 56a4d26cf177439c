"""Decoding: what is damaged is told with its cause, what is whole is used, and memory is bounded."""

import io
import logging
import os
import random
import struct
import subprocess
import sys
import types
import zlib
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
from encoded_pictures import encoded, noise
from PIL.PngImagePlugin import PngInfo

from core.data.images import bad_image, decoding
from core.data.images.bad_image import BadImage
from core.data.images.decoding import decode, reduction
from core.data.images.file_kinds import FORMATS

READ_HERE = [form for form in FORMATS if form != "HEIF"]
RED, BLUE = (250, 10, 10), (10, 10, 250)


def two_halves(width: int = 12, height: int = 8) -> PIL.Image.Image:
    """Blue on the left, red on the right."""
    image = PIL.Image.new("RGB", (width, height), RED)
    image.paste(BLUE, (0, 0, width // 2, height))
    return image


@pytest.fixture(autouse=True)
def nothing_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every test begins without a warning given."""
    monkeypatch.setattr(bad_image, "SAID", set())


# --- broken EXIF: the picture is whole

ORIENTATION = (0x0112, 3, 1, struct.pack("<HH", 6, 0))


def tiff(entries: list[tuple[int, int, int, bytes]], tail: bytes = b"") -> bytes:
    """A little-endian block of EXIF: (tag, type, count, four bytes of value)."""
    body = b"".join(struct.pack("<HHI", *entry[:3]) + entry[3] for entry in entries)
    return b"II*\0\x08\0\0\0" + struct.pack("<H", len(entries)) + body + b"\0\0\0\0" + tail


def behind(entries: int) -> bytes:
    """Where what stands behind so many entries begins."""
    return struct.pack("<I", 8 + 2 + 12 * entries + 4)


def jpeg_with(block: bytes, head: bytes = b"Exif\0\0", kind: int = 0xE1) -> bytes:
    """A JPEG of two halves with a segment."""
    data, body = encoded(two_halves(), "JPEG", quality=95), head + block
    return data[:2] + struct.pack(">BBH", 0xFF, kind, len(body) + 2) + body + data[2:]


@pytest.mark.parametrize(
    "block",
    [
        tiff([ORIENTATION]),
        tiff([ORIENTATION, (0x9204, 10, 1, behind(2))], struct.pack("<ii", -1, 0)),
        tiff([ORIENTATION, (0x011A, 2, 3, b"72\0\0")]),
        tiff([(0x010F, 5, 1, behind(2)), ORIENTATION], struct.pack("<II", 1, 3)),
        tiff([(0x0100, 2, 2, b"1\0\0\0"), ORIENTATION]),
        tiff([ORIENTATION, (0x8769, 2, 4, b"abc\0")]),
        tiff([ORIENTATION, (0x0132, 4, 1, struct.pack("<I", 20240101))]),
    ],
)
def test_a_photo_is_turned_whatever_is_wrong_beside_its_orientation(block: bytes) -> None:
    picture = decode(jpeg_with(block), "photo.jpg")
    assert picture.size == (8, 12)
    above, below = np.asarray(picture)[0, 4], np.asarray(picture)[-1, 4]
    np.testing.assert_allclose([above, below], [BLUE, RED], atol=12)


@pytest.mark.filterwarnings("ignore::UserWarning:PIL")
@pytest.mark.parametrize(
    "block",
    [
        tiff([(0x0112, 2, 2, b"6\0\0\0")]),
        tiff([(0x0112, 3, 1, struct.pack("<HH", 0, 0))]),
        tiff([(0x0112, 3, 1, struct.pack("<HH", 9, 0))]),
        tiff([(0x0112, 5, 1, struct.pack("<I", 9999999))]),
        tiff([(0x010F, 2, 0xFFFFFFF0, struct.pack("<I", 4))]),
        b"garbage garbage",
        b"",
    ],
)
def test_a_photo_whose_orientation_says_nothing_is_used_as_it_lies(block: bytes) -> None:
    picture = decode(jpeg_with(block), "photo.jpg")
    np.testing.assert_allclose(np.asarray(picture)[4, [1, -2]], [BLUE, RED], atol=12)


def test_exif_that_breaks_the_reader_is_told_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(PIL.Image.Exif, "get", lambda *_: struct.unpack("<I", b"no"))
    with caplog.at_level(logging.WARNING):
        for name in ("a.jpg", "b.jpg"):
            assert decode(jpeg_with(tiff([ORIENTATION])), name).size == (12, 8)
    assert [record.message for record in caplog.records] == [
        "a.jpg: its EXIF cannot be read, so it is not turned (unpack requires a buffer of 4 bytes). "
        "Others like it are not listed."
    ]


# --- whole pictures with odd things beside the pixels


def png_with(kind: bytes, data: bytes, checksum: int | None = None) -> bytes:
    """A PNG of noise with one more chunk behind its header."""
    whole, body = encoded(noise()), kind + data
    checksum = zlib.crc32(body) if checksum is None else checksum
    return whole[:33] + struct.pack(">I", len(data)) + body + struct.pack(">I", checksum) + whole[33:]


@pytest.mark.parametrize(
    "data",
    [
        png_with(b"zTXt", b"workflow\0\0" + zlib.compress(b"x" * (2 << 20))),
        png_with(b"iTXt", b"workflow\0\1\0\0\0" + zlib.compress(b"x" * (80 << 20))),
        png_with(b"iCCP", b"name\0\0" + zlib.compress(bytes(3 << 20))),
        png_with(b"pHYs", b"\0\1"),
        png_with(b"sRGB", b""),
        png_with(b"tEXt", b"a\0b", checksum=0),
        png_with(b"iTXt", b"a\0\1\0\0\0no zip"),
        encoded(noise()) + b"rubbish" * 10,
    ],
    ids=["words", "80 MB of words", "large profile", "pHYs", "sRGB", "check sum", "iTXt", "rubbish behind"],
)
def test_a_whole_png_opens_whatever_stands_beside_its_pixels(data: bytes) -> None:
    assert decode(data, "x").tobytes() == noise().tobytes()


def test_a_png_turned_by_its_xmp_is_turned() -> None:
    words = PngInfo()
    words.add_itxt("XML:com.adobe.xmp", '<x:xmpmeta tiff:Orientation="6"></x:xmpmeta>')
    words.add_text("workflow", "x" * (2 << 20), zip=True)
    turned = noise().transpose(PIL.Image.Transpose.ROTATE_270)
    assert decode(encoded(noise(), pnginfo=words), "x").tobytes() == turned.tobytes()


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        (0xED, b"Photoshop 3.0\0" + b"8BIM\x04\x04"),
        (0xE2, b"ICC_PROFILE\0\1\2ab"),
        (0xEE, b"Adobe"),
        (0xE0, b"JFIF\0"),
        (0xE2, b"MPF\0MM\0*\xff\xff"),
        (0xFE, b"a comment"),
    ],
)
def test_a_whole_jpeg_opens_whatever_stands_beside_its_pixels(kind: int, body: bytes) -> None:
    plain = PIL.Image.open(io.BytesIO(encoded(two_halves(), "JPEG", quality=95))).convert("RGB")
    assert decode(jpeg_with(b"", body, kind), "x").tobytes() == plain.tobytes()


@pytest.mark.parametrize(
    ("mode", "options"),
    [("RGB", {"keep_rgb": True}), ("RGB", {"progressive": True}), ("CMYK", {}), ("L", {}), ("RGB", {"comment": b"a"})],
)
def test_colours_of_a_jpeg_are_those_of_pillow(mode: str, options: dict[str, object]) -> None:
    data = encoded(noise().convert(mode), "JPEG", **options)
    assert decode(data, "x").tobytes() == PIL.Image.open(io.BytesIO(data)).convert("RGB").tobytes()


def test_of_a_phones_pair_the_first_picture_is_read() -> None:
    pair = encoded(two_halves(), "MPO", save_all=True, append_images=[noise()], quality=95)
    np.testing.assert_allclose(np.asarray(decode(pair, "x"))[4, [1, -2]], [BLUE, RED], atol=12)


# --- size


@pytest.mark.parametrize("size", [(8064, 6048), (6048, 8064), (40_000_001, 1), (20_000, 4_000), (3, 4)])
def test_reduction_is_the_smallest_power_of_two_that_is_enough(size: tuple[int, int]) -> None:
    factor = reduction(size)
    left = [-(-size[0] // each) * -(-size[1] // each) for each in (factor, max(1, factor // 2))]
    assert left[0] <= decoding.MAX_PIXELS
    assert factor == 1 or left[1] > decoding.MAX_PIXELS


def test_a_phones_48_megapixels_are_reduced_while_decoded() -> None:
    image = PIL.Image.new("L", (8064, 6048))
    image.paste(200, (4032, 0, 8064, 6048))
    picture = decode(encoded(image, "JPEG"), "phone.jpg")
    assert (picture.mode, picture.size) == ("RGB", (4032, 3024))
    assert picture.getpixel((1000, 1500)) == (0, 0, 0)
    assert picture.getpixel((3000, 1500)) == (200, 200, 200)


@pytest.mark.parametrize(
    ("mode", "form"), [("RGB", "PNG"), ("RGBA", "PNG"), ("P", "PNG"), ("1", "PNG"), ("RGB", "TIFF")]
)
def test_large_pictures_are_the_means_of_their_pixels(mode: str, form: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decoding, "MAX_PIXELS", 24 * 16 // 4)
    image = noise().convert(mode)
    picture = decode(encoded(image, form), "x")
    assert picture.size == (12, 8)
    values = np.asarray(image.convert("RGB"), np.float64).reshape(8, 2, 12, 2, 3)
    np.testing.assert_allclose(np.asarray(picture), values.mean((1, 3)), atol=0.51)


def test_a_large_turned_photo_is_reduced_and_turned(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decoding, "MAX_PIXELS", 2000)
    exif = PIL.Image.Exif()
    exif[0x0112] = 6
    for form in ("JPEG", "PNG", "TIFF"):
        picture = decode(encoded(two_halves(96, 64), form, exif=exif), "x")
        assert picture.size == (32, 48)
        np.testing.assert_allclose(np.asarray(picture)[[2, -3], 16], [BLUE, RED], atol=12)


@pytest.mark.parametrize(("side", "form"), [(20_000, "PNG"), (31_700, "PNG"), (65_000, "GIF"), (12_000, "TIFF")])
def test_a_bomb_is_refused_before_it_is_decoded(side: int, form: str) -> None:
    data = {"PNG": huge_png, "GIF": huge_gif, "TIFF": huge_tiff}[form](side)
    assert len(data) < 1000
    with pytest.raises(BadImage, match=rf"cat\.png: {side} x {side} pixels; at most [\d,]+ of a {form} are read"):
        decode(data, "cat.png")


def huge_png(side: int) -> bytes:
    """The head of a PNG of so many pixels a side."""
    header = b"IHDR" + struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    body = b"IDAT" + zlib.compress(b"")
    chunks = [struct.pack(">I", len(each) - 4) + each + struct.pack(">I", zlib.crc32(each)) for each in (header, body)]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def huge_gif(side: int) -> bytes:
    """A GIF of one pixel that says it has so many a side."""
    data = encoded(PIL.Image.new("P", (1, 1)), "GIF")
    return data[:6] + struct.pack("<HH", side, side) + data[10:]


def huge_tiff(side: int) -> bytes:
    """The head of a grey TIFF of so many pixels a side."""
    shorts = {256: side, 257: side, 258: 8, 259: 1, 262: 1, 273: 8, 277: 1, 278: side, 279: 8}
    return tiff([(tag, 3, 1, struct.pack("<HH", value, 0)) for tag, value in shorts.items()])


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the peak of a process is read from /proc")
@pytest.mark.parametrize("options", [{}, {"progressive": True}], ids=["baseline", "progressive"])
def test_200_megapixels_take_less_than_2_gigabytes(tmp_path: Path, options: dict[str, object]) -> None:
    path = tmp_path / "phone.jpg"
    PIL.Image.new("L", (16320, 12240), 90).save(path, "JPEG", **options)
    program = (
        "import sys; from pathlib import Path; from core.data.images.image_files import FileImage\n"
        "print(FileImage(Path(sys.argv[1])).open().size)\n"
        "print(*[line for line in open('/proc/self/status') if line.startswith('VmHWM')])"
    )
    done = subprocess.run([sys.executable, "-c", program, str(path)], capture_output=True, text=True, check=True)
    size, peak = done.stdout.strip().splitlines()
    assert size == "(4080, 3060)"
    assert int(peak.split()[1]) < 2_000_000


def test_a_forked_process_can_decode_large_pictures_whoever_holds_the_lock(monkeypatch: pytest.MonkeyPatch) -> None:
    with decoding.LARGE:
        read, write = os.pipe()
        child = os.fork()
        if child == 0:
            os.write(write, b"free" if decoding.LARGE.acquire(blocking=False) else b"held")
            os._exit(0)
        os.waitpid(child, 0)
        assert os.read(read, 4) == b"free"
        os.close(read)
        os.close(write)


# --- what is no picture


@pytest.mark.filterwarnings("ignore::UserWarning:PIL")
@pytest.mark.parametrize("form", READ_HERE)
def test_damage_is_a_bad_image_or_no_damage_at_all(form: str) -> None:
    exif = PIL.Image.Exif()
    exif[0x0112], exif[0x010F], exif[0x9204] = 3, "maker", 1.5
    options = {"exif": exif} if form in ("JPEG", "PNG", "WEBP", "TIFF", "AVIF") else {}
    whole, chance = encoded(noise(), form, **options), random.Random(form)
    for _ in range(300):
        damaged = bytearray(whole[: chance.randrange(len(whole))] if chance.random() < 0.3 else whole)
        reach = min(len(damaged), chance.choice([60, 300, len(whole)]))
        for _ in range(chance.randint(0, 6) if damaged else 0):
            damaged[chance.randrange(reach)] = chance.randrange(256)
        try:
            assert decode(bytes(damaged), "x").mode == "RGB"
        except BadImage as error:
            assert str(error).startswith("x: ")  # noqa: PT017 - either outcome is right


@pytest.mark.parametrize(
    "error", [IndexError("index"), MemoryError(), AttributeError("no tile"), RecursionError("deep")]
)
def test_whatever_a_decoder_raises_is_a_bad_image(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(stream: io.BytesIO) -> PIL.Image.Image:
        raise error

    monkeypatch.setattr(decoding, "PLUGINS", {"PNG": broken})
    cause = str(error) or "MemoryError"
    with pytest.raises(BadImage, match=rf"cat\.png: not a readable picture \(a damaged PNG: {cause}\)"):
        decode(encoded(noise()), "cat.png")


def test_heic_without_its_extra_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    data = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(100)
    with pytest.raises(BadImage, match=r"phone\.heic: .*needs pillow-heif: pip install .*\[heic\]"):
        decode(data, "phone.heic")


def test_heic_is_opened_by_pillow_heif(monkeypatch: pytest.MonkeyPatch) -> None:
    module = types.ModuleType("pillow_heif")
    module.HeifImageFile = lambda stream: noise()  # pyright: ignore[reportAttributeAccessIssue]
    monkeypatch.setitem(sys.modules, "pillow_heif", module)
    assert decode(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "x").tobytes() == noise().tobytes()


def test_a_real_heic_opens() -> None:
    heif = pytest.importorskip("pillow_heif", reason="the extra heic is not installed")
    heif.register_heif_opener()
    picture = decode(encoded(two_halves(64, 64), "HEIF", quality=-1), "x")
    np.testing.assert_allclose(np.asarray(picture)[32, [8, -8]], [BLUE, RED], atol=12)
