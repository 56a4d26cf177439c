"""The lessons of the course for tests over all of them."""

import ast
import linecache
from collections.abc import Iterator
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

from nbformat import NotebookNode

from workbench.lessons.source import Source, read_source, sources, tags

ROOT = Path(__file__).parents[2]
LESSONS = ROOT / "lessons"
PATHS = sources(LESSONS / "source")
NAMES = [path.stem for path in PATHS]


@cache
def lesson(name: str) -> Source:
    """A lesson by the name of its file."""
    return read_source(LESSONS / "source" / f"{name}.py")


def code_cells(source: Source) -> Iterator[NotebookNode]:
    """Its cells of code."""
    return (cell for cell in source.cells if cell.cell_type == "code")


def of_kind(source: Source, kind: str) -> list[NotebookNode]:
    """Its cells with a tag."""
    return [cell for cell in source.cells if kind in tags(cell)]


def after_exercises(source: Source) -> Iterator[tuple[str, list[NotebookNode]]]:
    """Each exercise's number with the cells from it to the next one."""
    starts = [place for place, cell in enumerate(source.cells) if "exercise" in tags(cell)]
    for start, end in zip(starts, [*starts[1:], len(source.cells)], strict=True):
        yield source.cells[start].metadata["exercise"], list(source.cells[start:end])


def definitions(source: Source, seed: int) -> dict[str, Any]:
    """What a lesson imports, defines and sets to constants, without running anything else; SEED is `seed`."""
    namespace: dict[str, Any] = {"__name__": source.path.stem}
    for number, cell in enumerate(code_cells(source)):
        name = f"<{source.path.stem}, cell {number}>"
        linecache.cache[name] = (len(cell.source), None, cell.source.splitlines(True), name)  # for inspect.getsource
        for node in filter(is_definition, ast.parse(cell.source).body):
            with suppress(NameError):  # it is made of results, which nothing here has
                exec(compile(ast.Module([node], []), name, "exec"), namespace)
    namespace["SEED"] = seed
    return namespace


def is_definition(node: ast.stmt) -> bool:
    """An import, a function, a class, or an assignment without a call: a constant, or a type's short name."""
    if isinstance(node, ast.Assign | ast.AnnAssign):
        return not any(isinstance(part, ast.Call) for part in ast.walk(node))
    return isinstance(node, ast.Import | ast.ImportFrom | ast.FunctionDef | ast.ClassDef)
