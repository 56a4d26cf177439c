"""List what lies below a folder: pictures, what is left out with its reason, and what is passed over by a rule.

Every file is one of the three. Nothing is opened but the first bytes of files whose names say nothing.
"""

import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Set
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from core.data.checks.problems import Problem
from core.data.file_names import encodable_text
from core.data.images.decoding import HEIF_EXTRA
from core.data.images.file_kinds import CLIP, CONVERT, HEIF_SUFFIXES, PICTURE_SUFFIXES, format_of, what_it_is

UNREAD: Mapping[str, str] = {
    **dict.fromkeys((".svg", ".svgz"), f"an SVG drawing, which is not read; {CONVERT}"),
    **dict.fromkeys(
        (".jp2", ".j2k", ".jxl", ".psd", ".xcf", ".ico", ".icns", ".ppm", ".pgm", ".pbm", ".pnm", ".tga", ".qoi"),
        f"a picture in a format that is not read; {CONVERT}",
    ),
    **dict.fromkeys(
        (".dng", ".cr2", ".cr3", ".nef", ".arw", ".orf", ".rw2", ".raf"), f"a camera's raw picture; {CONVERT}"
    ),
    **dict.fromkeys((".mp4", ".mov", ".m4v", ".avi", ".webm", ".mkv", ".mpg", ".mpeg", ".wmv", ".3gp"), CLIP),
}
"""Why files of these names are left out, though they show something."""
SYSTEM = ("__MACOSX", "Thumbs.db", "desktop.ini")
HIDDEN = "hidden, or an operating system's own"
HEAD = 64


@dataclass(frozen=True)
class Listing:
    """What lies below a folder. ignored: how many files each rule passes over."""

    pictures: tuple[Path, ...]
    left_out: tuple[Problem, ...]
    ignored: Mapping[str, int]


def list_folder(folder: Path, named: Set[str] = frozenset()) -> Listing:
    """List every file below a folder, in order of names; links to files are followed where they stay in the folder.

    Args:
        folder: the folder.
        named: real paths of files that something else accounts for.

    Raises:
        ValueError: the folder, or one below it, cannot be read.
    """
    pictures: list[Path] = []
    left_out: list[Problem] = []
    ignored: Counter[str] = Counter()
    root = os.path.realpath(folder)
    for path, is_folder in walk(folder):
        if named and os.path.realpath(path) in named:
            continue
        hidden = any(part.startswith(".") or part in SYSTEM for part in path.relative_to(folder).parts)
        reason = None if hidden else why_not(path, is_folder, root)
        if hidden:
            ignored[HIDDEN] += 1
        elif reason is not None:
            left_out.append(Problem(encodable_text(str(path)), reason))
        elif path.name.lower().endswith(PICTURE_SUFFIXES):
            pictures.append(path)
        else:
            ignored[f"no picture ({path.suffix.lower() or 'no suffix'})"] += 1
    return Listing(tuple(pictures), tuple(left_out), dict(sorted(ignored.items())))


def beside_table(folder: Path, table: Path, named: Iterable[Path]) -> Listing:
    """List what lies beside a table of pictures: what it does not name is passed over, pictures by that rule.

    Raises:
        ValueError: as `list_folder`.
    """
    listing = list_folder(folder, {os.path.realpath(path) for path in (table, *named)})
    rest = len(listing.pictures) + len(listing.left_out)
    return Listing((), (), ({f"not named by {table.name}": rest} if rest else {}) | dict(listing.ignored))


def walk(folder: Path) -> Iterator[tuple[Path, bool]]:
    """Return every file, and every folder that a link stands for, below a folder; links to folders are not entered."""

    def stop(error: OSError) -> None:
        raise ValueError(f"{error.filename}: cannot be read ({error.strerror}).") from error

    found: list[tuple[Path, bool]] = []
    for at, folders, files in os.walk(folder, onerror=stop):
        found += [(Path(at, name), True) for name in folders if os.path.islink(Path(at, name))]
        found += [(Path(at, name), False) for name in files]
    yield from sorted(found)


def why_not(path: Path, is_folder: bool, root: str) -> str | None:
    """Say why a file that shows something, or may, is left out; None if nothing is against it."""
    if is_folder:
        return (
            f"a link to the folder {encodable_text(os.path.realpath(path))}, which is not followed; name that folder."
        )
    if encodable_text(str(path)) != str(path):
        return "its name is no UTF-8; rename it."
    if os.path.islink(path):
        target = os.path.realpath(path)
        if not os.path.exists(target):
            return f"a symbolic link to {target}, which is not there."
        if not Path(target).is_relative_to(root):
            return f"a symbolic link out of the folder, to {target}; put the file itself there (a copy or a hard link)."
    suffix = path.suffix.lower()
    if suffix in UNREAD:
        return f"{UNREAD[suffix]}."
    if suffix in HEIF_SUFFIXES and find_spec("pillow_heif") is None:
        return f"{HEIF_EXTRA}."
    return None if suffix in PICTURE_SUFFIXES else misnamed(path)


def misnamed(path: Path) -> str | None:
    """Say what a file shows whose name tells nothing of it, by its first bytes; None if it shows nothing."""
    if not path.is_file():
        return "a pipe, a socket or a device, no file."
    try:
        with path.open("rb") as file:
            head = file.read(HEAD)
    except OSError as error:
        return f"cannot be read ({error.strerror})."
    form = format_of(head)
    if form is not None and (form != "BMP" or len(head) == HEAD):
        return f"a {form} picture by its bytes, but its name does not end in one of {', '.join(PICTURE_SUFFIXES)}."
    words = what_it_is(head)
    return f"{words}." if CONVERT in words or words == CLIP else None


def told(ignored: Mapping[str, int]) -> str:
    """Put into words how many files were passed over by which rule; empty if none were."""
    return ", ".join(f"{count} {rule}" for rule, count in ignored.items())
