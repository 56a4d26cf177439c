"""Captions are data: nothing in them may act as Markdown."""

import re

SPECIAL = re.compile(r"([!-/:-@\[-`{-~])")


def escaped(text: str) -> str:
    """Return the text as Markdown that shows exactly its characters, on one line."""
    return SPECIAL.sub(r"\\\1", " ".join(text.split()))


def shortened(text: str, longest: int = 70) -> str:
    """Return the text on one line, cut to so many characters."""
    line = " ".join(text.split())
    return line if len(line) <= longest else line[: longest - 3] + "..."
