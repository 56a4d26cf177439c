"""The lessons run: as scripts, as notebooks in real kernels, and student copies up to exactly their first exercise."""

import json
import os
import re
import subprocess
import sys
import time

import nbformat
import plotly.graph_objects as go
import pytest
from course import LESSONS, NAMES, ROOT, lesson, of_kind
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

from workbench.lessons.notebooks import student_notebook
from workbench.lessons.source import tags

BUSY = 4
"""How many times its declared computing time a lesson may take: machines that run tests are slow and shared."""
START_S = 120
"""Seconds for a process to import torch and transformers, on such a machine."""
LARGEST_FIGURE = 1_500_000

COLOURS = re.compile(r"\x1b\[[0-9;]*m")
"""What a kernel paints its tracebacks with."""

pytestmark = pytest.mark.slow
every_lesson = pytest.mark.parametrize("name", NAMES)

# Runs the code cells of a notebook one after the other, as a kernel would, and prints the number of the first that
# fails, what it fails with, and every figure's title and size.
RUNNER = """
import ast, json, linecache, sys
import nbformat
import plotly.graph_objects as go
cells = nbformat.read(sys.argv[1], 4).cells
namespace, figures = {"__name__": "__main__"}, []
for number, cell in enumerate(cells):
    if cell.cell_type != "code":
        continue
    name = f"<cell {number}>"
    linecache.cache[name] = (len(cell.source), None, cell.source.splitlines(True), name)
    body = ast.parse(cell.source).body
    last = body.pop() if body and isinstance(body[-1], ast.Expr) else None
    try:
        exec(compile(ast.Module(body, []), name, "exec"), namespace)
        value = eval(compile(ast.Expression(last.value), name, "eval"), namespace) if last else None
    except BaseException as error:
        print("STOPPED", json.dumps([number, type(error).__name__, str(error)]))
        break
    if "figure" in cell.metadata.get("tags", []):
        known = isinstance(value, go.Figure)
        figures.append([number, known and value.layout.title.text, len(value.to_json()) if known else 0])
print("FIGURES", json.dumps(figures))
"""


def limit(name):
    return START_S + BUSY * lesson(name).lesson.cpu_seconds


def run(command, seconds):
    """Run one of our commands as a learner would."""
    environment = {**os.environ, "LESSONS_REAL": "0", "PYTHONPATH": str(ROOT)}
    return subprocess.run(
        [sys.executable, *command],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
    )


def cells_in_order(name, path, seconds):
    """What RUNNER says of a notebook: where it stopped (or None) and its figures."""
    done = run(["-c", RUNNER, str(path)], seconds)
    said = {
        line.split(" ", 1)[0]: json.loads(line.split(" ", 1)[1])
        for line in done.stdout.splitlines()
        if line.startswith(("STOPPED ", "FIGURES "))
    }
    assert "FIGURES" in said, f"{name}: {done.stderr[-2000:]}"
    return said.get("STOPPED"), said["FIGURES"]


@every_lesson
def test_a_source_runs_as_a_script_within_its_time(name):
    started = time.monotonic()
    done = run([f"lessons/source/{name}.py"], limit(name))
    print(f"{name}: {time.monotonic() - started:.0f} s, declared {lesson(name).lesson.cpu_seconds} s")
    assert done.returncode == 0, done.stderr[-3000:]
    for number in lesson(name).exercises:
        assert f"Exercise {number}: right." in done.stdout


@every_lesson
def test_the_students_copy_stops_at_exactly_its_first_exercise(name, tmp_path):
    made = student_notebook(lesson(name))
    path = tmp_path / f"{name}.ipynb"
    nbformat.write(made, path)
    stopped, _ = cells_in_order(name, path, limit(name))
    assert stopped is not None
    number, kind, message = stopped
    first = lesson(name).exercises[0]
    assert (kind, message) == ("NotImplementedError", f"Exercise {first}")
    exercise = next(place for place, cell in enumerate(made.cells) if "exercise" in tags(cell))
    assert "check" in tags(made.cells[number])
    assert number == next(place for place in range(exercise, len(made.cells)) if "check" in tags(made.cells[place]))


@every_lesson
def test_every_figure_is_one_with_a_title_and_not_too_large(name):
    stopped, figures = cells_in_order(name, LESSONS / "solutions" / f"{name}.ipynb", limit(name))
    assert stopped is None, stopped
    assert len(figures) == len(of_kind(lesson(name), "figure"))
    for number, title, size in figures:
        assert title, f"cell {number} shows no figure with a title"
        assert len(re.sub("<[^>]*>", "", title)) <= 100, title
        assert size <= LARGEST_FIGURE, f"cell {number}: {size:,} bytes"


@pytest.mark.parametrize("name", NAMES[:1])
def test_in_a_real_kernel_too_the_students_copy_stops_there(name):
    made = student_notebook(lesson(name))
    client = NotebookClient(made, timeout=limit(name), kernel_name="python3", resources={"metadata": {"path": LESSONS}})
    with pytest.raises(CellExecutionError) as stopped:
        client.execute()
    assert "NotImplementedError: Exercise 1.1" in COLOURS.sub("", str(stopped.value))
    figures = [
        output.data["application/vnd.plotly.v1+json"]
        for cell in made.cells
        for output in cell.get("outputs", [])
        if "application/vnd.plotly.v1+json" in output.get("data", {})
    ]
    assert all(go.Figure(figure) for figure in figures)


def test_all_solved_notebooks_run_in_real_kernels():
    names = [str(LESSONS / "solutions" / f"{name}.ipynb") for name in NAMES]
    seconds = sum(limit(name) for name in NAMES)
    longest = max(limit(name) for name in NAMES)
    options = [
        "--nbmake",
        f"--nbmake-timeout={longest}",
        "--durations=0",
        "-q",
        "-p",
        "no:cacheprovider",
        "-c",
        os.devnull,
    ]
    done = run(["-m", "pytest", *options, f"--rootdir={ROOT}", *names], seconds)
    print(done.stdout[-3000:])
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-1000:]
    assert f"{len(NAMES)} passed" in done.stdout
