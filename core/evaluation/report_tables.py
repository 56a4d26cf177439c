"""Tables for people, as Markdown and as a page of HTML that needs nothing else."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape


@dataclass(frozen=True)
class Cell:
    """What a place of a table says, and in smaller letters what goes with it."""

    text: str
    small: str = ""


@dataclass(frozen=True)
class Row:
    """A line of a table; `own` ones stand out."""

    cells: tuple[Cell, ...]
    own: bool = False


@dataclass(frozen=True)
class Sheet:
    """A table with its title and the notes under it."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[Row, ...]
    notes: tuple[str, ...] = ()


def markdown(title: str, facts: Sequence[str], sheets: Sequence[Sheet]) -> str:
    """A document in Markdown."""
    blocks = [f"# {title}", "\n".join(f"- {fact}" for fact in facts)]
    for sheet in sheets:
        lines = [line_of(sheet.columns), line_of(["---"] + ["---:"] * (len(sheet.columns) - 1))]
        lines += [line_of([marked(cell, row.own) for cell in row.cells]) for row in sheet.rows]
        blocks += [f"## {sheet.title}", "\n".join(lines), *sheet.notes]
    return "\n\n".join(blocks) + "\n"


def line_of(cells: Sequence[str]) -> str:
    """A line of a Markdown table."""
    return f"| {' | '.join(each.replace('|', chr(92) + '|') for each in cells)} |"


def marked(cell: Cell, own: bool) -> str:
    """A cell in Markdown."""
    text = f"**{cell.text}**" if own else cell.text
    return f"{text} ({cell.small})" if cell.small else text


STYLE = """
:root { color-scheme: light dark; --page: #ffffff; --text: #1c1f23; --faint: #5f6770; --line: #dde1e6;
  --own: #e8f1fd; --head: #f5f6f8; }
@media (prefers-color-scheme: dark) { :root { --page: #15181c; --text: #e6e8ea; --faint: #9aa3ad; --line: #31363d;
  --own: #1b2f49; --head: #1e2228; } }
body { background: var(--page); color: var(--text); font: 15px/1.45 system-ui, sans-serif; margin: 2rem auto;
  max-width: 75rem; padding: 0 1rem; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.15rem; margin-top: 2.2rem; }
ul.facts { color: var(--faint); padding-left: 1.2rem; overflow-wrap: anywhere; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; min-width: 40rem; }
th, td { border-bottom: 1px solid var(--line); padding: .3rem .6rem; text-align: right; vertical-align: top; }
th { background: var(--head); font-weight: 600; position: sticky; top: 0; }
th:first-child, td:first-child { text-align: left; }
tr.own td { background: var(--own); font-weight: 600; }
th { white-space: nowrap; }
small { color: var(--faint); display: block; font-size: .78rem; font-weight: 400; white-space: nowrap; }
td:first-child small { white-space: normal; }
p.note { color: var(--faint); font-size: .9rem; max-width: 60rem; }
"""


def page(title: str, facts: Sequence[str], sheets: Sequence[Sheet]) -> str:
    """A document in HTML, in light or dark as the reader's system has it."""
    body = [f"<h1>{escape(title)}</h1>", '<ul class="facts">', *(f"<li>{escape(fact)}</li>" for fact in facts), "</ul>"]
    for sheet in sheets:
        body += [f"<h2>{escape(sheet.title)}</h2>", '<div class="wide"><table><thead><tr>']
        body += [f"<th>{escape(column)}</th>" for column in sheet.columns]
        body += ["</tr></thead><tbody>", *(row_of(row) for row in sheet.rows), "</tbody></table></div>"]
        body += [f'<p class="note">{escape(note)}</p>' for note in sheet.notes]
    head = '<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">'
    styled = f"{head}<title>{escape(title)}</title><style>{STYLE}</style>"
    return f'<!doctype html>\n<html lang="en"><head>{styled}</head>\n<body>\n' + "\n".join(body) + "\n</body></html>\n"


def row_of(row: Row) -> str:
    """A line of an HTML table."""
    cells = "".join(
        f"<td>{escape(cell.text)}{f'<small>{escape(cell.small)}</small>' if cell.small else ''}</td>"
        for cell in row.cells
    )
    return f'<tr class="own">{cells}</tr>' if row.own else f"<tr>{cells}</tr>"
