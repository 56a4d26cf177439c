"""Pictures in ZIP archives: the same as unpacked, read by any process, and damage told by name."""

import io
import multiprocessing
import struct
import zipfile
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import PIL.Image
import pytest

from core.data.images import zip_archives as zip_images
from core.data.images.image_files import BadImage, BytesImage
from core.data.images.zip_archives import ZipImage, open_archive
from core.data.records import ImageSource


def encoded(number: int) -> bytes:
    """A small picture of noise, which packing cannot make smaller."""
    pixels = np.random.default_rng(number).integers(0, 256, (16, 16, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    PIL.Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def pack(path: Path, count: int = 3, method: int = zipfile.ZIP_DEFLATED) -> Path:
    """An archive of pictures <k>.png, and a folder entry."""
    with zipfile.ZipFile(path, "w", method) as archive:
        archive.mkdir("deep")
        for number in range(count):
            archive.writestr(f"deep/{number}.png", encoded(number))
    return path


def zip_members(path: Path) -> dict[str, ZipImage]:
    """Every picture of an archive by its name."""
    archive = open_archive(path)
    assert archive.find("no such name") is None
    return {name: image for name in archive.entries if (image := archive.find(name))}


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_members_are_the_pictures_that_were_packed(tmp_path: Path, method: int) -> None:
    members = zip_members(pack(tmp_path / "a.zip", method=method))
    assert list(members) == ["deep/0.png", "deep/1.png", "deep/2.png"]
    for number, (name, image) in enumerate(members.items()):
        assert isinstance(image, ImageSource)
        plain = BytesImage(encoded(number))
        assert image.content_id == plain.content_id
        assert image.open().tobytes() == plain.open().tobytes()
        assert image.name == f"{tmp_path / 'a.zip'}:{name}"


def test_a_prefix_before_the_archive_and_long_names_do_not_matter(tmp_path: Path) -> None:
    path = pack(tmp_path / "a.zip")
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(zipfile.ZipInfo("long/" * 40 + "x.png"), encoded(9))
    path.write_bytes(b"some other bytes" + path.read_bytes())
    members = zip_members(path)
    assert members["long/" * 40 + "x.png"].content_id == BytesImage(encoded(9)).content_id
    assert members["deep/2.png"].content_id == BytesImage(encoded(2)).content_id


def test_the_pixels_are_hashed_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    image = zip_members(pack(tmp_path / "a.zip"))["deep/0.png"]
    first = image.content_id
    monkeypatch.setattr(ZipImage, "read", lambda self: pytest.fail("read again"))
    assert image.content_id == first


def content(image: ZipImage) -> str:
    """The content id, in another process or thread."""
    return replace(image).content_id


@pytest.mark.parametrize("start", ["fork", "spawn"])
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_many_processes_and_threads_read_one_archive(tmp_path: Path, start: str) -> None:
    images = list(zip_members(pack(tmp_path / "a.zip", 40)).values())
    expected = [BytesImage(encoded(number)).content_id for number in range(40)]
    with ThreadPoolExecutor(8) as threads:
        assert list(threads.map(content, images)) == expected
    with ProcessPoolExecutor(2, multiprocessing.get_context(start)) as processes:
        assert list(processes.map(content, images)) == expected


def test_names_that_climb_are_no_pictures(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        for name in ("../out.png", "in/../../out.png", "/etc/out.png", "in.png"):
            archive.writestr(zipfile.ZipInfo(name), b"x")
    assert list(zip_members(tmp_path / "a.zip")) == ["in.png"]


def test_other_files_and_half_an_archive_are_refused(tmp_path: Path) -> None:
    whole = pack(tmp_path / "a.zip").read_bytes()
    for name, data in (("text.zip", b"no archive"), ("half.zip", whole[: len(whole) // 2]), ("empty.zip", b"")):
        (tmp_path / name).write_bytes(data)
        with pytest.raises(ValueError, match=rf"{name}: not a readable ZIP archive .*Download it again"):
            zip_members(tmp_path / name)
    with pytest.raises(ValueError, match=r"none\.zip: not a readable ZIP archive"):
        zip_members(tmp_path / "none.zip")


def test_other_methods_and_encryption_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"'deep/0\.png' is encrypted or packed by an unknown method"):
        zip_members(pack(tmp_path / "a.zip", method=zipfile.ZIP_LZMA))
    data = bytearray(pack(tmp_path / "b.zip").read_bytes())
    entry = data.index(b"PK\x01\x02", data.index(b"PK\x01\x02") + 1)
    struct.pack_into("<H", data, entry + 8, 1)
    (tmp_path / "b.zip").write_bytes(data)
    with pytest.raises(ValueError, match=r"'deep/0\.png' is encrypted"):
        zip_members(tmp_path / "b.zip")


def test_damage_after_the_directory_was_read_names_archive_and_member(tmp_path: Path) -> None:
    path = pack(tmp_path / "a.zip")
    image = zip_members(path)["deep/1.png"]
    whole = path.read_bytes()
    flipped = bytearray(whole)
    flipped[image.offset + 200] ^= 0xFF
    moved = b"x" + whole
    for data, reason in (
        (bytes(flipped), "the archive is damaged there"),
        (moved, "no entry begins where"),
        (whole[: image.offset + 100], "the archive is damaged there"),
        (b"", "the archive is damaged there"),
    ):
        path.write_bytes(data)
        with pytest.raises(BadImage, match=rf"{path}:deep/1\.png: .*{reason}"):
            image.open()
    path.unlink()
    with pytest.raises(BadImage, match=rf"{path}:deep/1\.png: cannot be read \(No such file"):
        image.open()


def test_a_bomb_is_refused_by_its_size_and_never_unpacked_beyond_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("bomb.png", bytes(5_000_000))
    image = zip_members(tmp_path / "a.zip")["bomb.png"]
    with pytest.raises(BadImage, match="wrong check sum"):
        replace(image, size=1000).open()
    monkeypatch.setattr(zip_images, "MAX_BYTES", 1_000_000)
    with pytest.raises(BadImage, match=r"bomb\.png: 5,000,000 bytes; at most 1,000,000 are read"):
        image.open()
