"""Docstrings as reStructuredText that shows them as they were written.

They are plain text in google style: `*`, `_`, `|h|` and `<t_i, t_j>` stand for themselves. What means something there
means the same here: an empty line, an indented block, a line "name: ...", a section (Raises:), `code` in backticks.
"""

import re
from collections.abc import Iterator
from itertools import groupby

SECTIONS = {"Args:": "param", "Attributes:": "param", "Raises:": "raises", "Returns:": "returns", "Yields:": "yields"}
CODE = re.compile(r"(`+)(?! )([^`]+?)(?<! )\1")
OURS = re.compile(r"(core|workbench)(\.\w+)+")
# A line such as "alpha: how much the reward weighs", or an equation alone: "loss_i = -log(...)".
FIELD = re.compile(r"([a-z_]\w*(?:, [a-z_]\w*)*): ")
EQUATION = re.compile(r"\S+(\([^)]*\))? = ")


def as_rst(docstring: str) -> str:
    """The docstring in reStructuredText."""
    blocks: list[str] = []
    lines = docstring.splitlines()
    while lines:
        if not lines[0].strip():
            lines.pop(0)
        elif lines[0] in SECTIONS:
            blocks.append(section(SECTIONS[lines.pop(0)], indented(lines)))
        elif lines[0].startswith(" "):
            blocks.append(literal(indented(lines)))
        else:
            blocks.extend(paragraph(flush_left(lines)))
    return "\n\n".join(blocks) + "\n"


def first_paragraph(docstring: str) -> str:
    """What a docstring says first, as reStructuredText on one line."""
    return running(docstring.split("\n\n")[0].split("\n"))


def indented(lines: list[str]) -> list[str]:
    """Take the lines of an indented block off the front, empty ones within it too; they lose their common indent."""
    taken: list[str] = []
    while lines and (not lines[0].strip() or lines[0].startswith(" ")):
        taken.append(lines.pop(0))
    while taken and not taken[-1].strip():
        taken.pop()
    depth = min((len(line) - len(line.lstrip()) for line in taken if line.strip()), default=0)
    return [line[depth:] for line in taken]


def flush_left(lines: list[str]) -> list[str]:
    """Take the lines of a paragraph off the front."""
    taken: list[str] = []
    while lines and lines[0].strip() and not lines[0].startswith(" ") and lines[0] not in SECTIONS:
        taken.append(lines.pop(0))
    return taken


def paragraph(lines: list[str]) -> Iterator[str]:
    """A paragraph: an equation as it stands up to its full stop, lines "name: ..." as a list, running text."""
    if EQUATION.match(lines[0]):
        end = next((index for index, line in enumerate(lines) if line.endswith(".")), len(lines)) + 1
        yield literal(lines[:end])
        lines = lines[end:]
    parts: list[list[str]] = []
    for line in lines:
        begins = not parts or parts[-1][-1].endswith((".", ":", ";", ")"))
        if not parts or (begins and FIELD.match(line)):
            parts.append([line])
        else:
            parts[-1].append(line)
    for is_field, group in groupby(parts, lambda part: bool(FIELD.match(part[0]))):
        members = list(group)
        yield "\n".join(f"* {field(part)}" for part in members) if is_field else "\n\n".join(map(running, members))


def field(lines: list[str]) -> str:
    """A line "name: ..." with its name as code."""
    name, _, rest = " ".join(lines).partition(": ")
    return f"``{name}``: {running([rest])}"


def section(name: str, lines: list[str]) -> str:
    """The entries of a section as a field list; deeper lines go on with the entry above."""
    entries: list[list[str]] = []
    for line in lines:
        if entries and line.startswith(" "):
            entries[-1].append(line.strip())
        else:
            entries.append([line])
    if name in ("returns", "yields"):
        return f":{name}: {running([line for entry in entries for line in entry])}"
    parts = [" ".join(entry).partition(": ") for entry in entries]
    return "\n".join(f":{name} {what}: {running([text])}" for what, _, text in parts)


def literal(lines: list[str]) -> str:
    """Lines that are shown as they are."""
    return ".. code-block:: text\n\n" + "\n".join(f"   {line}".rstrip() for line in lines)


def running(lines: list[str]) -> str:
    """Running text on one line: code in backticks as code, with a link where it names something of ours."""
    text, parts, end = " ".join(line.strip() for line in lines), [], 0
    for match in CODE.finditer(text):
        code = match[2]
        parts += [escaped(text[end : match.start()]), f":py:obj:`{code}`" if OURS.fullmatch(code) else f"``{code}``"]
        end = match.end()
    return "\\ ".join([*parts, escaped(text[end:])]) if parts else escaped(text)


def escaped(text: str) -> str:
    """Text in which nothing is markup."""
    return re.sub(r"([^\w\s])", r"\\\1", text).replace("_", "\\_")
