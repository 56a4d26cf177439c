"""Tables for people: as text, as Markdown, and as a page of HTML that needs nothing else."""

from collections.abc import Sequence
from dataclasses import dataclass

from core.files.documents import templates


@dataclass(frozen=True)
class Cell:
    """What a place of a table says, and in smaller letters what goes with it."""

    text: str
    small: str = ""


@dataclass(frozen=True)
class TableRow:
    """A line of a table; `own` ones stand out."""

    cells: tuple[Cell, ...]
    own: bool = False


@dataclass(frozen=True)
class ReportTable:
    """A table with its title and the notes under it."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[TableRow, ...]
    notes: tuple[str, ...] = ()


def text_table(columns: Sequence[str], rows: Sequence[Sequence[object]], left: int = 1) -> str:
    """Align columns two spaces apart, the first `left` of them flush left, the others flush right."""
    lines = [[str(cell) for cell in row] for row in (columns, *rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    forms = [f"{'<' if place < left else '>'}{width}" for place, width in enumerate(widths)]
    return "\n".join("  ".join(map(format, row, forms)) for row in lines)


def markdown(title: str, facts: Sequence[str], tables: Sequence[ReportTable]) -> str:
    """Return a document in Markdown."""
    return TEMPLATES.get_template("report.md.j2").render(title=title, facts=facts, tables=tables)


def page(title: str, facts: Sequence[str], tables: Sequence[ReportTable]) -> str:
    """Return a document in HTML, in light or dark as the reader's system has it."""
    return TEMPLATES.get_template("report.html.j2").render(title=title, facts=facts, tables=tables)


def as_texts(row: TableRow, own: str = "") -> list[str]:
    """Return the cells with their small print in parentheses; own: what stands around the texts of an own row."""
    mark = own if row.own else ""
    return [f"{mark}{cell.text}{mark}{f' ({cell.small})' if cell.small else ''}" for cell in row.cells]


TEMPLATES = templates(__file__)
TEMPLATES.filters["texts"] = as_texts
