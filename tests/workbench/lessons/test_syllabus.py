"""The syllabus is what the sources say."""

import dataclasses

import mini_lesson
import pytest

from workbench.lessons import syllabus as made
from workbench.lessons.source import read_source
from workbench.lessons.syllabus import BEGIN, END, lessons, syllabus, with_syllabus


@pytest.fixture
def course(tmp_path, monkeypatch):
    mini_lesson.write(tmp_path)
    monkeypatch.setattr(made, "LESSONS", tmp_path)
    return lessons(tmp_path / "source")


def test_it_holds_the_headers(course):
    text = syllabus(course)
    assert "| 3 | [A mini lesson](03_mini.ipynb) | double a vector | 1, 2 | 20 | 5 s |" in text
    assert "(20 minutes)" in text
    assert (
        "| 3 | [core/objectives/hardness.py](../core/objectives/hardness.py) | LLaVE (arXiv 2503.04812), section 3.2 |"
        in text
    )
    assert "| - | 20 |" in syllabus([dataclasses.replace(course[0], prerequisites=[])])


def test_it_is_put_between_the_marks_and_stays_there(course):
    readme = f"above\n{BEGIN}\nold\n{END}\nbelow\n"
    once = with_syllabus(readme, course)
    assert once.startswith(f"above\n{BEGIN}\n\n| | lesson |")
    assert once.endswith(f"\n\n{END}\nbelow\n")
    assert "old" not in once
    assert with_syllabus(once, course) == once


def test_a_readme_without_marks_is_told(course):
    with pytest.raises(ValueError, match="has no place for the syllabus"):
        with_syllabus("nothing", course)


def test_reading_a_source_gives_the_same_lesson(course, tmp_path):
    assert course == [read_source(mini_lesson.write(tmp_path)).lesson]
