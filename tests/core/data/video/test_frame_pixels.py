"""Frames as a player shows them: turned by the display matrix, what is transparent on white."""

import itertools
import random
import struct
from pathlib import Path

import av
import numpy as np
import PIL.Image
import pytest
from video_files import write_video

from core.data.records import Video
from core.data.video import video_files
from core.data.video.frame_pixels import shown
from core.data.video.video_files import BadVideo, decoded, read_clip

QUARTERS = np.array([[20, 90], [160, 230]])
ONE = 0x10000
EIGHT = [
    *((a, 0, 0, d) for a, d in itertools.product((ONE, -ONE), repeat=2)),
    *((0, b, c, 0) for b, c in itertools.product((ONE, -ONE), repeat=2)),
]


def write_pixels(path: Path, array: np.ndarray, frames: int = 4, codec: str = "mpeg4", form: str = "yuv420p") -> Path:
    """A video of one picture."""
    layers = "rgba" if array.shape[-1] == 4 else "rgb24"
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=10)
        stream.height, stream.width = array.shape[:2]
        stream.pix_fmt = form
        for _ in range(frames):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(array), format=layers)))
        container.mux(stream.encode())
    return path


def turned_by(path: Path, matrix: tuple[int, int, int, int]) -> Path:
    """Write a display matrix into an MP4's track header."""
    data = bytearray(path.read_bytes())
    place = data.find(b"tkhd") + 4 + 4 + 20 + 8 + 8
    a, b, c, d = matrix
    assert struct.unpack_from(">i", data, place)[0] == ONE
    struct.pack_into(">9i", data, place, a, b, 0, c, d, 0, 0, 0, 0x40000000)
    path.write_bytes(data)
    return path


def quarters(picture: PIL.Image.Image) -> np.ndarray:
    """The greys of the four quarters."""
    array = np.asarray(picture.convert("L"), np.float64)
    height, width = array.shape
    return array.reshape(2, height // 2, 2, width // 2).mean((1, 3))


@pytest.mark.parametrize("matrix", EIGHT)
def test_a_clip_is_shown_as_its_matrix_says(tmp_path: Path, matrix: tuple[int, int, int, int]) -> None:
    still = np.kron(QUARTERS, np.ones((24, 32)))[..., None].repeat(3, -1).astype(np.uint8)
    path = turned_by(write_pixels(tmp_path / "phone.mp4", still), matrix)
    expected = np.zeros((2, 2))
    a, b, c, d = (np.sign(each) for each in matrix)
    for y, x in itertools.product((-1, 1), repeat=2):  # quarters by the signs of their centre's coordinates
        expected[(b * x + d * y + 1) // 2, (a * x + c * y + 1) // 2] = QUARTERS[(y + 1) // 2, (x + 1) // 2]
    for picture in (frame.open() for frame in read_clip(path, 2).frames):
        assert picture.size == ((64, 48) if b == 0 else (48, 64))
        np.testing.assert_allclose(quarters(picture), expected, atol=6)


def test_a_phones_portrait_clip_equals_the_upright_one(tmp_path: Path) -> None:
    upright = np.zeros((96, 64, 3), np.uint8)
    upright[:48], upright[48:] = (220, 30, 30), (30, 30, 220)
    plain = write_pixels(tmp_path / "upright.mp4", upright)
    phone = turned_by(write_pixels(tmp_path / "phone.mp4", np.rot90(upright)), (0, ONE, -ONE, 0))
    one, two = (np.asarray(read_clip(path, 1).frames[0].open(), np.float64) for path in (plain, phone))
    assert one.shape == two.shape == (96, 64, 3)
    assert np.abs(one - two).mean() < 4


def test_a_turned_clip_is_turned_where_the_decoder_jumps_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = turned_by(write_video(tmp_path / "a.mp4", [50] * 40, "libx264", gop=10), (0, ONE, -ONE, 0))
    monkeypatch.setattr(video_files, "SEEK_GAP", 3)
    assert {frame.open().size for frame in read_clip(path, 4).frames} == {(48, 64)}


def test_angles_between_go_to_the_nearest(tmp_path: Path) -> None:
    array = np.arange(4).reshape(2, 2, 1)
    np.testing.assert_array_equal(shown(array, (ONE, 9000, -9000, ONE)), array)
    np.testing.assert_array_equal(shown(array, (9000, ONE, -ONE, 9000)), np.rot90(array, -1))


@pytest.mark.parametrize(("name", "codec", "form"), [("a.mov", "qtrle", "argb"), ("a.mkv", "ffv1", "bgra")])
def test_what_is_transparent_in_a_clip_lies_on_white(tmp_path: Path, name: str, codec: str, form: str) -> None:
    array = np.zeros((48, 64, 4), np.uint8)
    array[:, :32] = (200, 0, 0, 255)
    picture = read_clip(write_pixels(tmp_path / name, array, codec=codec, form=form), 1).frames[0].open()
    assert picture.getpixel((5, 20)) == (200, 0, 0)
    assert picture.getpixel((50, 20)) == (255, 255, 255)


def test_a_transparent_animation_lies_on_white(tmp_path: Path) -> None:
    frames = [PIL.Image.new("RGBA", (32, 32)) for _ in range(2)]
    for place, frame in enumerate(frames):
        frame.paste((0, 0, 200, 255), (16 * place, 0, 16 * place + 16, 32))
    frames[0].save(tmp_path / "a.gif", save_all=True, append_images=frames[1:], disposal=2)
    first, second = (frame.open() for frame in read_clip(tmp_path / "a.gif", 2).frames)
    assert [first.getpixel((x, 9)) for x in (4, 24)] == [(0, 0, 200), (255, 255, 255)]
    assert [second.getpixel((x, 9)) for x in (4, 24)] == [(255, 255, 255), (0, 0, 200)]


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "the file is empty"),
        (b"<html>429 too many requests</html>", "an HTML page"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "a git-LFS pointer"),
        (b"\x89PNG\r\n\x1a\n" + bytes(50), "a PNG picture"),
        (b"\0\0\0\x18ftypisom\0\0\0\0isomavc1", "."),
    ],
)
def test_what_pretends_to_be_a_clip_is_named(tmp_path: Path, data: bytes, words: str) -> None:
    (tmp_path / "a.mp4").write_bytes(data)
    with pytest.raises(BadVideo, match=rf"a\.mp4: .*{words}"):
        read_clip(tmp_path / "a.mp4", 4)


