"""No file may hide an importable package: torchrun core/train.py puts core/ itself first on the import path."""

import sys
from pathlib import Path

import pytest
from installed_packages import installed

ROOT = Path(__file__).parents[2]
# What `import` must find here; lessons/ holds notebooks, nothing imports from it.
OURS = ("core", "workbench", "apps", "benchmarks", "tests")
# Folders from which something is run as a script or a notebook.
SCRIPT_FOLDERS = ("core", "workbench", "apps", "lessons", "benchmarks")


def clashes(folder: Path) -> list[str]:
    """The modules and folders directly in `folder` whose name an import statement could mean otherwise."""
    taken = {*sys.stdlib_module_names, *installed(), *OURS}
    names = {
        path.stem: path
        for path in sorted(folder.glob("*"))
        if path.name not in ("__init__.py", "__pycache__") and (path.is_dir() or path.suffix in (".py", ".so"))
    }
    return [f"{path.parent.name}/{path.name}" for name, path in names.items() if name in taken]


@pytest.mark.parametrize("folder", SCRIPT_FOLDERS)
def test_no_file_hides_a_package(folder):
    assert clashes(ROOT / folder) == [], "rename: `import` of that name would find this file in the whole process"


@pytest.mark.parametrize("name", ["gradio.py", "logging.py", "accelerate/", "yaml.py", "PIL/", "core/"])
def test_a_planted_clash_is_caught(tmp_path, name):
    planted = tmp_path / name
    planted.mkdir() if name.endswith("/") else planted.touch()
    (tmp_path / "recorder.py").touch()
    (tmp_path / "__init__.py").touch()
    assert clashes(tmp_path) == [f"{tmp_path.name}/{planted.name}"]
