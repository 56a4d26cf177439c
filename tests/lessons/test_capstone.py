"""The capstone's starter works as it is: its tests pass and catch mistakes, and its experiment runs and is paired."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import warm_processes

ROOT = Path(__file__).parents[2]
CAPSTONE = ROOT / "lessons" / "capstone"
TINY = [
    "--seeds",
    "2",
    "--steps",
    "2",
    "--queries",
    "2",
    "--batch",
    "8",
    "--block",
    "4",
    "--width",
    "32",
    "--threads",
    "1",
]
MEASURES = 6


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Python in a folder, as a learner starts it."""
    return subprocess.run([sys.executable, *arguments], cwd=folder, capture_output=True, text=True, check=False)


def run_warm(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """The same in a warm process."""
    return warm_processes.run(arguments, folder=folder)


OWN_TESTS = ("-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:randomly")
WARM_TESTS = (*OWN_TESTS, "-W", "ignore:Module already imported:pytest.PytestAssertRewriteWarning")


def copied(folder: Path, place: Path, old: str, new: str) -> Path:
    """A learner's copy of a folder with one change to the objective."""
    for name in ("my_objective.py", "test_my_objective.py"):
        text = (folder / name).read_text()
        if name == "my_objective.py":
            assert text.count(old) == 1
            text = text.replace(old, new)
        (place / name).write_text(text)
    return place


@pytest.mark.slow
@pytest.mark.parametrize("name", ["starter", "example"])
def test_its_own_tests_pass(name: str) -> None:
    folder = CAPSTONE / name
    done = run(folder, *OWN_TESTS) if name == "starter" else run_warm(folder, *WARM_TESTS)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "7 passed" in done.stdout


@pytest.mark.slow
@pytest.mark.parametrize(
    "new",
    ["return self.alpha * pairs.similarity / self.temperature", "return self.alpha * (pairs.reward + 0.1)"],
    ids=["logits in place of cosines", "a constant too much"],
)
def test_its_tests_catch_another_weight(tmp_path: Path, new: str) -> None:
    done = run_warm(copied(CAPSTONE / "starter", tmp_path, "return self.alpha * pairs.reward", new), *WARM_TESTS)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "test_gradient_is_that_of_the_equation" in done.stdout


@pytest.mark.slow
def test_the_experiment_runs_and_its_runs_are_paired(tmp_path: Path) -> None:
    starter = CAPSTONE / "starter"
    command = ["experiment.py", *TINY, "--out", str(tmp_path)]
    done = run_warm(starter, *command)
    assert done.returncode == 0, done.stdout + done.stderr
    runs = json.loads((tmp_path / "results.json").read_text())
    assert list(runs) == ["0", "1"]
    for of_seed in runs.values():
        # As it stands the starter's objective is the baseline's, so equal runs show that nothing else differs.
        baseline, mine = ({k: v for k, v in each.items() if "seconds" not in k} for each in of_seed.values())
        assert baseline == pytest.approx(mine, abs=1e-5)
    assert runs["0"]["llave"] != runs["1"]["llave"]
    table = (tmp_path / "table.txt").read_text().splitlines()
    assert len(table) == 1 + MEASURES
    assert "not told apart" in (tmp_path / "figure.json").read_text()
    assert (tmp_path / "figure.html").stat().st_size > 10_000
    again = run_warm(starter, *command)
    assert again.returncode == 0
    assert "seed 0" not in again.stdout, "finished seeds are not trained again"
    assert again.stdout.strip() == "\n".join(table)


def test_the_example_is_what_its_report_says() -> None:
    folder = CAPSTONE / "example"
    report = (folder / "report.md").read_text()
    table = (folder / "table.txt").read_text()
    assert table.strip() in report
    seeds = len(json.loads((folder / "results.json").read_text()))
    assert f"--seeds {seeds} " in report


def test_points_add_up() -> None:
    text = (CAPSTONE / "README.md").read_text()
    points = [int(line.split("**")[1].rpartition(", ")[2]) for line in text.splitlines() if line.startswith("| **")]
    assert points == [30, 30, 25, 15]
