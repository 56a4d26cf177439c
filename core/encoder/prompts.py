"""Prompts: an item in the backbone's chat template, cut at the item's parts."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

from transformers import PreTrainedTokenizerBase

from core.data.records import Item, Part, Text, Video

# Private-use characters: they mark where a part goes in the rendered template and cannot be typed in a template.
MARK = "\ue000{}\ue001"
MARK_PATTERN = re.compile("\ue000([0-9]+)\ue001")


@dataclass(frozen=True)
class TemplateText:
    """A piece of the template itself, in which special tokens count."""

    text: str


@cache
def places_pattern(image: str, video: str) -> re.Pattern[str]:
    """Matches, as a group, every mark of a text and every placeholder of a picture or clip."""
    return re.compile("(\ue000[0-9]+\ue001|" + "|".join(map(re.escape, sorted({image, video}, key=len)[::-1])) + ")")


def segments(
    item: Item,
    tokenizer: PreTrainedTokenizerBase,
    image: str = "<image>",
    video: str = "<video>",
    videos_as: Literal["image", "video"] = "video",
) -> list[TemplateText | Part]:
    """Return the item as one user turn of the tokenizer's chat template, cut at its parts.

    Parts come back as they are, so that their text is never read as template or special token, in the template's
    order: some templates put pictures and clips in front of the text. `image` and `video` are what the template
    writes for a picture and a clip; with `videos_as` "image" it is asked for a clip as for a picture.

    Raises:
        ValueError: the tokenizer has no chat template, or the template drops or repeats a part, or changes the order
            among texts.
    """
    content = [
        {"type": "text", "text": MARK.format(number)}
        if isinstance(part, Text)
        else {"type": name, name: ""}  # some templates ask for the type, others for the key
        for number, part in enumerate(item.parts)
        for name in (videos_as if isinstance(part, Video) else kind(part),)
    ]
    turn: list[dict[str, Any]] = [{"role": "user", "content": content}]
    rendered = tokenizer.apply_chat_template(turn, tokenize=False)
    assert isinstance(rendered, str)
    return cut(rendered, item, image, image if videos_as == "image" else video)


def kind(part: Part) -> str:
    """Return the chat templates' word for a part."""
    return type(part).__name__.lower()


def cut(rendered: str, item: Item, image: str = "<image>", video: str = "<video>") -> list[TemplateText | Part]:
    """Split a rendered template at the marks of text parts and the placeholders of pictures and clips.

    The first placeholder of a kind is the item's first part of that kind, and so on. `image` and `video` may be the
    same; then pictures and clips keep their order among each other.

    Raises:
        ValueError: a part is missing, repeated, or a text out of order.
    """
    waiting: dict[str, list[tuple[int, Part]]] = {mark: [] for mark in (MARK, image, video)}
    places = {"text": MARK, "image": image, "video": video}
    for number, part in enumerate(item.parts):
        waiting[places[kind(part)]].append((number, part))
    pieces: list[TemplateText | Part] = []
    for piece in places_pattern(image, video).split(rendered):
        text = MARK_PATTERN.fullmatch(piece)
        if not text and piece not in (image, video):
            pieces += [TemplateText(piece)] * bool(piece)
            continue
        queue = waiting[MARK if text else piece]
        number, part = queue.pop(0) if queue else (-1, None)
        if part is None or (text and int(text[1]) != number):
            raise ValueError(
                f"The chat template repeats or moves a part of item {item.text!r}: {piece!r} is one too many or out of "
                "order. Pictures and clips may go in front of the text; each part comes once, texts in their order."
            )
        pieces.append(part)
    missing = sorted(number for queue in waiting.values() for number, _ in queue)
    if missing:
        name = kind(item.parts[missing[0]])
        written = "" if name == "text" else f", as {places[name]!r},"
        raise ValueError(f"The chat template does not place part {missing[0]} ({name}){written} of item {item.text!r}.")
    return pieces


def with_spaces(segments: Sequence[TemplateText | Part]) -> list[TemplateText | Part]:
    """Give the spaces with which a piece of template ends to the text behind it.

    In most vocabularies a word and the space before it are one token, so "User: red" is not "User: " and "red".
    """
    pieces = list(segments)
    for place, (one, other) in enumerate(zip(pieces, segments[1:], strict=False)):
        if isinstance(one, TemplateText) and isinstance(other, Text):
            kept = one.text.rstrip(" ")
            pieces[place], pieces[place + 1] = TemplateText(kept), Text(one.text[len(kept) :] + other.text)
    return pieces
