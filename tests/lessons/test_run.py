"""The lessons run, solved, in real kernels, and student copies up to exactly their first exercise.

One run of a solved notebook shows that its cells run in their time, that every answer is right, and its figures. The
script that a notebook is made of holds the same code in the same order, so that running each as well says nothing new
but of what looks at its own text or starts processes.
"""

import ast
import gc
import json
import re
import time

import nbformat
import plotly.graph_objects as go
import pytest
import warm_processes
from course import LESSONS, NAMES, ROOT, lesson, of_kind
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

from workbench.lessons.notebooks import student_notebook
from workbench.lessons.page import FIGURE
from workbench.lessons.source import tags

BUSY = 8
"""How many times its declared computing time a lesson may take: machines that run tests are slow, and two workers share
their cores."""
START_S = 120
"""Seconds for a process to import torch and transformers, on such a machine."""
LARGEST_FIGURE = 1_500_000
SCRIPTS = [name for name in NAMES if name == NAMES[0] or "run_on_ranks(" in lesson(name).path.read_text()]

COLOURS = re.compile(r"\x1b\[[0-9;]*m")
"""What a kernel paints its tracebacks with."""

pytestmark = pytest.mark.slow
every_lesson = pytest.mark.parametrize("name", NAMES)

# Runs the code cells of a notebook one after the other, as a kernel would, and prints the number of the first that
# fails and what it fails with.
RUNNER = """
import json, linecache, sys
import nbformat
cells = nbformat.read(sys.argv[1], 4).cells
namespace, stopped = {"__name__": "__main__"}, None
for number, cell in enumerate(cells):
    if cell.cell_type != "code":
        continue
    name = f"<cell {number}>"
    linecache.cache[name] = (len(cell.source), None, cell.source.splitlines(True), name)
    try:
        exec(compile(cell.source, name, "exec"), namespace)
    except BaseException as error:
        stopped = [number, type(error).__name__, str(error)]
        break
print("STOPPED", json.dumps(stopped))
"""


@pytest.fixture(autouse=True)
def surroundings(monkeypatch):
    """What the processes of lessons inherit: the project on the path, and no real models."""
    monkeypatch.setenv("LESSONS_REAL", "0")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))


def limit(name):
    return START_S + BUSY * lesson(name).lesson.cpu_seconds


def in_a_kernel(name, notebook, folder):
    """Run a lesson's notebook in a kernel of its own, started in the folder where the notebook lies."""
    resources = {"metadata": {"path": str(folder)}}
    NotebookClient(notebook, timeout=limit(name), kernel_name="python3", resources=resources).execute()


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_source_runs_as_a_script_within_its_time(name):
    done = warm_processes.run([f"lessons/source/{name}.py"], folder=ROOT, timeout_s=limit(name))
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


@every_lesson
def test_a_solved_notebook_runs_in_its_time_with_right_answers_and_figures(name):
    """Each figure is one with a title, and not too large."""
    solved = nbformat.read(LESSONS / "solutions" / f"{name}.ipynb", 4)
    started = time.monotonic()
    in_a_kernel(name, solved, LESSONS / "solutions")
    seconds = time.monotonic() - started
    print(f"{name}: {seconds:.0f} s, declared {lesson(name).lesson.cpu_seconds} s")
    assert seconds < limit(name)
    said = "".join(output.get("text", "") for cell in solved.cells for output in cell.get("outputs", []))
    assert [number for number in lesson(name).exercises if f"Exercise {number}: right." not in said] == []
    cells = [(number, cell) for number, cell in enumerate(solved.cells) if "figure" in tags(cell)]
    assert len(cells) == len(of_kind(lesson(name), "figure"))
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


@every_lesson
def test_the_students_copy_stops_at_exactly_its_first_exercise(name, tmp_path):
    made = student_notebook(lesson(name))
    path = tmp_path / f"{name}.ipynb"
    nbformat.write(made, path)
    done = warm_processes.run(["-c", RUNNER, path], folder=ROOT, timeout_s=limit(name))
    stopped = [json.loads(line.removeprefix("STOPPED ")) for line in done.stdout.splitlines() if "STOPPED " in line]
    assert len(stopped) == 1, f"{name}: {done.stderr[-2000:]}"
    assert stopped[0] is not None
    number, kind, message = stopped[0]
    first = lesson(name).exercises[0]
    assert (kind, message) == ("NotImplementedError", f"Exercise {first}")
    exercise = next(place for place, cell in enumerate(made.cells) if "exercise" in tags(cell))
    assert "check" in tags(made.cells[number])
    assert number == next(place for place in range(exercise, len(made.cells)) if "check" in tags(made.cells[place]))


@pytest.mark.parametrize("name", NAMES[:1])
def test_in_a_real_kernel_too_the_students_copy_stops_there(name):
    made = student_notebook(lesson(name))
    with pytest.raises(CellExecutionError) as stopped:
        in_a_kernel(name, made, LESSONS)
    assert "NotImplementedError: Exercise 1.1" in COLOURS.sub("", str(stopped.value))
    assert all(figures_of(cell) for cell in made.cells if cell.get("outputs") and "figure" in tags(cell))
