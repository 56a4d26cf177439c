"""The data of the project: parts, items, pairs and rankings.

An item is what the model turns into one vector. A pair is what it learns from; a ranking is what it is
scored on. All are plain immutable records; images stay references until somebody draws or embeds them.
"""

import hashlib
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TypeAlias

import PIL.Image

# Not from typing: in Python 3.11 its isinstance evaluates content_id, so a type check would read the picture's file.
from typing_extensions import Protocol, runtime_checkable


def digest(*fields: str) -> str:
    """Return a stable 16-character id of some strings; the lengths keep ("ab", "c") and ("a", "bc") apart."""
    joined = "".join(f"{len(each)}:{each}" for each in fields)
    return hashlib.sha256(joined.encode()).hexdigest()[:16]


def as_read(text: str) -> str:
    """Return a text as every model gets it: in Unicode's composed form (NFC), so that what looks alike is alike.

    Nothing else is changed: line ends, white space, letter case and a byte order mark are tokens of their own to most
    tokenizers.
    """
    return unicodedata.normalize("NFC", text)


def refuse_half_characters(text: str) -> None:
    """Raise ValueError if a text holds half of a surrogate pair, such as the first half of an emoji."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise ValueError(
            f"the text {text[:40]!r} holds half of a character (U+{ord(text[error.start]):04X} at character "
            f"{error.start + 1}), such as half an emoji; write the whole character, or leave it out."
        ) from error


@runtime_checkable
class ImageSource(Protocol):
    """Where a picture comes from: a file, bytes, or a generator's scene."""

    @property
    def content_id(self) -> str:
        """The same for the same pixels in RGB, wherever and however they are stored: what the model sees."""
        ...

    def open(self) -> PIL.Image.Image:
        """Return the picture in RGB. Raises `core.data.images.image_files.BadImage` if it cannot be read."""
        ...


@dataclass(frozen=True)
class Text:
    """Words. Always data: a caption that spells a special token is embedded as those characters.

    Raises ValueError for half of a character, which no tokenizer, table or digest takes: JSON can spell half an emoji.
    """

    text: str

    def __post_init__(self) -> None:
        refuse_half_characters(self.text)

    @cached_property
    def content_id(self) -> str:
        """The id of the characters as the model gets them."""
        return digest("text", as_read(self.text))


@dataclass(frozen=True)
class Image:
    """One still picture."""

    source: ImageSource

    @cached_property
    def content_id(self) -> str:
        """The id of the picture."""
        return digest("image", self.source.content_id)


@dataclass(frozen=True)
class Video:
    """Frames sampled from a clip, in order of time."""

    frames: tuple[ImageSource, ...]

    def __post_init__(self) -> None:
        if not self.frames:
            raise ValueError("Video.frames is empty; a video has at least one frame.")

    @cached_property
    def content_id(self) -> str:
        """The id of the frames in their order."""
        return digest("video", *(frame.content_id for frame in self.frames))


Part: TypeAlias = Text | Image | Video


@dataclass(frozen=True)
class Item:
    """Parts in reading order, embedded as one vector.

    `attributes` is what the item truly shows, where the data knows it (the miniature does). It is not part of
    the identity and the model never sees it.
    """

    parts: tuple[Part, ...]
    attributes: Mapping[str, str] = field(default_factory=dict, compare=False, hash=False)

    def __post_init__(self) -> None:
        if not self.parts:
            raise ValueError("Item.parts is empty; an item has at least one text, image or video.")

    @cached_property
    def content_id(self) -> str:
        """Equal exactly when the parts are equal, in order."""
        return digest(*(part.content_id for part in self.parts))

    @property
    def text(self) -> str:
        """The words of the item, with a mark for each picture or clip: what a table shows of it."""
        return " ".join(part.text if isinstance(part, Text) else MARKS[type(part)] for part in self.parts)

    @property
    def modality(self) -> str:
        """The kinds of parts in order of first use, such as "image+text"."""
        return "+".join(dict.fromkeys(type(part).__name__.lower() for part in self.parts))

    def images(self) -> Iterator[ImageSource]:
        """Return every picture in the item, frames of clips included, in reading order."""
        for part in self.parts:
            if isinstance(part, Image):
                yield part.source
            elif isinstance(part, Video):
                yield from part.frames


MARKS: Mapping[type, str] = {Image: "[image]", Video: "[video]"}


def image_item(picture: Part, instruction: str) -> Item:
    """Put an instruction under a picture, the form of MMEB's image queries."""
    return Item((picture, Text(instruction)))


@dataclass(frozen=True)
class Pair:
    """A query and the target that is right for it.

    `asks` names the attributes of the positive that the query pins down: a target that agrees with the positive
    on all of them is truly right, whatever the labels say. `origin` says where the pair was read, for messages.
    """

    query: Item
    positive: Item
    dataset: str
    meta_task: str
    negatives: tuple[Item, ...] = ()
    asks: tuple[str, ...] = ()
    origin: str = ""

    def items(self) -> tuple[Item, ...]:
        """Query, positive and explicit negatives."""
        return (self.query, self.positive, *self.negatives)


@dataclass(frozen=True)
class Ranking:
    """A query, the candidates to rank, and the indices of those that are right.

    Rankings that share a pool share one tuple object. left_out: indices of candidates of the shared pool that are not
    offered to this query, such as the query itself. `origin` says where the query was read, for messages.
    """

    query: Item
    candidates: tuple[Item, ...]
    right: tuple[int, ...]
    asks: tuple[str, ...] = ()
    origin: str = ""
    left_out: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        if not self.right or not all(0 <= index < len(self.candidates) for index in self.right):
            raise ValueError(
                f"Ranking.right = {self.right} must name at least one of the {len(self.candidates)} candidates "
                f"(query {self.query.text!r})."
            )


@dataclass(frozen=True)
class RankingTask:
    """One evaluation data set: rankings that are scored together. `metric` is the one that its reports lead with."""

    name: str
    meta_task: str
    in_distribution: bool
    rankings: tuple[Ranking, ...]
    metric: str = "P@1"


@runtime_checkable
class PairDataset(Protocol):
    """Pairs by index; reading the same index twice gives the same pair."""

    @property
    def name(self) -> str:
        """The data set's name in reports."""
        ...

    @property
    def meta_task(self) -> str:
        """The family it is averaged with: classification, vqa, retrieval, grounding, video."""
        ...

    def __len__(self) -> int: ...

    def __getitem__(self, index: int) -> Pair: ...


def true_hardness(asks: Sequence[str], positive: Item, other: Item) -> int | None:
    """In how many of the asked attributes `other` differs from the positive; 0 means that it is truly right.

    None where the truth is not known (no attributes asked, or the items carry none).
    """
    if not asks or not positive.attributes:
        return None
    return sum(positive.attributes[name] != other.attributes.get(name) for name in asks)
