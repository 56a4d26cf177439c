"""Pictures read straight out of ZIP archives, as data sets ship them.

An archive's directory is read once; afterwards a picture knows the place of its bytes and opens the file for itself.
No handle is kept or shared, so pictures can be read by threads, forked or spawned processes alike.
"""

import struct
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path, PurePosixPath

import PIL.Image

from core.data.file_names import by_form, same_name
from core.data.images.image_files import BadImage, decode, pixels_id, with_id

MAX_BYTES = 200_000_000
"""Of one picture, unpacked."""
LOCAL_HEADER = struct.Struct("<4s22xHH")
ENTRY = struct.Struct("<QQQ?I")
"""offset, packed, size, deflated, checksum of a `ZipImage`."""
SIGNATURE = b"PK\x03\x04"
ENCRYPTED = 0x1
UTF_8 = 0x800
METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
RAW_DEFLATE = -zlib.MAX_WBITS


@dataclass(frozen=True)
class ZipImage:
    """A picture in an archive. offset: of its local header. packed, size: bytes in the archive and unpacked.

    Two pictures with the same pixels are the same picture, wherever they lie.
    """

    archive: Path
    member: str
    offset: int = field(repr=False)
    packed: int = field(repr=False)
    size: int = field(repr=False)
    deflated: bool = field(repr=False)
    checksum: int = field(repr=False)

    @property
    def name(self) -> str:
        """The archive and the member, for messages."""
        return f"{self.archive}:{self.member}"

    @property
    def content_id(self) -> str:
        """The id of the pixels, known from when it was opened, else decoded once. Raises `BadImage`."""
        return self._pixels_id

    @cached_property
    def _pixels_id(self) -> str:
        return pixels_id(decode(self.read(), self.name))

    def open(self) -> PIL.Image.Image:
        """Read and decode. Raises `BadImage` when the archive or the picture is damaged or too large."""
        return with_id(self, decode(self.read(), self.name))

    def read(self) -> bytes:
        """Return the unpacked bytes.

        Raises:
            BadImage: the archive cannot be read there, the bytes are not those that were packed, or are too many.
        """
        if self.size > MAX_BYTES:
            raise BadImage(f"{self.name}: {self.size:,} bytes; at most {MAX_BYTES:,} are read. Shrink the picture.")
        try:
            data = self._unpack(self._packed_bytes())
        except OSError as error:
            raise BadImage(f"{self.name}: cannot be read ({error.strerror or error}).") from error
        except (struct.error, zlib.error, ValueError) as error:
            raise BadImage(f"{self.name}: the archive is damaged there ({error}). Download it again.") from error
        if len(data) != self.size or zlib.crc32(data) != self.checksum:
            raise BadImage(f"{self.name}: the archive is damaged there (wrong check sum). Download it again.")
        return data

    def _packed_bytes(self) -> bytes:
        with self.archive.open("rb") as file:
            file.seek(self.offset)
            signature, name_length, extra_length = LOCAL_HEADER.unpack(file.read(LOCAL_HEADER.size))
            if signature != SIGNATURE:
                raise ValueError("no entry begins where its directory says")
            file.seek(name_length + extra_length, 1)
            return file.read(self.packed)

    def _unpack(self, packed: bytes) -> bytes:
        if not self.deflated:
            return packed
        return zlib.decompressobj(RAW_DEFLATE).decompress(packed, self.size + 1)


@dataclass(frozen=True)
class ZipArchive:
    """An archive's directory: where the bytes of each member lie, packed small, for there may be a million."""

    path: Path
    entries: Mapping[str, bytes] = field(repr=False)

    def find(self, name: str) -> ZipImage | None:
        """Return the picture of a member's name, or None if there is none."""
        entry = self.entries.get(name)
        return None if entry is None else ZipImage(self.path, name, *ENTRY.unpack(entry))

    def find_other_form(self, name: str) -> ZipImage | None:
        """Return the picture whose name differs from a missing one only in its Unicode form, or None.

        Raises:
            core.data.file_names.TwoForms: there are several.
        """
        found = same_name(name, self._by_form, str(self.path))
        return None if found is None else self.find(found)

    @cached_property
    def _by_form(self) -> Mapping[str, Sequence[str]]:
        return by_form(self.entries)


def open_archive(path: Path) -> ZipArchive:
    """Read an archive's directory; folders in it are left out.

    Names that are absolute or climb with ".." are no names of pictures and are left out too.

    Raises:
        ValueError: the file is no ZIP archive, is cut off, or an entry is encrypted or packed by another method than
            deflate.
    """
    try:
        with zipfile.ZipFile(path) as opened:
            members = [member for member in opened.infolist() if not member.is_dir()]
    except (OSError, zipfile.BadZipFile, NotImplementedError) as error:
        raise ValueError(f"{path}: not a readable ZIP archive ({error}). Download it again.") from error
    for member in members:
        if member.flag_bits & ENCRYPTED or member.compress_type not in METHODS:
            raise ValueError(
                f"{path}: {member.filename!r} is encrypted or packed by an unknown method; unpack the archive."
            )
    names = {member_name(each): each for each in members}
    return ZipArchive(path, {name: packed_entry(each) for name, each in names.items() if is_plain(name)})


def member_name(member: zipfile.ZipInfo) -> str:
    """Return a member's name; Macs write UTF-8 without saying so, which Python reads as letters of old PCs."""
    if member.flag_bits & UTF_8 or member.filename.isascii():
        return member.filename
    try:
        return member.filename.encode("cp437").decode("utf-8")
    except UnicodeError:
        return member.filename


def packed_entry(member: zipfile.ZipInfo) -> bytes:
    """Say where a member lies, as `ZipImage` has it."""
    deflated = member.compress_type == zipfile.ZIP_DEFLATED
    return ENTRY.pack(member.header_offset, member.compress_size, member.file_size, deflated, member.CRC)


def is_plain(name: str) -> bool:
    """Tell whether a member's name is relative and stays below where it is."""
    path = PurePosixPath(name)
    return not path.is_absolute() and ".." not in path.parts
