"""What a case of the corpus of bad inputs is, and the bytes that several kinds of file share."""

import json
import struct
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Case:
    """A bad input: its name, the command or page that reads it, and its command line (its file for a page)."""

    name: str
    command: str
    arguments: tuple[str, ...]


Write = Callable[[Path], object]
"""Writes a file or folder at a path."""

DEEP = "[" * 100_000
GARBAGE = bytes(range(256)) * 8
NAMES = {
    "line_break": "a\nb",
    "nul": "a\0b",
    "half_of_a_character": "\ud800",
    "climbing": "../../etc/passwd",
    "absolute": "/etc/passwd",
    "long": "x" * 5000,
}
"""Names of files and columns that nobody should have."""


def bytes_of(content: bytes) -> Write:
    """Writes these bytes."""
    return lambda path: path.write_bytes(content)


def text_of(content: str) -> Write:
    """Writes this text; halves of characters as they are."""
    return lambda path: path.write_bytes(content.encode("utf-8", "surrogatepass"))


def json_of(value: object) -> Write:
    """Writes a value as JSON."""
    return text_of(json.dumps(value))


def folder_at(path: Path) -> None:
    """Make a folder where a file is expected."""
    path.mkdir()


def link_to_nothing(path: Path) -> None:
    """Make a link that leads nowhere."""
    path.symlink_to(path.parent / "nowhere")


def zip_bomb(path: Path) -> None:
    """An archive of a few kilobytes that holds 100 MB of zeros."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("zeros", bytes(100_000_000))


def safetensors(header: object, data: bytes = b"", length: int | None = None) -> bytes:
    """A safetensors file with any header, and a length of it that may be a lie."""
    said = json.dumps(header).encode() if not isinstance(header, bytes) else header
    return struct.pack("<Q", len(said) if length is None else length) + said + data


NOT_ANY_FILE: Mapping[str, Write] = {
    "nothing": lambda path: None,
    "empty": bytes_of(b""),
    "a_folder": folder_at,
    "a_dead_link": link_to_nothing,
    "garbage": bytes_of(GARBAGE),
    "nul_bytes": bytes_of(bytes(1000)),
    "utf_16": bytes_of("text".encode("utf-16")),
    "a_web_page": text_of("<!doctype html><html><body>Sign in</body></html>"),
    "an_lfs_pointer": text_of("version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 12345\n"),
    "a_zip_bomb": zip_bomb,
}
"""What may lie where any file is expected."""

SAFETENSORS: Mapping[str, Write] = {
    "short": bytes_of(b"\x01\x02"),
    "length_beyond_the_file": bytes_of(safetensors({}, length=10_000)),
    "huge_length": bytes_of(safetensors({}, length=2**62)),
    "length_of_gigabytes": bytes_of(safetensors({}, length=99_000_000)),
    "header_no_json": bytes_of(safetensors(b"{nothing}")),
    "header_a_list": bytes_of(safetensors([1])),
    "header_deep": bytes_of(safetensors(DEEP.encode())),
    "offsets_beyond": bytes_of(safetensors({"items": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}})),
    "offsets_backwards": bytes_of(
        safetensors({"items": {"dtype": "F32", "shape": [2], "data_offsets": [8, 0]}}, bytes(8))
    ),
    "shape_of_another_size": bytes_of(
        safetensors({"items": {"dtype": "F32", "shape": [3], "data_offsets": [0, 8]}}, bytes(8))
    ),
    "huge_shape": bytes_of(
        safetensors({"items": {"dtype": "F32", "shape": [2**40, 2**40], "data_offsets": [0, 8]}}, bytes(8))
    ),
    "unknown_type": bytes_of(safetensors({"items": {"dtype": "Q3", "shape": [2], "data_offsets": [0, 8]}}, bytes(8))),
    "no_tensors": bytes_of(safetensors({})),
    "whole_numbers": bytes_of(
        safetensors({"items": {"dtype": "I64", "shape": [1, 1], "data_offsets": [0, 8]}}, bytes(8))
    ),
}
