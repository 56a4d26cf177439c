"""The lessons run in real kernels, as learners run them: up to exactly the first exercise, and then solved.

One run of a notebook shows where the student's copy stops, that the solved cells run in their time, that every answer
is right, and its figures. The script that a notebook is made of holds the same code in the same order, so that running
each as well says nothing new but of what looks at its own text or starts processes.
"""

import ast
import gc
import os
import re
import time
from typing import NamedTuple

import nbformat
import plotly.graph_objects as go
import pytest
import warm_processes
from course import LESSONS, NAMES, ROOT, lesson, of_kind
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from nbformat import NotebookNode
from warm_kernels import WarmKernelManager

from workbench.lessons.notebooks import student_notebook
from workbench.lessons.page import FIGURE
from workbench.lessons.source import tags

BUSY = 8
"""How many times its declared computing time a lesson may take: machines that run tests are slow, and two workers share
their cores."""
START_S = 120
"""Seconds for a process to import torch and transformers, on such a machine."""
SURROUNDINGS = {"LESSONS_REAL": "0", "PYTHONPATH": str(ROOT)}
"""What the processes of lessons inherit: the project on the path, and no real models."""
LARGEST_FIGURE = 1_500_000
SCRIPTS = [name for name in NAMES if name == NAMES[0] or "run_on_ranks(" in lesson(name).path.read_text()]

COLOURS = re.compile(r"\x1b\[[0-9;]*m")
"""What a kernel paints its tracebacks with."""

pytestmark = pytest.mark.slow
every_lesson = pytest.mark.parametrize("name", NAMES)


class Learned(NamedTuple):
    """A lesson's notebook that has run: its stubs with the first check, then the solved cells."""

    name: str
    unsolved: list[NotebookNode]
    """The student's cells from the first exercise to its check."""
    solved: list[NotebookNode]
    """Every cell of the solved notebook."""
    seconds: float


@pytest.fixture(scope="module", params=NAMES)
def learned(request) -> Learned:
    """A lesson as a learner runs it, in one kernel.

    What comes before the first exercise is the same code in both copies and runs once. Then come the student's cells
    up to the check, the only one that may fail, and after it the solved cells, from the exercise on.
    """
    name = request.param
    solved = nbformat.read(LESSONS / "solutions" / f"{name}.ipynb", 4)
    students = student_notebook(lesson(name)).cells
    first, begin = (first_of("exercise", cells) for cells in (students, solved.cells))
    assert code_of(students[:first]) == code_of(solved.cells[:begin])
    unsolved = students[first : first_of("check", students, first) + 1]
    unsolved[-1].metadata["tags"] = [*tags(unsolved[-1]), "raises-exception"]
    for number, cell in enumerate(unsolved):
        cell.id = f"unsolved-{number}"
    both = NotebookNode({**solved, "cells": [*solved.cells[:begin], *unsolved, *solved.cells[begin:]]})
    started = time.monotonic()
    in_a_kernel(name, both, LESSONS / "solutions", kernel_manager_class=WarmKernelManager)
    return Learned(name, unsolved, solved.cells, time.monotonic() - started)


def first_of(kind, cells, start=0):
    """The place of the first cell with a tag."""
    return next(place for place in range(start, len(cells)) if kind in tags(cells[place]))


def code_of(cells):
    """The texts of cells of code."""
    return [cell.source for cell in cells if cell.cell_type == "code"]


def limit(name):
    return START_S + BUSY * lesson(name).lesson.cpu_seconds


def in_a_kernel(name, notebook, folder, **options):
    """Run a lesson's notebook in a kernel of its own, started in the folder where the notebook lies."""
    resources = {"metadata": {"path": str(folder)}}
    client = NotebookClient(notebook, timeout=limit(name), kernel_name="python3", resources=resources, **options)
    client.execute(env=os.environ | SURROUNDINGS)


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_source_runs_as_a_script_within_its_time(name):
    program = [f"lessons/source/{name}.py"]
    done = warm_processes.run(program, os.environ | SURROUNDINGS, folder=ROOT, timeout_s=limit(name))
    assert done.returncode == 0, done.stderr[-3000:]
    for number in lesson(name).exercises:
        assert f"Exercise {number}: right." in done.stdout


@pytest.fixture
def no_garbage_collection():
    """Python 3.11 refuses to parse (SystemError) where a collection in its midst runs a browser's greenlet."""
    gc.disable()
    yield
    gc.enable()


@every_lesson
@pytest.mark.usefixtures("no_garbage_collection")
def test_a_solved_notebook_is_its_script_cell_by_cell(name):
    cells = nbformat.read(LESSONS / "solutions" / f"{name}.ipynb", 4).cells
    code = [cell.source for cell in cells if cell.cell_type == "code" and "install" not in tags(cell)]
    statements = [node for text in code for node in ast.parse(text).body]
    script = ast.parse(lesson(name).path.read_text(encoding="utf-8"))
    assert ast.dump(ast.Module(statements, [])) == ast.dump(script)


def test_the_students_copy_stops_at_exactly_its_first_exercise(learned):
    """Its check says which exercise is to be written; no cell before it fails."""
    stopped = [
        (place, output.ename, output.evalue)
        for place, cell in enumerate(learned.unsolved)
        for output in cell.get("outputs", [])
        if output.output_type == "error"
    ]
    first = lesson(learned.name).exercises[0]
    assert stopped == [(len(learned.unsolved) - 1, "NotImplementedError", f"Exercise {first}")]


def test_a_solved_notebook_runs_in_its_time_with_right_answers_and_figures(learned):
    """Each figure is one with a title, and not too large."""
    source = lesson(learned.name)
    print(f"{learned.name}: {learned.seconds:.0f} s, declared {source.lesson.cpu_seconds} s")
    assert learned.seconds < limit(learned.name)
    said = "".join(output.get("text", "") for cell in learned.solved for output in cell.get("outputs", []))
    assert [number for number in source.exercises if f"Exercise {number}: right." not in said] == []
    cells = [(number, cell) for number, cell in enumerate(learned.solved) if "figure" in tags(cell)]
    assert len(cells) == len(of_kind(source, "figure"))
    for number, cell in cells:
        assert figures_of(cell), f"cell {number} shows no figure"
        figure = figures_of(cell)[-1]
        title, size = figure.layout.title.text, len(figure.to_json() or "")
        assert title, f"cell {number} shows no figure with a title"
        assert len(re.sub("<[^>]*>", "", title)) <= 100, title
        assert size <= LARGEST_FIGURE, f"cell {number}: {size:,} bytes"


def figures_of(cell):
    """The figures that a cell of a notebook that has run shows."""
    return [go.Figure(output.data[FIGURE]) for output in cell.get("outputs", []) if FIGURE in output.get("data", {})]


@pytest.mark.parametrize("name", NAMES[:1])
def test_in_a_real_kernel_too_the_students_copy_stops_there(name):
    made = student_notebook(lesson(name))
    with pytest.raises(CellExecutionError) as stopped:
        in_a_kernel(name, made, LESSONS)
    assert "NotImplementedError: Exercise 1.1" in COLOURS.sub("", str(stopped.value))
    assert all(figures_of(cell) for cell in made.cells if cell.get("outputs") and "figure" in tags(cell))
