"""Docstrings of functions begin with a verb, as a list of what one can do reads best."""

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
NO_VERBS = {
    "A",
    "An",
    "Each",
    "Every",
    "How",
    "The",
    "These",
    "This",
    "Those",
    "What",
    "Where",
    "Whether",
    "Which",
    "Why",
}


def functions(tree: ast.AST) -> Iterator[ast.FunctionDef]:
    """Every function but properties, whose docstrings name a thing."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef) and not any("property" in ast.dump(each) for each in node.decorator_list):
            yield node


def without_verb(file: Path) -> list[str]:
    """The functions of a file whose docstring begins with an article or a question."""
    found = []
    for node in functions(ast.parse(file.read_text(encoding="utf-8"))):
        words = (ast.get_docstring(node) or "").split()
        if words and words[0] in NO_VERBS:
            found.append(f"{file}: {node.name}: {words[0]} ...")
    return found


def test_docstrings_begin_with_a_verb():
    files = [each for folder in ("core", "workbench", "apps") for each in sorted((ROOT / folder).rglob("*.py"))]
    assert len(files) > 100
    assert [each for file in files for each in without_verb(file)] == []


def test_a_planted_riddle_is_caught(tmp_path):
    file = tmp_path / "riddle.py"
    file.write_text('def f():\n    """What of it trains."""\n\n\n@property\ndef g():\n    """The length."""\n')
    assert without_verb(file) == [f"{file}: f: What ..."]
