"""Every command and app tells the hub's libraries to stay offline before they are imported, but those that fetch."""

import ast
import os
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FETCHING = {"core/download.py", "core/export.py"}
"""export goes online only to push, see the last test."""


def commands() -> list[Path]:
    """Files at the top of a room that run as programs."""
    found = [path for room in ("core", "workbench", "apps") for path in (ROOT / room).glob("*.py")]
    return [path for path in found if '__name__ == "__main__"' in path.read_text()]


def goes_offline(node: ast.stmt) -> bool:
    return ast.unparse(node) == "os.environ['HF_HUB_OFFLINE'] = '1'"


def imported(node: ast.stmt) -> list[str]:
    if isinstance(node, ast.ImportFrom):
        return [node.module or ""]
    return [each.name for each in node.names] if isinstance(node, ast.Import) else []


@pytest.mark.parametrize("path", commands(), ids=lambda path: path.relative_to(ROOT).as_posix())
def test_a_command_is_offline_before_it_imports_anything_that_might_fetch(path):
    body = ast.parse(path.read_text()).body
    place = next((number for number, node in enumerate(body) if goes_offline(node)), None)
    if path.relative_to(ROOT).as_posix() in FETCHING:
        assert place is None
        return
    assert place is not None
    before = {name for node in body[:place] for name in imported(node)}
    assert before <= {"os", "argparse", "signal", "dataclasses"}


def test_there_are_commands():
    names = {path.relative_to(ROOT).as_posix() for path in commands()}
    assert names >= {*FETCHING, "core/train.py", "core/eval.py", "core/embed.py", "apps/search.py", "apps/explorer.py"}


@pytest.mark.parametrize(("to", "expected"), [("folder", "1"), ("sentence-transformers", "1"), ("hub", None)])
def test_export_goes_online_only_to_push(monkeypatch, tmp_path, to, expected):
    from core import export
    from core.checkpoint_export import export as written

    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    monkeypatch.setattr(written, "export", lambda settings: str(os.environ.get("HF_HUB_OFFLINE")))
    where = {"repo": "a/b"} if to == "hub" else {"output": tmp_path / "out"}
    settings = export.ExportSettings(tmp_path, to, license="mit", **where)
    assert export.export(settings) == str(expected)
