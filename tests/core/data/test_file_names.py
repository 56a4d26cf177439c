"""Names of files: kept inside their folder, and found in either Unicode form."""

import unicodedata
from pathlib import Path

import pytest

from core.data.checks.problems import BadRow
from core.data.file_names import TwoForms, by_form, in_any_form, inside, same_name

CAFE, UMLAUT = "caf\u00e9.png", "\u00dcbung/\u00e4.png"
NEITHER = "a\u0301\u00e9.png"
"""Half in one form, half in the other."""


def nfd(name: str) -> str:
    """As a Mac writes it."""
    return unicodedata.normalize("NFD", name)


@pytest.mark.parametrize("name", [CAFE, UMLAUT])
def test_a_name_is_found_in_the_other_form(tmp_path: Path, name: str) -> None:
    for asked, there in ((name, nfd(name)), (nfd(name), name)):
        root = tmp_path / ("mac" if there == nfd(name) else "linux")
        path = root / there
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("x")
        assert inside(root, asked, "table row 1").read_text() == "x"
        assert inside(root, there, "table row 1") == path


def test_the_very_name_counts_first(tmp_path: Path) -> None:
    (tmp_path / CAFE).write_text("nfc")
    (tmp_path / nfd(CAFE)).write_text("nfd")
    assert inside(tmp_path, CAFE, "").read_text() == "nfc"
    assert inside(tmp_path, nfd(CAFE), "").read_text() == "nfd"


def test_several_other_forms_are_told(tmp_path: Path) -> None:
    for form in ("NFC", "NFD"):
        (tmp_path / unicodedata.normalize(form, NEITHER)).touch()
    with pytest.raises(
        BadRow, match=r"table row 1: the picture's path .* holds 2 names that look like it .*Rename one"
    ):
        inside(tmp_path, NEITHER, "table row 1")
    with pytest.raises(TwoForms):
        same_name(NEITHER, by_form([unicodedata.normalize(form, NEITHER) for form in ("NFC", "NFD")]), "an archive")


def test_a_missing_name_stays_as_it_is_written(tmp_path: Path) -> None:
    assert in_any_form(tmp_path, CAFE) == tmp_path / CAFE
    assert in_any_form(tmp_path, "no/such.png") == tmp_path / "no/such.png"
    assert same_name(CAFE, by_form(["cafe.png", "other"]), "") is None


@pytest.mark.parametrize("name", ["/etc/x", "../x", "a/../../x", "a\\b", "C:x"])
def test_names_that_are_not_relative_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(BadRow, match=r"table row 3: the picture's path .* is not a plain relative path"):
        inside(tmp_path, name, "table row 3")


@pytest.mark.parametrize("name", ["a\0b.png", "\ud83d.png"])
def test_what_is_no_name_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(BadRow, match=r"table row 3: the picture's path .* is no name of a file"):
        inside(tmp_path, name, "table row 3")


def test_a_link_out_of_the_folder_is_named_with_what_to_do(tmp_path: Path) -> None:
    disk, root = tmp_path / "disk", tmp_path / "set"
    disk.mkdir()
    root.mkdir()
    (disk / "0.png").touch()
    (root / "images").symlink_to(disk)
    (root / "own.png").symlink_to(root / "real.png")
    with pytest.raises(BadRow) as caught:
        inside(root, "images/0.png", "metadata.jsonl row 1")
    message = str(caught.value)
    assert f"leads out of {root}: {root / 'images'} is a symbolic link to {disk}" in message
    assert "not followed; put the files themselves there" in message
    assert inside(root, "own.png", "") == root / "own.png"


def test_a_folder_that_is_a_link_itself_holds_its_files(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "a.png").touch()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    assert inside(tmp_path / "link", "a.png", "").is_file()
