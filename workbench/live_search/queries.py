"""Queries of one's own: words, a picture, a clip, or words with one of them; as the model was trained on, embedded."""

import io
import tempfile
from pathlib import Path

import numpy as np
import PIL.Image
from jaxtyping import Float

from core.data.images.file_kinds import format_of
from core.data.images.image_files import BytesImage
from core.data.miniature.words import INSTRUCTIONS
from core.data.records import Image, Item, Part, Text, Video
from core.data.retrieval_instructions import IMAGE_TO_CAPTION
from core.data.video.video_files import BadVideo, read_clip
from core.encoder.embedder import Embedder
from core.evaluation.bundle_items import thumbnail, webp
from core.evaluation.encode import refuse_not_finite
from core.evaluation.training_folders import trained_on_a_folder
from workbench.search.search import ShownPart, preview

MAX_TEXT = 1000
CLIP_FRAMES = 8
"""Frames taken from an uploaded clip, evenly."""
VIDEO_TYPES = (".mp4", ".mov", ".webm", ".mkv", ".avi")


LOOK_ALIKE = INSTRUCTIONS["look_alike"]


def default_instruction(has_text: bool, has_picture: bool, of_pictures: str = LOOK_ALIKE) -> str:
    """Guess what a query asks for: a picture for words, an edit for words and a picture or clip.

    of_pictures: what a picture or clip alone asks for: a look-alike, or what the model was trained to give for it.
    """
    if has_text and has_picture:
        return INSTRUCTIONS["edit"]
    return of_pictures if has_picture else INSTRUCTIONS["caption_to_image"]


def picture_instruction(checkpoint: Path) -> str:
    """Return the instruction of pictures alone that a checkpoint was trained with: a folder's asks for a caption.

    Raises:
        ValueError: the settings of its run cannot be read.
    """
    return IMAGE_TO_CAPTION if trained_on_a_folder(checkpoint) else LOOK_ALIKE


def build_query(text: str, upload: bytes | None, instruction: str) -> Item:
    """Return a query as the model was trained on: the picture or clip, then the instruction and the words in one text.

    Raises:
        ValueError: there are neither words nor an upload, or the words are too long or no text.
        core.data.images.image_files.BadImage: the picture or the clip cannot be read.
    """
    words = text.strip()
    if not words and upload is None:
        raise ValueError("Type some words, upload a picture or a video, or do both.")
    if len(words) > MAX_TEXT:
        raise ValueError(f"The text has {len(words)} characters; at most {MAX_TEXT} are read.")
    if any("\ud800" <= letter <= "\udfff" for letter in words):
        raise ValueError("The text holds halves of characters (lone surrogates), which are no text.")
    parts: list[Part] = [] if upload is None else [uploaded_part(upload)]
    sentence = f"{instruction} {words}".strip()
    return Item((*parts, Text(sentence)) if sentence else tuple(parts))


def uploaded_part(data: bytes) -> Image | Video:
    """Get a picture, or the frames of a clip, by what the bytes are, whatever the file was called. Raises BadImage."""
    if is_video(data):
        return uploaded_clip(data)
    source = BytesImage(data)
    source.open()
    return Image(source)


def is_video(data: bytes) -> bool:
    """Tell whether bytes begin as MP4 or MOV, WebM or Matroska, or AVI do; HEIC and AVIF begin as MP4, too."""
    if format_of(data) is not None:
        return False
    return data[4:8] == b"ftyp" or data[:4] == b"\x1a\x45\xdf\xa3" or (data[:4] == b"RIFF" and data[8:12] == b"AVI ")


def uploaded_clip(data: bytes) -> Video:
    """Return some frames of a clip, held in memory: nothing of the upload stays on the disk.

    Raises:
        core.data.video.video_files.BadVideo: it cannot be read.
    """
    with tempfile.TemporaryDirectory(prefix="clip-") as folder:
        path = Path(folder) / "clip"
        path.write_bytes(data)
        try:
            frames = [source.open() for source in read_clip(path, CLIP_FRAMES).frames]
        except BadVideo as error:
            raise BadVideo(str(error).replace(str(path), "uploaded video")) from error
    return Video(tuple(BytesImage(png(frame), f"frame {number}") for number, frame in enumerate(frames, start=1)))


def png(frame: PIL.Image.Image) -> bytes:
    """Return a frame without any loss."""
    stream = io.BytesIO()
    frame.save(stream, "PNG", compress_level=1)
    return stream.getvalue()


def shown_query(query: Item) -> tuple[ShownPart, ...]:
    """Return the parts of a query that `build_query` made."""
    return tuple(shown_part(part) for part in query.parts)


def shown_part(part: Part) -> ShownPart:
    """Return a part as people see it: a clip as the strip of its frames."""
    if isinstance(part, Text):
        return ShownPart("text", part.text)
    if isinstance(part, Video):
        return ShownPart("video", picture=webp(thumbnail(part)))
    return ShownPart("image", picture=preview(part.source) if isinstance(part.source, BytesImage) else None)


def embed_query(embedder: Embedder, query: Item) -> Float[np.ndarray, " d"]:
    """Return the unit vector of a query.

    Raises:
        core.evaluation.encode.NonFiniteVectors: the model gives NaN or infinity for it.
    """
    vectors = embedder.embed([query]).float().numpy()
    refuse_not_finite([query], vectors)
    return vectors[0]
