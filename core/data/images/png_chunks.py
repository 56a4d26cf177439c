"""Leave out of a PNG what changes no pixel: words, colour profiles, dates.

A generator's workflow of some megabytes, packed into a text chunk, or a broken colour profile would otherwise refuse a
picture that is whole.
"""

import struct

SIGNATURE_SIZE = 8
HEADER = struct.Struct(">I4s")
AROUND = 12
"""Bytes of a chunk besides its data: length, kind, check sum."""
KEPT = (b"tRNS", b"eXIf", b"acTL", b"fcTL", b"fdAT")
ORIENTED = (b"XML:com.adobe.xmp\0", b"Raw profile type exif\0")
"""Keywords of texts that may say how the picture is turned."""
MAX_TEXT = 500_000
OPTIONAL = 0x20
"""The bit of a kind's first letter that says that a picture can be shown without the chunk."""


def without_words(data: bytes) -> bytes:
    """Return a PNG without the chunks that change no pixel; what is damaged stays as it is, for the decoder to tell."""
    view = memoryview(data)
    pieces: list[memoryview] = []
    begin, place = 0, SIGNATURE_SIZE
    while place + AROUND <= len(data):
        length, kind = HEADER.unpack_from(data, place)
        end = place + AROUND + length
        if end > len(data):
            break
        if not matters(kind, data[place + HEADER.size : place + HEADER.size + 32], length):
            pieces.append(view[begin:place])
            begin = end
        place = end
    if begin == 0:
        return data
    return b"".join([*pieces, view[begin:]])


def matters(kind: bytes, head: bytes, length: int) -> bool:
    """Tell whether a chunk is needed for the pixels or says how they are turned; head: its first bytes."""
    if not kind[0] & OPTIONAL or kind in KEPT:
        return True
    return head.startswith(ORIENTED) and length <= MAX_TEXT
