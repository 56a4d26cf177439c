"""Tell by its first bytes what a file is: a picture that is read, or what else pretends to be one."""

from collections.abc import Mapping

FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF", "AVIF", "HEIF")
PICTURE_SUFFIXES = (
    *(".png", ".apng", ".jpg", ".jpeg", ".jpe", ".jfif", ".mpo", ".webp", ".gif", ".bmp", ".dib", ".tif", ".tiff"),
    *(".avif", ".heic", ".heif", ".hif"),
)
"""What names of pictures that are read end in, in small letters."""
HEIF_SUFFIXES = (".heic", ".heif", ".hif")
HEAD = 1024
"""Bytes that are enough to tell."""

AVIF_BRANDS = (b"avif", b"avis")
HEIF_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs", b"mif1", b"msf1")
SIGNATURES: Mapping[bytes, str] = {
    b"\x89PNG\r\n\x1a\n": "PNG",
    b"\xff\xd8\xff": "JPEG",
    b"GIF87a": "GIF",
    b"GIF89a": "GIF",
    b"BM": "BMP",
    b"II*\0": "TIFF",
    b"MM\0*": "TIFF",
    b"II+\0": "TIFF",
    b"MM\0+": "TIFF",
}
CONVERT = "convert it to PNG or JPEG"
CLIP = "a video, no picture"
OTHERS: Mapping[bytes, str] = {
    b"version https://git-lfs": "a git-LFS pointer, not the file that it stands for; fetch it with `git lfs pull`",
    b"%PDF": f"a PDF document; {CONVERT}",
    b"%!PS": f"a PostScript drawing; {CONVERT}",
    b"8BPS": f"a Photoshop file; {CONVERT}",
    b"\0\0\0\x0cjP  ": f"a JPEG 2000 picture; {CONVERT}",
    b"\0\0\0\x0cJXL ": f"a JPEG XL picture; {CONVERT}",
    b"\xff\x0a": f"a JPEG XL picture; {CONVERT}",
    b"\0\0\1\0": f"an icon file; {CONVERT}",
    b"qoif": f"a QOI picture; {CONVERT}",
    b"gimp xcf": f"a GIMP file; {CONVERT}",
    b"PK\x03\x04": "a ZIP archive; unpack it",
    b"\x1f\x8b": "a gzip archive; unpack it",
    b"7z\xbc\xaf": "a 7-Zip archive; unpack it",
    b"Rar!": "a RAR archive; unpack it",
    b"\x1a\x45\xdf\xa3": CLIP,
    b"FLV\1": CLIP,
    b"\0\0\1\xba": CLIP,
    b"OggS": "a sound or a video, no picture",
    b"ID3": "a sound, no picture",
    b"\x7fELF": "a program",
    b"MZ": "a program",
    b"PAR1": "a Parquet table",
    b"\x93NUMPY": "a NumPy array",
}
"""What else files begin with, in words that end with what to do about it."""


def format_of(data: bytes) -> str | None:
    """Return which of `FORMATS` a file claims to be, or None; its first 64 bytes are enough."""
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "WEBP"
    if data[4:8] == b"ftyp":
        brands = [data[8:12], *(data[place : place + 4] for place in range(16, min(len(data), 64, box_size(data)), 4))]
        if any(brand in AVIF_BRANDS for brand in brands):
            return "AVIF"
        return "HEIF" if any(brand in HEIF_BRANDS for brand in brands) else None
    return next((form for signature, form in SIGNATURES.items() if data.startswith(signature)), None)


def box_size(data: bytes) -> int:
    """Return how many bytes the first box of an MP4 or HEIF file says it has."""
    return int.from_bytes(data[:4], "big")


def what_it_is(data: bytes) -> str:
    """Say in words what a file is that is no picture, from its first `HEAD` bytes."""
    if not data:
        return "the file is empty"
    if not data.strip(b"\0"):
        return "nothing but zeros, as a download leaves that broke off"
    if data[4:8] == b"ftyp" or (data[:4] == b"RIFF" and data[8:12] == b"AVI "):
        return CLIP
    if data[:4] == b"RIFF" and data[8:12] == b"WAVE":
        return "a sound, no picture"
    for signature, words in OTHERS.items():
        if data.startswith(signature):
            return words
    return written(data)


def written(data: bytes) -> str:
    """Say in words what kind of text a file is, or that it is of no known format."""
    text = data[:HEAD].decode("utf-8", "replace").lstrip("\ufeff \r\n\t").lower()
    if text.startswith(("<!doctype html", "<html", "<head", "<body")):
        return "an HTML page, perhaps the answer to a download that failed; download it again"
    if text.startswith("<svg") or (text.startswith(("<?xml", "<!--", "<!doctype svg")) and "<svg" in text):
        return f"an SVG drawing; {CONVERT}"
    if text.startswith("<?xml"):
        return "an XML file, perhaps the answer to a download that failed"
    if text.startswith(("{", "[")):
        return "JSON, perhaps the answer to a download that failed"
    if "\ufffd" not in text[:-4] and all(letter.isprintable() or letter in "\r\n\t" for letter in text[:-4]):
        return "a text"
    return "unknown format"
