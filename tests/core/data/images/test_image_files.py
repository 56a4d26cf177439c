"""Pictures: formats, orientation, limits and damage."""

import pickle
from pathlib import Path

import numpy as np
import PIL.Image
import PIL.PngImagePlugin
import pytest
from encoded_pictures import encoded, noise

from core.data.images import image_files as images
from core.data.images.bad_image import BadImage
from core.data.images.decoding import decode
from core.data.images.file_kinds import FORMATS
from core.data.images.image_files import BytesImage, FileImage


@pytest.mark.parametrize("form", [form for form in FORMATS if form != "HEIF"])
def test_every_format_opens_as_rgb(form: str) -> None:
    picture = decode(encoded(noise(), form), "x")
    assert (picture.mode, picture.size) == ("RGB", (24, 16))


def test_png_is_read_without_loss() -> None:
    assert decode(encoded(noise()), "x").tobytes() == noise().tobytes()


@pytest.mark.parametrize(
    ("orientation", "turned"),
    [(3, PIL.Image.Transpose.ROTATE_180), (6, PIL.Image.Transpose.ROTATE_270), (8, PIL.Image.Transpose.ROTATE_90)],
)
def test_a_photo_is_turned_upright(orientation: int, turned: PIL.Image.Transpose) -> None:
    exif = PIL.Image.Exif()
    exif[0x0112] = orientation
    picture = decode(encoded(noise(), exif=exif), "x")
    assert picture.tobytes() == noise().transpose(turned).tobytes()


def test_sixteen_bit_grey_keeps_its_shades() -> None:
    ramp = np.linspace(0, 65535, 256, dtype=np.uint16).reshape(16, 16)
    picture = decode(encoded(PIL.Image.fromarray(ramp)), "x")
    np.testing.assert_array_equal(np.asarray(picture)[..., 0], np.arange(256).reshape(16, 16))


def test_of_an_animation_the_first_frame_is_read() -> None:
    frames = [PIL.Image.new("RGB", (8, 8), colour) for colour in ((255, 0, 0), (0, 0, 255))]
    opened = decode(encoded(frames[0], "GIF", save_all=True, append_images=frames[1:]), "x")
    assert opened.getpixel((0, 0)) == (255, 0, 0)


@pytest.mark.parametrize("form", ["PNG", "JPEG", "BMP"])
def test_half_a_file_is_refused(form: str) -> None:
    data = encoded(noise(200, 200), form)
    with pytest.raises(BadImage):
        decode(data[: len(data) // 2], "x")


def test_files_with_the_same_bytes_are_the_same_picture(tmp_path: Path) -> None:
    one, two, three = (tmp_path / name for name in ("one.png", "two.png", "three.png"))
    one.write_bytes(encoded(noise()))
    two.write_bytes(encoded(noise()))
    three.write_bytes(encoded(noise(25)))
    assert FileImage(one).content_id == FileImage(two).content_id == BytesImage(encoded(noise())).content_id
    assert FileImage(one).content_id != FileImage(three).content_id


def palette(colours: list[int], indices: np.ndarray) -> PIL.Image.Image:
    """A picture of palette indices."""
    picture = PIL.Image.fromarray(indices, "P")
    picture.putpalette(colours + [0] * (768 - len(colours)))
    return picture


def test_a_picture_is_one_however_it_is_stored(tmp_path: Path) -> None:
    """PNG and BMP, other metadata and compression, upright or to be turned, palette or RGB: the same pixels."""
    indices = np.random.default_rng(1).integers(0, 2, (20, 30), dtype=np.uint8)
    drawn = palette([255, 0, 0, 0, 128, 255], indices)
    rgb = drawn.convert("RGB")
    info = PIL.PngImagePlugin.PngInfo()
    info.add_text("Title", "another title")
    turned = rgb.transpose(PIL.Image.Transpose.ROTATE_90)
    exif = PIL.Image.Exif()
    exif[0x0112] = 6
    stored = [
        encoded(drawn),
        encoded(rgb),
        encoded(rgb, "BMP"),
        encoded(rgb, "WEBP", lossless=True),
        encoded(rgb, pnginfo=info, compress_level=0),
        encoded(turned, "PNG", exif=exif),
    ]
    path = tmp_path / "one.bmp"
    path.write_bytes(stored[2])
    assert len({BytesImage(each).content_id for each in stored}) == 1
    assert FileImage(path).content_id == BytesImage(stored[0]).content_id
    for source in (FileImage(path), BytesImage(stored[0])):
        source.open()
        assert source.content_id == BytesImage(stored[1]).content_id


def test_pictures_that_look_different_are_two() -> None:
    indices = np.random.default_rng(1).integers(0, 2, (20, 30), dtype=np.uint8)
    drawn = [palette(colours, indices) for colours in ([255, 0, 0, 0, 128, 255], [9, 9, 9, 200, 200, 0])]
    wide, high = (PIL.Image.new("RGB", size) for size in ((30, 20), (20, 30)))
    assert len({BytesImage(encoded(each)).content_id for each in (*drawn, wide, high)}) == 4


def test_a_source_is_decoded_once_for_its_id(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "one.png"
    path.write_bytes(encoded(noise()))
    sources = [FileImage(path), BytesImage(encoded(noise()))]
    first = [source.content_id for source in sources]
    monkeypatch.setattr(images, "pixels_id", lambda picture: pytest.fail("hashed again"))
    assert [source.content_id for source in sources] == first
    assert [source.content_id for source in pickle.loads(pickle.dumps(sources))] == first
    assert FileImage(path) == sources[0]


def test_a_file_that_was_opened_is_not_read_again_for_its_id(tmp_path: Path) -> None:
    path = tmp_path / "one.png"
    path.write_bytes(encoded(noise()))
    source, expected = FileImage(path), BytesImage(encoded(noise())).content_id
    source.open()
    path.unlink()
    assert source.content_id == expected


def test_a_missing_file_and_a_folder_are_bad_images_that_name_the_file(tmp_path: Path) -> None:
    for path, reason in ((tmp_path / "none.png", "No such file"), (tmp_path, "Is a directory")):
        with pytest.raises(BadImage, match=rf"{path}: cannot be read \({reason}"):
            FileImage(path).open()