@pytest.mark.parametrize(
    "error", [IndexError("index"), UnicodeDecodeError("utf-8", b"\xff", 0, 1, "start"), MemoryError()]
)
def test_whatever_a_decoder_raises_is_a_bad_video(
    tmp_path: Path, error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_video(tmp_path / "a.mp4", [50])

    def broken(*arguments: object) -> None:
        raise error

    monkeypatch.setattr(video_files, "video_stream", broken)
    with pytest.raises(BadVideo, match=rf"{path}: not a readable video \(damaged: {type(error).__name__}"):
        read_clip(path, 1)


def opened(clip: Video) -> None:
    """Open every frame."""
    for frame in clip.frames:
        assert frame.open().mode == "RGB"


@pytest.mark.parametrize(
    ("name", "codec"),
    [("a.mp4", "mpeg4"), ("a.mp4", "libx264"), ("a.mkv", "libx264"), ("a.webm", "libvpx"), ("a.avi", "mpeg4")],
)
def test_damage_is_a_bad_video_or_no_damage_at_all(tmp_path: Path, name: str, codec: str) -> None:
    path = write_video(tmp_path / name, [10, 90, 170], codec, size=(32, 32))
    whole, chance = path.read_bytes(), random.Random(name + codec)
    outcomes = set()
    for _ in range(60):
        damaged = bytearray(whole[: chance.randrange(len(whole))] if chance.random() < 0.3 else whole)
        for _ in range(chance.randint(1, 8) if damaged else 0):
            damaged[chance.randrange(len(damaged))] = chance.randrange(256)
        path.write_bytes(damaged)
        decoded.cache_clear()
        try:
            opened(read_clip(path, 3))
            outcomes.add("read")
        except BadVideo as error:
            assert str(error).startswith(f"{path}: ")  # noqa: PT017 - either outcome is right
            outcomes.add("told")
    assert outcomes == {"read", "told"}
