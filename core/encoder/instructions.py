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


def segments(item: Item, tokenizer: PreTrainedTokenizerBase) -> list[Scaffold | Part]:
    """The item as one user turn of the tokenizer's chat template, cut at its parts.

    Parts come back as they are, so that their text is never read as template or special token.

    Raises:
        ValueError: the tokenizer has no chat template, or the template drops or repeats a part.
    """
    content = [
        {"type": "text", "text": MARK.format(number)}
        if isinstance(part, Text)
        else {"type": type(part).__name__.lower()}
        for number, part in enumerate(item.parts)
    ]
    turn: list[dict[str, Any]] = [{"role": "user", "content": content}]
    rendered = tokenizer.apply_chat_template(turn, tokenize=False)
    assert isinstance(rendered, str)
    return cut(rendered, item)


def cut(rendered: str, item: Item) -> list[Scaffold | Part]:
    """Split a rendered template at the marks of text parts and the placeholders of pictures and clips.

    Raises:
        ValueError: a part is missing, repeated or out of order.
    """
    pieces: list[Scaffold | Part] = []
    for number, part in enumerate(item.parts):
        mark = MARK.format(number) if isinstance(part, Text) else f"<{type(part).__name__.lower()}>"
        before, found, rendered = rendered.partition(mark)
        if not found:
            raise ValueError(
                f"The chat template does not place part {number} ({mark!r}) of item {item.text!r} in order."
            )
        pieces += [Scaffold(before)] * bool(before) + [part]
    pieces += [Scaffold(rendered)] * bool(rendered)
    for piece in pieces:
        if isinstance(piece, Scaffold) and any(mark in piece.text for mark in (MARK[0], "<image>", "<video>")):
            raise ValueError(f"The chat template repeats or moves a part of item {item.text!r}: {piece.text!r}.")
    return pieces
