"""The notebooks of a lesson: the student's, without solutions, and the solved one. Byte-stable."""

import json
import re
from collections.abc import Iterable

import nbformat
from nbformat import NotebookNode

from workbench.lessons.frame import closing_text, install_code, opening_text
from workbench.lessons.source import BEGIN, END, EXERCISE, SEED, Source, tags

KERNEL = {"display_name": "Python 3", "language": "python", "name": "python3"}
ANSWERS = {"predict": "*Your prediction (before you run on):*", "explain": "*Your answer:*"}
POINTS = 5
"""Points of a solved exercise, times its difficulty."""


def student_notebook(source: Source, seed: int = 0, project: str = "") -> NotebookNode:
    """Return the copy that a learner fills in: stubs in place of solutions, no cells for instructors."""
    cells = [without_solution(cell) for cell in source.cells if "instructor" not in tags(cell)]
    return notebook(source, cells, seed, project, up="..")


def solution_notebook(source: Source, seed: int = 0, project: str = "") -> NotebookNode:
    """Return the solved copy, with the instructor's answers."""
    return notebook(source, source.cells, seed, project, up="../..")


def graded_notebook(source: Source, seed: int = 0, project: str = "") -> NotebookNode:
    """Make the solved copy that nbgrader makes an assignment of: it clears solutions. No cells for instructors."""
    cells = [cell for cell in source.cells if "instructor" not in tags(cell)]
    return notebook(source, cells, seed, project, up="../../..")


def notebook(source: Source, cells: Iterable[NotebookNode], seed: int, project: str, up: str) -> NotebookNode:
    """Return a notebook between the common first and last cells, with stable ids and without outputs.

    up: the way from the notebook's folder to the project's.
    """
    framed = [
        nbformat.v4.new_markdown_cell(opening_text(source.lesson, up)),
        nbformat.v4.new_code_cell(install_code(project), metadata={"tags": ["install"]}),
        *(each for cell in cells for each in finished(seeded(cell, seed))),
        nbformat.v4.new_markdown_cell(closing_text(source.lesson)),
    ]
    for number, cell in enumerate(framed):
        cell.id = f"cell-{number:03d}"
    metadata = {"kernelspec": KERNEL, "language_info": {"name": "python"}}
    return nbformat.v4.new_notebook(cells=framed, metadata=metadata)


def written(made: NotebookNode) -> str:
    """Return the file's text: sorted keys, one space a level as Jupyter writes, and a last line break."""
    nbformat.validate(made)
    return json.dumps(made, indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def without_solution(cell: NotebookNode) -> NotebookNode:
    """Return a copy of the cell whose solutions raise NotImplementedError instead."""
    number = cell.metadata.get("exercise", "")
    stub = rf'\1raise NotImplementedError("Exercise {number}")'
    pattern = rf"^([ \t]*)# {BEGIN}\n.*?^[ \t]*# {END}"
    return changed(cell, re.sub(pattern, stub, cell.source, flags=re.MULTILINE | re.DOTALL))


def seeded(cell: NotebookNode, seed: int) -> NotebookNode:
    """Return a copy of the cell that sets another seed, if it sets one."""
    if "parameters" not in tags(cell):
        return cell
    return changed(cell, SEED.sub(f"SEED = {seed}", cell.source))


def changed(cell: NotebookNode, text: str) -> NotebookNode:
    """Return a copy of a cell with another text."""
    return NotebookNode({**cell, "source": text})


def finished(cell: NotebookNode) -> list[NotebookNode]:
    """Return the cell in its final form, with a cell for the learner's words after a question."""
    kinds = tags(cell)
    text = folded(cell.source) if "hint" in kinds else headed(cell)
    make = nbformat.v4.new_markdown_cell if cell.cell_type == "markdown" else nbformat.v4.new_code_cell
    cells = [make(text, metadata={"tags": kinds, **grading(cell)} if kinds else {})]
    for kind, prompt in ANSWERS.items():
        if kind in kinds:
            cells.append(nbformat.v4.new_markdown_cell(prompt, metadata={"tags": ["answer"]}))
    return cells


def headed(cell: NotebookNode) -> str:
    """Return the cell's text, an exercise's under a line that says how hard and how long it is."""
    if "exercise" not in tags(cell):
        return cell.source
    number, difficulty, minutes = (cell.metadata[name] for name in EXERCISE)
    return f"# Exercise {number}: difficulty {difficulty} of 5, about {minutes} minutes\n{cell.source}"


def folded(text: str) -> str:
    """Return a hint that opens on a click: the first line is its title."""
    title, _, rest = text.partition("\n")
    return f"<details><summary>{title.strip('# ')}</summary>\n\n{rest.strip()}\n\n</details>"


def grading(cell: NotebookNode) -> dict[str, object]:
    """nbgrader's metadata: exercises are filled in, checks give points. Empty for other cells."""
    kinds, number = tags(cell), str(cell.metadata.get("exercise", ""))
    if "exercise" in kinds:
        return {"nbgrader": marks(f"exercise-{number}", solution=True)}
    if "check" in kinds:
        return {"nbgrader": {**marks(f"check-{number}", grade=True, locked=True), "points": points(cell)}}
    return {}


def marks(grade_id: str, solution: bool = False, grade: bool = False, locked: bool = False) -> dict[str, object]:
    """Return one cell's entry in nbgrader's schema 3."""
    name = grade_id.replace(".", "-")
    return {
        "grade": grade,
        "grade_id": name,
        "locked": locked,
        "schema_version": 3,
        "solution": solution,
        "task": False,
    }


def points(cell: NotebookNode) -> int:
    """Say what a solved exercise is worth."""
    return POINTS * int(cell.metadata.get("difficulty", 1))
