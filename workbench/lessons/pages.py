"""Write lessons as pages to read: executed, with figures that move, one file each, no kernel and no network needed.

python -m workbench.lessons.pages --out pages                           # all lessons, exercises not solved
python -m workbench.lessons.pages --out pages --solutions --lessons 1 3 # with solutions and instructors' answers
"""

import argparse
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from nbformat import NotebookNode

from workbench.lessons.build import LESSONS, replace
from workbench.lessons.notebooks import solution_notebook, student_notebook
from workbench.lessons.page import TEMPLATES, page
from workbench.lessons.source import Source, read_source, sources, tags

PATIENCE = 20
"""How many times a lesson's declared computing time one cell may take: the machine may be busy."""


def main() -> None:
    """Execute and write."""
    options = parse()
    try:
        for path, seconds in pages(LESSONS, options.out, options.lessons, options.solutions):
            print(f"{path}  ({seconds:.0f} s)")
    except (CellExecutionError, ValueError) as error:
        sys.exit(f"ERROR: {error}")
    print(f"Open {options.out / 'index.html'} in a browser.")


def parse() -> argparse.Namespace:
    """Return the command line."""
    parser = argparse.ArgumentParser(description="Execute lessons and write them as pages that need no network.")
    parser.add_argument("--out", type=Path, required=True, help="folder to write to")
    parser.add_argument("--lessons", type=int, nargs="+", default=[], help="numbers of lessons (default: all)")
    parser.add_argument("--solutions", action="store_true", help="show solutions and instructors' answers")
    return parser.parse_args()


def pages(folder: Path, out: Path, numbers: Sequence[int], solutions: bool) -> Iterator[tuple[Path, float]]:
    """Write a page for each lesson and one that lists them; yields each lesson's page and the seconds it took.

    Raises:
        ValueError: there is no lesson of one of the numbers, or a source breaks the form.
        CellExecutionError: a cell fails.
    """
    all_lessons = [read_source(path) for path in sources(folder / "source")]
    known = {source.lesson.number: source for source in all_lessons}
    for number in numbers:
        if number not in known:
            raise ValueError(f"there is no lesson {number}; the course has {', '.join(map(str, known))}.")
    chosen = [known[number] for number in numbers or known]
    for source in chosen:
        started = time.monotonic()
        solved = executed(solution_notebook(source), folder, PATIENCE * source.lesson.cpu_seconds)
        cells = solved.cells if solutions else unsolved(solved, source)
        target = out / f"{source.path.stem}.html"
        replace(target, page(f"{source.lesson.number}. {source.lesson.title}", cells))
        yield target, time.monotonic() - started
    index = TEMPLATES.get_template("index.html.j2")
    replace(out / "index.html", index.render(title="Hard negatives by doing: the course", chosen=chosen))


def executed(notebook: NotebookNode, folder: Path, seconds: int) -> NotebookNode:
    """Return the notebook after a run of all cells in a kernel of its own.

    Raises:
        CellExecutionError: a cell fails.
    """
    client = NotebookClient(notebook, timeout=seconds, kernel_name="python3", resources={"metadata": {"path": folder}})
    return client.execute()


def unsolved(solved: NotebookNode, source: Source) -> list[NotebookNode]:
    """Return the student's cells with the outputs of the solved notebook: figures to look at, exercises left to do."""
    shown = (cell for cell in solved.cells if "instructor" not in tags(cell))
    pairs = zip(student_notebook(source).cells, shown, strict=True)
    return [NotebookNode({**with_output, "source": cell.source}) for cell, with_output in pairs]


if __name__ == "__main__":
    main()
