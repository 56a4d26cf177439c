"""The course's README says what the sources say, and its links and commands are real."""

import re

import pytest
from course import LESSONS, ROOT

from workbench.lessons.syllabus import lessons, with_syllabus

LINK = re.compile(r"\]\(([^)#\s]+)\)")
TARGET = re.compile(r"make ([a-z][a-z-]*)\b(?=[ `])")


def test_the_syllabus_is_what_the_sources_make():
    readme = (LESSONS / "README.md").read_text(encoding="utf-8")
    assert readme == with_syllabus(readme, lessons(LESSONS / "source")), "run python -m workbench.lessons.syllabus"


@pytest.mark.parametrize("name", ["README.md", "instructor/README.md"])
def test_links_and_commands_are_real(name):
    path = LESSONS / name
    text = path.read_text(encoding="utf-8")
    assert text.isascii()
    assert [
        link for link in LINK.findall(text) if not link.startswith("http") and not (path.parent / link).exists()
    ] == []
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert [target for target in TARGET.findall(text) if not re.search(rf"^{target}:", makefile, re.MULTILINE)] == []
    for module in re.findall(r"python -m (workbench[\w.]+)", text):
        assert (ROOT / f"{module.replace('.', '/')}.py").is_file()
