"""Files and functions stay small enough to be read at one sitting."""

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
CODE = ("core", "workbench", "apps", "benchmarks")
FILE_LINES = 400
LESSON_LINES = 600  # most of a lesson is prose
FUNCTION_LINES = 60


def sources(*folders: str) -> Iterator[Path]:
    """Every Python file under these folders of the project."""
    for folder in folders:
        yield from sorted((ROOT / folder).rglob("*.py"))


def lines(file: Path) -> int:
    """The number of lines in a file."""
    return len(file.read_text(encoding="utf-8").splitlines())


def long_functions(file: Path) -> list[str]:
    """The functions of a file that are longer than FUNCTION_LINES, from `def` to the last line."""
    functions = (
        node
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    )
    lengths = ((node.name, (node.end_lineno or node.lineno) - node.lineno + 1) for node in functions)
    return [f"{file.name}: {name} has {length} lines" for name, length in lengths if length > FUNCTION_LINES]


def test_no_file_is_too_long():
    assert [f"{file}: {lines(file)}" for file in sources(*CODE, "tests") if lines(file) > FILE_LINES] == []
    assert [f"{file}: {lines(file)}" for file in sources("lessons") if lines(file) > LESSON_LINES] == []


def test_no_function_is_too_long():
    assert [each for file in sources(*CODE) for each in long_functions(file)] == []


def test_the_sources_are_found():
    assert ROOT / "core" / "objectives" / "infonce.py" in set(sources(*CODE))


def test_a_planted_long_function_is_caught(tmp_path):
    def write(name: str, length: int) -> Path:
        file = tmp_path / name
        file.write_text("def f(x):\n" + "    x += 1\n" * (length - 1))
        return file

    assert long_functions(write("fits.py", FUNCTION_LINES)) == []
    assert long_functions(write("long.py", FUNCTION_LINES + 1)) == ["long.py: f has 61 lines"]
    assert lines(write("file.py", FILE_LINES + 1)) > FILE_LINES
