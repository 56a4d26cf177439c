"""Documents made from templates: the files of a folder `templates`, beside the code that fills them."""

from collections.abc import Iterable
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape


def templates(code: str) -> Environment:
    """Open the templates beside a module: in NAME.html.j2 what is filled in is escaped; a missing name is an error.

    code: the module's `__file__`.
    """
    environment = Environment(
        loader=FileSystemLoader(Path(code).with_name("templates")),
        autoescape=select_autoescape(["html.j2"]),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {"line": line, "flowed": flowed}
    return environment


def line(cells: Iterable[object]) -> str:
    """Return a line of a Markdown table: bars and line breaks, which would end a cell, are taken out of the cells."""
    return f"| {' | '.join(flowed(str(cell)).replace('|', chr(92) + '|') for cell in cells)} |"


def flowed(text: str) -> str:
    """Return words with one space between them, on one line however the template breaks it."""
    return " ".join(text.split())
