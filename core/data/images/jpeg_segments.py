"""Leave out of a JPEG what changes no pixel: comments, Photoshop's and makers' blocks, colour profiles.

One that is malformed would otherwise refuse a photograph that is whole.
"""

import struct

SEGMENT = struct.Struct(">BBH")
START, SCAN, COMMENT = 0xD8, 0xDA, 0xFE
JFIF, EXIF, ADOBE, LAST = 0xE0, 0xE1, 0xEE, 0xEF
"""APP0, APP1 (EXIF and XMP, which say how the picture is turned), APP14, APP15."""
SHORTEST = {JFIF: 16, ADOBE: 14}
"""Of the segments that say what the colours mean; a shorter one is malformed, and libjpeg looks past it too."""


def without_words(data: bytes) -> bytes:
    """Return a JPEG without the segments that change no pixel; what is damaged stays, for the decoder to tell."""
    pieces = [data[:2]]
    place = 2
    while place + SEGMENT.size <= len(data):
        mark, kind, length = SEGMENT.unpack_from(data, place)
        if mark != 0xFF or kind in (START, SCAN, 0xFF) or length < 2:
            break
        end = place + 2 + length
        if not (kind == COMMENT or JFIF <= kind <= LAST) or kind == EXIF or length >= SHORTEST.get(kind, len(data)):
            pieces.append(data[place:end])
        place = end
    return b"".join([*pieces, data[place:]])
