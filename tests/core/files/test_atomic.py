"""Files and folders appear whole or not at all, and leave nothing behind."""

import errno
import os

import pytest

from core.files.atomic import CannotWrite, remove_folder, remove_left_overs, whole_file, whole_folder, write_text


class Crash(RuntimeError):
    pass


def crash_after_writing(path) -> None:
    path.write_text("half")
    raise Crash


def names(folder) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_a_file_appears_only_once_it_is_complete(tmp_path):
    path = tmp_path / "below" / "numbers.txt"
    with whole_file(path) as partial:
        partial.write_text("half")
        assert not path.exists()
        assert partial.parent == path.parent  # else the last step would be a copy, not a rename
    assert path.read_text() == "half"
    assert names(path.parent) == {"numbers.txt"}
    assert path.stat().st_mode & 0o777 == 0o644


def test_a_crash_keeps_the_old_file(tmp_path):
    path = tmp_path / "numbers.txt"
    write_text(path, "old")
    with pytest.raises(Crash), whole_file(path) as partial:
        crash_after_writing(partial)
    assert path.read_text() == "old"
    assert names(tmp_path) == {"numbers.txt"}
    write_text(path, "new")
    assert path.read_text() == "new"


def test_a_crash_without_an_old_file_leaves_none(tmp_path):
    with pytest.raises(Crash), whole_file(tmp_path / "numbers.txt"):
        raise Crash
    assert names(tmp_path) == set()


def test_a_folder_appears_only_once_it_is_complete(tmp_path):
    path = tmp_path / "below" / "bundle"
    with whole_folder(path) as partial:
        (partial / "a").write_text("a")
        (partial / "deep").mkdir()
        (partial / "deep" / "b").write_text("b")
        assert not path.exists()
    assert names(path) == {"a", "deep"}
    assert names(path.parent) == {"bundle"}
    assert path.stat().st_mode & 0o777 == 0o755


def test_a_new_folder_replaces_the_old_one_wholly(tmp_path):
    path = tmp_path / "bundle"
    for name in ("old", "new"):
        with whole_folder(path) as partial:
            (partial / name).write_text(name)
            assert names(path) == {"old"} if name == "new" else not path.exists()
    assert names(path) == {"new"}
    assert names(tmp_path) == {"bundle"}


def test_a_crash_keeps_the_old_folder(tmp_path):
    path = tmp_path / "bundle"
    with whole_folder(path) as partial:
        (partial / "old").write_text("old")
    with pytest.raises(Crash), whole_folder(path) as partial:
        crash_after_writing(partial / "new")
    assert names(path) == {"old"}
    assert names(tmp_path) == {"bundle"}


def test_a_rename_that_fails_puts_the_old_folder_back(tmp_path, monkeypatch):
    path = tmp_path / "bundle"
    with whole_folder(path) as partial:
        (partial / "old").write_text("old")
    replace = os.replace

    def full_disk(source, target):
        if (source / "new").exists():
            raise OSError(28, "No space left on device")
        replace(source, target)

    monkeypatch.setattr(os, "replace", full_disk)
    with pytest.raises(OSError, match="No space"), whole_folder(path) as partial:
        (partial / "new").write_text("new")
    assert names(path) == {"old"}
    assert names(tmp_path) == {"bundle"}


def test_a_file_in_the_folders_place_is_kept_and_named(tmp_path):
    path = tmp_path / "notes.txt"
    path.write_text("mine")
    with pytest.raises(ValueError, match=r"notes\.txt is a file"), whole_folder(path):
        pytest.fail("nothing may be written")
    assert path.read_text() == "mine"
    assert names(tmp_path) == {"notes.txt"}


def test_what_dead_writers_left_is_removed_and_nothing_else(tmp_path):
    """The left-overs are those of real writers that never came to their end."""
    folder, file = whole_folder(tmp_path / "000003"), whole_file(tmp_path / "metrics.jsonl")
    (folder.__enter__() / "half").write_text("half")
    file.__enter__()
    for name in (".gitignore", "000001", ".lock"):
        (tmp_path / name).touch()
    assert len(names(tmp_path)) == 5
    assert len(remove_left_overs(tmp_path)) == 2
    assert names(tmp_path) == {".gitignore", "000001", ".lock"}
    assert remove_left_overs(tmp_path / "nowhere") == []


def test_a_folder_loses_its_name_before_its_files(tmp_path, monkeypatch):
    path = tmp_path / "000003"
    path.mkdir()
    (path / "weights").touch()
    monkeypatch.setattr("shutil.rmtree", lambda *_: (_ for _ in ()).throw(Crash))
    with pytest.raises(Crash):
        remove_folder(path)
    assert not path.exists()
    monkeypatch.undo()
    assert len(remove_left_overs(tmp_path)) == 1
    assert names(tmp_path) == set()


def test_a_failure_says_what_could_not_be_written_and_what_to_do(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(CannotWrite, match=r"file/run/config\.yaml: cannot be written \(Not a directory\). Name a"):
        write_text(tmp_path / "file" / "run" / "config.yaml", "")
    full = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    message = r"run: cannot be written \(No space left on device\). .* --resume"
    with pytest.raises(ValueError, match=message), whole_folder(tmp_path / "run"):
        raise full
    assert names(tmp_path) == {"file"}
