"""Pictures that tables name: found in folders and archives in either Unicode form."""

import io
import unicodedata
import zipfile
from pathlib import Path

import PIL.Image
import pytest

from core.data.checks.problems import BadRow
from core.data.images.image_folders import open_image_folder

NAME = "na\u00efve/caf\u00e9.png"
MAC = unicodedata.normalize("NFD", NAME)


def picture(colour: str) -> bytes:
    """A picture of one colour."""
    stream = io.BytesIO()
    PIL.Image.new("RGB", (4, 4), colour).save(stream, "PNG")
    return stream.getvalue()


def pack(path: Path, **members: bytes) -> None:
    """An archive."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w") as packed:
        for name, data in members.items():
            packed.writestr(name, data)


def colour_of(root: Path, name: str) -> object:
    """The colour of a picture that a table names."""
    return open_image_folder(root).find(name, "table row 1").open().getpixel((0, 0))


@pytest.mark.parametrize("name", [f"images/mine/{NAME}", f"mine/{NAME}", NAME])
def test_a_name_is_found_in_an_archive_that_a_mac_packed(tmp_path: Path, name: str) -> None:
    pack(tmp_path / "images_zip" / "mine.zip", **{MAC: picture("red"), "other.png": picture("blue")})
    assert colour_of(tmp_path, name) == (255, 0, 0)


def test_a_name_is_found_whose_archive_does_not_say_that_it_is_utf_8(tmp_path: Path) -> None:
    """The Finder writes names so: Python's zipfile reads them as letters of old PCs."""
    stored = MAC.encode()
    plain = "x" * len(stored)
    path = tmp_path / "mine.zip"
    pack(path, **{plain: picture("red")})
    path.write_bytes(path.read_bytes().replace(plain.encode(), stored))
    assert colour_of(tmp_path, NAME) == (255, 0, 0)


def test_the_very_name_counts_first_in_whatever_archive(tmp_path: Path) -> None:
    pack(tmp_path / "a.zip", **{MAC: picture("red")})
    pack(tmp_path / "b.zip", **{NAME: picture("blue")})
    assert colour_of(tmp_path, NAME) == (0, 0, 255)
    assert colour_of(tmp_path, MAC) == (255, 0, 0)


def test_several_other_forms_in_an_archive_are_told(tmp_path: Path) -> None:
    name = "a\u0301\u00e9.png"
    forms = [unicodedata.normalize(form, name) for form in ("NFC", "NFD")]
    pack(tmp_path / "a.zip", **dict.fromkeys(forms, picture("red")))
    with pytest.raises(BadRow, match=r"table row 1: the picture .*a\.zip holds 2 names that look like it.*Rename one"):
        colour_of(tmp_path, name)


def test_a_missing_name_is_told_with_folder_and_archive(tmp_path: Path) -> None:
    pack(tmp_path / "a.zip", **{"other.png": picture("red")})
    with pytest.raises(BadRow, match=r"is neither in .* nor in .*a\.zip"):
        colour_of(tmp_path, NAME)
