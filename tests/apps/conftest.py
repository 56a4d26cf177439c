"""Small runs to look at, made once for all tests."""

import importlib.util
import shutil
from pathlib import Path
from types import ModuleType

import pytest

MAKER = Path(__file__).parents[1] / "workbench" / "small_runs.py"


@pytest.fixture(scope="session")
def small_runs() -> ModuleType:
    """The functions that write small runs and bundles."""
    specification = importlib.util.spec_from_file_location("small_runs", MAKER)
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def written_run(small_runs: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run with one bundle. Shared: copy before changing it."""
    return small_runs.write_run(tmp_path_factory.mktemp("runs"))


@pytest.fixture
def run(written_run: Path, tmp_path: Path) -> Path:
    """A copy of the run in a root folder of its own."""
    return shutil.copytree(written_run, tmp_path / "runs" / "good")


@pytest.fixture
def bundle_folder(run: Path) -> Path:
    """The bundle of the copied run."""
    return run / "bundles" / "000010-miniature"
