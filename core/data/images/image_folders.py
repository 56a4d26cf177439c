"""Find the pictures that tables name by relative paths: in a folder, in ZIP archives, or in both.

A folder's own files come first. Archives are those in the folder itself, in <folder>/images and in
<folder>/images_zip (where MMEB-train ships them), or one archive given in place of a folder. The path
"images/OK-VQA/Train/1.jpg" is found in any of them as that member or as "OK-VQA/Train/1.jpg", and in OK-VQA.zip also
as "Train/1.jpg".
"""

import os
import zipfile
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from typing_extensions import Protocol, runtime_checkable

from core.data.checks.problems import BadRow, Problem
from core.data.file_names import TwoForms, inside
from core.data.images.image_files import FileImage
from core.data.images.zip_archives import ZipArchive, open_archive
from core.data.records import ImageSource

ARCHIVE_FOLDERS = ("", "images", "images_zip")
IMAGES = "images"


@runtime_checkable
class Finder(Protocol):
    """Finds pictures by relative paths."""

    def find(self, relative: str, where: str) -> ImageSource:
        """Return the picture of a path that `where` names. Raises `core.data.checks.problems.BadRow`."""
        ...


@dataclass(frozen=True)
class ImageFolder:
    """A folder of pictures, and archives; the directory of an archive is read when it is first needed."""

    root: Path
    archives: tuple[Path, ...] = ()
    _opened: dict[Path, ZipArchive] = field(default_factory=dict, repr=False, compare=False)

    def find(self, relative: str, where: str) -> ImageSource:
        """Return the picture of a relative path; a file is not opened, and without archives not looked for.

        Raises:
            BadRow: the path leads out of the folder, or there are archives and the picture is neither in them nor
                in the folder. `where` says who names it.
            ValueError: an archive cannot be read.
        """
        path = inside(self.root, relative, where)
        if not self.archives or os.path.isfile(path):  # False for names too long, too
            return FileImage(path)
        named = PurePosixPath(relative.removeprefix(f"{IMAGES}/")).parts[0]
        archives = sorted(self.archives, key=lambda each: each.stem != named)
        for archive in archives:
            for name in names_in(archive, relative):
                if found := self._archive(archive).find(name):
                    return found
        for archive in archives if not relative.isascii() else ():
            try:
                for name in names_in(archive, relative):
                    if found := self._archive(archive).find_other_form(name):
                        return found
            except TwoForms as error:
                raise BadRow(Problem(where, f"the picture {relative!r}: {error}")) from error
        listed = ", ".join(map(str, self.archives[:5])) + ", ..." * (len(self.archives) > 5)
        raise BadRow(Problem(where, f"the picture {relative!r} is neither in {self.root} nor in {listed}."))

    def _archive(self, path: Path) -> ZipArchive:
        if path not in self._opened:
            self._opened[path] = open_archive(path)
        return self._opened[path]


def names_in(archive: Path, relative: str) -> tuple[str, str, str]:
    """Say what a picture of a relative path may be called in an archive."""
    plain = relative.removeprefix(f"{IMAGES}/")
    return relative, plain, plain.removeprefix(f"{archive.stem}/")


def open_image_folder(root: Path) -> ImageFolder:
    """Return the pictures of a folder with its archives, or of one archive.

    Raises:
        ValueError: there is no such folder, or a file is no ZIP archive.
    """
    if not root.exists():
        raise ValueError(f"{root}: no such folder of pictures, and no ZIP archive.")
    if root.is_file():
        folder, archives = root.parent, (root,)
    else:
        folder, archives = root, tuple(path for name in ARCHIVE_FOLDERS for path in sorted((root / name).glob("*.zip")))
    for path in archives:
        if not zipfile.is_zipfile(path):
            raise ValueError(f"{path}: not a readable ZIP archive. Download it again.")
    return ImageFolder(folder, archives)
