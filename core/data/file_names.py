"""Paths that tables name: kept inside their folder, and found whatever Unicode form either side wrote.

A name such as "cafe" with an accent has two forms: one letter (NFC, as Windows and Linux write it) or a letter and its
accent (NFD, as Macs pack it). They look the same and are different names to a file system.
"""

import os
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path, PurePosixPath, PureWindowsPath

from core.data.checks.problems import BadRow, Problem


class TwoForms(ValueError):
    """A name of which only several other forms are there; the message says which folder or archive."""


def inside(root: Path, relative: str, where: str) -> Path:
    """Return the path of a file that a table names, kept inside the folder it belongs to.

    A file of that very name counts first, then the one whose name differs only in its Unicode form.

    Raises:
        BadRow: the name is absolute, climbs with "..", leads out of the folder by a symbolic link, or is there in
            several other Unicode forms.
    """
    name = PurePosixPath(relative)
    if name.is_absolute() or PureWindowsPath(relative).drive or ".." in name.parts or "\\" in relative:
        reason = f'is not a plain relative path with "/"; write it relative to {root}.'
    elif "\0" in relative or not encodable(relative):
        reason = "is no name of a file."
    else:
        try:
            path = in_any_form(root, relative)
        except TwoForms as error:
            raise BadRow(Problem(where, f"the picture's path {relative!r}: {error}")) from error
        if Path(os.path.realpath(path)).is_relative_to(os.path.realpath(root)):
            return path
        reason = leads_out(root, path)
    raise BadRow(Problem(where, f"the picture's path {relative!r} {reason}"))


def encodable(name: str) -> bool:
    """Tell whether a name can be one on this system: halves of characters cannot."""
    try:
        os.fsencode(name)
    except UnicodeEncodeError:
        return False
    return True


def encodable_text(name: str) -> str:
    """Return a name as it can be written; bytes of it that are no UTF-8 are shown as such."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")


def leads_out(root: Path, path: Path) -> str:
    """Say which symbolic link leads a path out of its folder, and what to do."""
    steps = [path, *path.parents][::-1]
    link = next((step for step in steps if step.is_relative_to(root) and step != root and step.is_symlink()), path)
    return (
        f"leads out of {root}: {link} is a symbolic link to {os.path.realpath(link)}. Links out of the folder are not "
        "followed; put the files themselves there (copied, or as hard links: cp -rl), or name a folder that holds both "
        "the table and the files."
    )


def in_any_form(root: Path, relative: str) -> Path:
    """Return a path below a folder as it is there: of this very name, or of another Unicode form, or missing.

    Raises:
        TwoForms: it is there in several other forms.
    """
    path = root / relative
    if relative.isascii() or os.path.lexists(path):
        return path
    path = root
    for part in PurePosixPath(relative).parts:
        step = path / part
        if not part.isascii() and not os.path.lexists(step) and path.is_dir():
            step = path / (same_name(part, by_form(os.listdir(path)), str(path)) or part)
        path = step
    return path


def by_form(names: Iterable[str]) -> Mapping[str, Sequence[str]]:
    """Return names that are not plain ASCII by what they are in NFC."""
    found: defaultdict[str, list[str]] = defaultdict(list)
    for name in names:
        if not name.isascii():
            found[unicodedata.normalize("NFC", name)].append(name)
    return found


def same_name(name: str, names: Mapping[str, Sequence[str]], place: str) -> str | None:
    """Return the one name that differs from a missing one only in its Unicode form, or None. See `by_form`.

    Raises:
        TwoForms: there are several.
    """
    found = names.get(unicodedata.normalize("NFC", name), ())
    if len(found) > 1:
        listed = ", ".join(ascii(each) for each in sorted(found))
        raise TwoForms(
            f"{place} holds {len(found)} names that look like it in other Unicode forms ({listed}), and none in "
            f"its own ({name!a}). Rename one."
        )
    return found[0] if found else None
