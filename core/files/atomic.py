"""Write files and folders atomically: a reader never sees half of one, whenever the writer is killed."""

import errno
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

LEFT_OVER = re.compile(r"\..+\.[a-z0-9_]{8}")
"""Names of temporary files and folders: that of the whole one between a dot and eight random characters."""

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class CannotWrite(OSError, ValueError):
    """A file or folder could not be written; the message says which, why, and what to do."""

    def __init__(self, path: Path, error: OSError) -> None:
        reason = error.strerror or str(error)
        if error.errno in FULL or "os error 28" in reason or "os error 27" in reason:
            advice = "There is no space left for it; free some and go on with --resume."
        else:
            advice = "Name a folder that can be written to."
        super().__init__(f"{path}: cannot be written ({reason}). {advice}")


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Let a failure to write say what was to be written.

    Raises:
        CannotWrite: the system refused, for example because the disk is full.
    """
    try:
        yield
    except CannotWrite:
        raise
    except OSError as error:
        raise CannotWrite(path, error) from error


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Write a temporary file beside `path` that takes its name only once it is complete and on the disk.

    Raises:
        CannotWrite: the system refused; an old file is left as it is.
    """
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        os.close(handle)
        partial = Path(name)
        try:
            yield partial
            partial.chmod(0o644)
            to_disk(partial)
            os.replace(partial, path)
            to_disk(path.parent)
        finally:
            partial.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write a file in one piece: a reader sees the old content or the new.

    Raises:
        CannotWrite: the system refused.
    """
    with whole_file(path) as partial:
        partial.write_text(text)


@contextmanager
def whole_folder(path: Path) -> Iterator[Path]:
    """Fill a temporary folder beside `path` that takes its name (and place) only once it is complete and on the disk.

    Raises:
        ValueError: `path` is a file.
        CannotWrite: the system refused; an old folder is left as it is.
    """
    if path.exists() and not path.is_dir():
        raise ValueError(f"{path} is a file, but a folder is to be written there; name another one.")
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}."))
        try:
            yield partial
            partial.chmod(0o755)
            for inner in (*partial.rglob("*"), partial):
                to_disk(inner)
            swap(partial, path)
            to_disk(path.parent)
        finally:
            shutil.rmtree(partial, ignore_errors=True)


def swap(new: Path, path: Path) -> None:
    """Give a folder the place of another, which is kept until the new one has it."""
    if not path.exists():
        os.replace(new, path)
        return
    old = set_aside(path)
    try:
        os.replace(new, path)
    except OSError:
        os.replace(old, path)
        raise
    shutil.rmtree(old)


def set_aside(path: Path) -> Path:
    """Give a folder a temporary name, at once."""
    aside = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}."))
    os.replace(path, aside)
    return aside


def remove_folder(path: Path) -> None:
    """Delete a folder such that nobody sees half of it: it loses its name first.

    Raises:
        CannotWrite: the system refused.
    """
    with writing(path):
        shutil.rmtree(set_aside(path))


def remove_left_overs(folder: Path) -> list[Path]:
    """Delete the temporary files and folders directly in a folder that writers left when they were killed."""
    found = [path for path in folder.glob(".*") if LEFT_OVER.fullmatch(path.name)]
    with writing(folder):
        for path in found:
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink()
    return found


def to_disk(path: Path) -> None:
    """Wait until a file's content, or a folder's list of names, is on the disk and outlives a loss of power."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
