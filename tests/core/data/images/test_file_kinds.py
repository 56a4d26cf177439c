"""What a file is by its first bytes."""

import io

import PIL.Image
import pytest

from core.data.images.bad_image import BadImage
from core.data.images.decoding import decode
from core.data.images.file_kinds import FORMATS, format_of, what_it_is

LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n"


@pytest.mark.parametrize("form", [form for form in FORMATS if form != "HEIF"])
def test_formats_are_told_by_64_bytes(form: str) -> None:
    stream = io.BytesIO()
    PIL.Image.new("RGB", (40, 30)).save(stream, form)
    assert format_of(stream.getvalue()[:64]) == form


@pytest.mark.parametrize(
    ("head", "form"),
    [
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "HEIF"),
        (b"\0\0\0\x18ftypmif1\0\0\0\0mif1avif", "AVIF"),
        (b"\0\0\0\x18ftypmif1\0\0\0\0mif1heic", "HEIF"),
        (b"\0\0\0\x18ftypisom\0\0\0\0isomavc1", None),
        (b"RIFF\0\0\0\0AVI ", None),
        (b"", None),
    ],
)
def test_families_of_one_container_are_told_apart(head: bytes, form: str | None) -> None:
    assert format_of(head) == form


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "the file is empty"),
        (bytes(500), "nothing but zeros"),
        (LFS, "a git-LFS pointer, .* `git lfs pull`"),
        (b"\r\n<!DOCTYPE html><html>429", "an HTML page"),
        (b"<html>429 too many requests</html>", "an HTML page"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "an SVG drawing; convert it"),
        (b"<?xml version='1.0'?>\n<!-- a --><svg/>", "an SVG drawing; convert it"),
        (b"<?xml version='1.0'?><Error>AccessDenied</Error>", "an XML file"),
        (b'{"message": "rate limit"}', "JSON"),
        (b"just some words", "a text"),
        (b"%PDF-1.4", "a PDF document; convert it"),
        (b"PK\x03\x04...", "a ZIP archive"),
        (b"\0\0\0\x18ftypisom\0\0\0\0isomavc1", "a video, no picture"),
        (b"\x1a\x45\xdf\xa3....", "a video, no picture"),
        (b"RIFF\0\0\0\0AVI LIST", "a video, no picture"),
        (b"\x01\x02\x03\x04\xff\xfe\x80", "unknown format"),
    ],
)
def test_what_pretends_to_be_a_picture_is_named(data: bytes, words: str) -> None:
    with pytest.raises(BadImage, match=rf"cat\.jpg: not a readable picture \({words}.*\)\. Use one of PNG, JPEG"):
        decode(data, "cat.jpg")


def test_a_text_cut_inside_a_letter_is_a_text() -> None:
    assert what_it_is("é".encode() * 600) == "a text"
