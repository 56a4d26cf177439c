"""Imports are absolute, name their package, and importing core neither draws, serves nor reaches out."""

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest
from installed_packages import installed

ROOT = Path(__file__).parents[2]
PACKAGES = ("core", "workbench", "apps")

# Imports every module of a package in a fresh process as if some packages were not installed; prints each attempt to
# reach another machine. (Whether they were imported would say little: torch itself imports pandas where it finds it.)
PROBE = """
import importlib, importlib.machinery, json, pkgutil, sys
package, absent = sys.argv[1], sys.argv[2:]
class Finder(importlib.machinery.PathFinder):
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        return None if name in absent else super().find_spec(name, path, target)
sys.meta_path[sys.meta_path.index(importlib.machinery.PathFinder)] = Finder
attempts = []
def watch(event, arguments):
    if event in ("socket.connect", "socket.sendto", "socket.getaddrinfo", "socket.gethostbyname"):
        attempts.append([event, repr(arguments[-4:])])
sys.addaudithook(watch)
for module in pkgutil.walk_packages(importlib.import_module(package).__path__, package + "."):
    importlib.import_module(module.name)
print(json.dumps(attempts))
"""


def improper_imports(file: Path, root: Path) -> list[str]:
    """Relative imports, and imports of a neighbour by its bare name, which would load it a second time."""
    neighbours = {path.stem for folder in file.parents if folder.is_relative_to(root) for path in folder.glob("*")}
    bare = neighbours - {*PACKAGES, *sys.stdlib_module_names, *installed()}
    found = []
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom):
            names = ["." * node.level + (node.module or "")]
        found += [f"{file.name}: {name}" for name in names if name.startswith(".") or name.split(".")[0] in bare]
    return found


def probe(package: str, absent: tuple[str, ...], root: Path = ROOT) -> subprocess.CompletedProcess[str]:
    """Run PROBE in a fresh process started in `root`."""
    command = [sys.executable, "-c", PROBE, package, *absent]
    return subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("package", PACKAGES)
def test_imports_are_absolute(package):
    files = sorted((ROOT / package).rglob("*.py"))
    assert files, f"{package}/ holds no Python file"
    assert [each for file in files for each in improper_imports(file, ROOT / package)] == []


def test_planted_imports_are_caught(tmp_path):
    inner = tmp_path / "data"
    inner.mkdir()
    (tmp_path / "trainer.py").touch()
    (inner / "records.py").touch()
    file = inner / "batches.py"
    proper = "import json\nfrom core.data import x\n"
    file.write_text(proper + "import trainer\nfrom records import Item\nfrom . import records\n")
    assert improper_imports(file, tmp_path) == ["batches.py: trainer", "batches.py: records", "batches.py: ."]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("package", "absent"),
    [("core", ("plotly", "streamlit", "gradio", "umap", "pandas")), ("workbench", ("streamlit", "gradio"))],
)
def test_a_package_imports_without_an_interface_and_reaches_no_machine(package, absent):
    done = probe(package, absent)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1]) == []


def test_a_planted_import_and_connection_are_caught(tmp_path):
    for name, code in [("draws", "import plotly"), ("calls", "import socket; socket.getaddrinfo('127.0.0.1', 80)")]:
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").touch()
        (tmp_path / name / "inner.py").write_text(code)
    assert "No module named 'plotly'" in probe("draws", ("plotly",), tmp_path).stderr
    assert probe("draws", (), tmp_path).stdout == "[]\n"
    assert "socket.getaddrinfo" in probe("calls", (), tmp_path).stdout
