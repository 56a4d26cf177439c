"""The cells that every notebook begins and ends with."""

import dataclasses
import subprocess
import sys

import mini_lesson
import pytest

from workbench.lessons.frame import closing_text, install_code, opening_text, run_name
from workbench.lessons.source import read_source


@pytest.fixture
def lesson(tmp_path):
    return read_source(mini_lesson.write(tmp_path)).lesson


def run(code, folder, *flags):
    """The first cell in a process of its own; -S -I hides what is installed."""
    return subprocess.run([sys.executable, *flags, "-c", code], cwd=folder, capture_output=True, text=True, check=False)


def test_the_opening_says_what_the_header_says(lesson):
    text = opening_text(lesson)
    for part in (
        "# 3. A mini lesson",
        "- double a vector",
        "lessons 1, 2 |",
        "about 20 minutes",
        "about 5 s",
        "section 3.2",
    ):
        assert part in text


@pytest.mark.parametrize(("before", "words"), [([], "nothing"), ([4], "lesson 4"), ([1, 2, 3], "lessons 1, 2, 3")])
def test_what_to_know_before(lesson, before, words):
    assert f"| before it | {words} |" in opening_text(dataclasses.replace(lesson, prerequisites=before))


def test_the_closing_has_the_command_and_a_link_to_its_run(lesson):
    text = closing_text(lesson)
    assert run_name(lesson) == "lesson-03"
    assert f"```sh\n{lesson.real.command}\n" in text
    assert "python core/eval.py --checkpoint runs/lesson-03\n" in text
    assert "(http://localhost:8501/?run=lesson-03&view=pair_weights)" in text


def test_where_the_project_is_installed_the_first_cell_does_nothing(tmp_path):
    done = run(install_code(""), tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert list(tmp_path.iterdir()) == []


def test_where_it_is_not_and_no_address_is_given_it_says_what_to_do(tmp_path):
    done = run(install_code(""), tmp_path, "-S", "-I")
    assert done.returncode == 1
    assert "ModuleNotFoundError: The project is not installed in this kernel's environment" in done.stderr
    assert "make lesson N=1" in done.stderr
    assert "PROJECT" in done.stderr


def test_with_an_address_it_clones_and_installs(tmp_path, lesson):
    code = install_code('https://example.org/a"b.git')
    fake = "import subprocess\ncalls = []\nsubprocess.run = lambda command, check: calls.append((command, check))\n"
    done = run(fake + code + "\nprint(calls, sys.path[0])", tmp_path, "-S", "-I")
    assert done.returncode == 0, done.stderr
    folder = str(tmp_path / "workbench-project")
    assert str(["git", "clone", "--depth", "1", 'https://example.org/a"b.git', folder]) in done.stdout
    assert f"'{folder}[ui]'], True" in done.stdout
    assert done.stdout.endswith(f"{folder}\n")
