"""Every file below a folder is a picture, left out with a reason, or counted by a rule."""

import os
import sys
from pathlib import Path

import PIL.Image
import pytest

from core.data.images.folder_listing import HIDDEN, Listing, list_folder, told


def save(path: Path, form: str | None = None) -> None:
    """A picture."""
    path.parent.mkdir(parents=True, exist_ok=True)
    PIL.Image.new("RGB", (8, 6), (1, 2, 3)).save(path, form)


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """A folder with one of everything."""
    folder = tmp_path / "pics"
    for name in ("ok.jpg", "photo.JPG", "scan.tif", "new.avif", "sub/below.png"):
        save(folder / name)
    save(folder / "photo.jfif", "JPEG")
    save(folder / "photo.jpe", "JPEG")
    save(folder / "no_suffix", "JPEG")
    save(folder / ".thumbs/a.png")
    save(folder / "__MACOSX/b.png")
    (folder / ".DS_Store").touch()
    (folder / "icon.svg").write_text("<svg/>")
    (folder / "drawing.txt").write_text("<svg/>")
    (folder / "notes.txt").write_text("no picture")
    (folder / "more.TXT").write_text("no picture")
    (folder / "phone.heic").write_bytes(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic")
    (folder / "clip.mp4").touch()
    other = tmp_path / "elsewhere"
    save(other / "linked.png")
    (folder / "album").symlink_to(other)
    (folder / "single.png").symlink_to(other / "linked.png")
    (folder / "again.png").symlink_to(folder / "ok.jpg")
    (folder / "gone.png").symlink_to(folder / "nothing.png")
    return folder


def names(folder: Path, listing: Listing) -> list[str]:
    """The pictures, relative to the folder."""
    return [str(path.relative_to(folder)) for path in listing.pictures]


def test_every_file_is_accounted_for(pictures: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.data.images.folder_listing.find_spec", lambda name: None)
    listing = list_folder(pictures)
    expected = ["again.png", "new.avif", "ok.jpg", "photo.JPG", "photo.jfif", "photo.jpe", "scan.tif", "sub/below.png"]
    assert names(pictures, listing) == expected
    reasons = {Path(each.where).name: each.reason for each in listing.left_out}
    assert {name: reason.split(" ")[:4] for name, reason in reasons.items()} == {
        "album": ["a", "link", "to", "the"],
        "clip.mp4": ["a", "video,", "no", "picture."],
        "drawing.txt": ["an", "SVG", "drawing;", "convert"],
        "gone.png": ["a", "symbolic", "link", "to"],
        "icon.svg": ["an", "SVG", "drawing,", "which"],
        "no_suffix": ["a", "JPEG", "picture", "by"],
        "phone.heic": ["a", "HEIC", "or", "HEIF"],
        "single.png": ["a", "symbolic", "link", "out"],
    }
    assert listing.ignored == {HIDDEN: 3, "no picture (.txt)": 2}
    assert told(listing.ignored) == f"3 {HIDDEN}, 2 no picture (.txt)"
    below = sum(len(files) for _, _, files in os.walk(pictures)) + 1  # the linked folder
    assert below == len(listing.pictures) + len(listing.left_out) + sum(listing.ignored.values())


def test_heic_is_a_picture_where_its_extra_is_installed(pictures: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.data.images.folder_listing.find_spec", lambda name: object())
    assert "phone.heic" in names(pictures, list_folder(pictures))


def test_files_that_are_accounted_for_are_not_listed(pictures: Path) -> None:
    listing = list_folder(pictures, {str(pictures.resolve() / "notes.txt"), str(pictures.resolve() / "ok.jpg")})
    assert listing.ignored["no picture (.txt)"] == 1
    assert not {"ok.jpg", "again.png"} & set(names(pictures, listing))


@pytest.mark.skipif(sys.platform == "darwin", reason="file names are Unicode there")
def test_a_name_that_is_no_text_is_left_out(tmp_path: Path) -> None:
    save(tmp_path / os.fsdecode(b"a\xff.png"))
    (problem,) = list_folder(tmp_path).left_out
    assert (problem.where, problem.reason) == (f"{tmp_path}/a\\xff.png", "its name is no UTF-8; rename it.")
