"""What lies in lessons/ is what the sources make: `make lessons` was run after the last change."""

import ast

import nbformat
import pytest
from course import LESSONS, NAMES, ROOT, lesson, of_kind

from workbench.lessons.build import build
from workbench.lessons.notebooks import student_notebook
from workbench.lessons.source import BEGIN, END


def test_notebooks_and_notes_are_fresh():
    stale = [str(path.relative_to(ROOT)) for path in build(LESSONS, LESSONS, check=True)]
    assert stale == [], "run `make lessons`, and remove files without a source"


def solutions(cell):
    """The lines between markers, one list a solution."""
    found, inside = [], False
    for line in cell.source.splitlines():
        if BEGIN in line:
            found.append([])
        elif inside:
            found[-1].append(line)
        inside = (inside or BEGIN in line) and END not in line
    return ["\n".join(lines) for lines in found]


@pytest.mark.parametrize("name", NAMES)
def test_the_students_copy_holds_no_solution(name):
    source = lesson(name)
    made = student_notebook(source)
    text = "\n".join(cell.source for cell in made.cells)
    secrets = [each for cell in of_kind(source, "exercise") for each in solutions(cell)]
    assert len(secrets) >= len(source.exercises)
    assert [secret for secret in secrets if secret in text] == []
    answers = [cell.source for cell in of_kind(source, "instructor")]
    assert [answer for answer in answers if answer in text] == []
    for cell in made.cells:
        if cell.cell_type == "code":
            ast.parse(cell.source)
    nbformat.validate(made)
