"""How an item is put into words for the backbone: its chat template around the item's parts."""

from dataclasses import dataclass
from typing import Any

from transformers import PreTrainedTokenizerBase

from core.data.records import Item, Part, Text

# Private-use characters: they mark where a part goes in the rendered template and cannot be typed in a template.
MARK = "\ue000{}\ue001"


@dataclass(frozen=True)
class Scaffold:
    """A piece of the template itself, in which special tokens count."""

    text: str


def segments(
    item: Item, tokenizer: PreTrainedTokenizerBase, image: str = "<image>", video: str = "<video>"
) -> list[Scaffold | Part]:
    """The item as one user turn of the tokenizer's chat template, cut at its parts.

    Parts come back as they are, so that their text is never read as template or special token. `image` and `video`
    are what the template writes for a picture and a clip.

    Raises:
        ValueError: the tokenizer has no chat template, or the template drops or repeats a part.
    """
    content = [
        {"type": "text", "text": MARK.format(number)}
        if isinstance(part, Text)
        else {"type": kind(part), kind(part): ""}  # some templates ask for the type, others for the key
        for number, part in enumerate(item.parts)
    ]
    turn: list[dict[str, Any]] = [{"role": "user", "content": content}]
    rendered = tokenizer.apply_chat_template(turn, tokenize=False)
    assert isinstance(rendered, str)
    return cut(rendered, item, image, video)


def kind(part: Part) -> str:
    """The chat templates' word for a part."""
    return type(part).__name__.lower()


def cut(rendered: str, item: Item, image: str = "<image>", video: str = "<video>") -> list[Scaffold | Part]:
    """Split a rendered template at the marks of text parts and the placeholders of pictures and clips.

    Raises:
        ValueError: a part is missing, repeated or out of order.
    """
    pieces: list[Scaffold | Part] = []
    places = {"image": image, "video": video}
    for number, part in enumerate(item.parts):
        mark = MARK.format(number) if isinstance(part, Text) else places[kind(part)]
        before, found, rendered = rendered.partition(mark)
        if not found:
            raise ValueError(
                f"The chat template does not place part {number} ({mark!r}) of item {item.text!r} in order."
            )
        pieces += [Scaffold(before)] * bool(before) + [part]
    pieces += [Scaffold(rendered)] * bool(rendered)
    for piece in pieces:
        if isinstance(piece, Scaffold) and any(mark in piece.text for mark in (MARK[0], image, video)):
            raise ValueError(f"The chat template repeats or moves a part of item {item.text!r}: {piece.text!r}.")
    return pieces
