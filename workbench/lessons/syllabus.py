"""The syllabus of lessons/README.md, made from the headers of the lessons' sources.

python -m workbench.lessons.syllabus     # write it between the README's marks
"""

import re
import sys
from collections.abc import Sequence
from pathlib import Path

from core.files.documents import templates
from workbench.lessons.build import LESSONS, replace
from workbench.lessons.source import Lesson, read_source, sources

BEGIN, END = "<!-- syllabus: made from the lessons' sources -->", "<!-- end of syllabus -->"


def main() -> None:
    """Write the README with the syllabus that the sources make."""
    readme = LESSONS / "README.md"
    try:
        replace(readme, with_syllabus(readme.read_text(encoding="utf-8"), lessons(LESSONS / "source")))
    except ValueError as error:
        sys.exit(f"ERROR: {readme}: {error}")
    print(f"{readme} has the syllabus that the sources make.")


def lessons(folder: Path) -> list[Lesson]:
    """Return the headers of all lessons in order."""
    return [read_source(path).lesson for path in sources(folder)]


def with_syllabus(readme: str, course: Sequence[Lesson]) -> str:
    """Return the README's text with the syllabus between its marks.

    Raises:
        ValueError: the marks are missing.
    """
    pattern = re.compile(f"{re.escape(BEGIN)}.*?{re.escape(END)}", re.DOTALL)
    if not pattern.search(readme):
        raise ValueError(f"has no place for the syllabus; it lies between {BEGIN!r} and {END!r}.")
    return pattern.sub(lambda _: f"{BEGIN}\n\n{syllabus(course)}\n\n{END}", readme)


def syllabus(course: Sequence[Lesson]) -> str:
    """Return three tables: what and how long; after which lesson; code and papers."""
    template = templates(__file__).get_template("syllabus.md.j2")
    return template.render(course=course, notebook=lambda lesson: notebook(lesson, LESSONS)).rstrip("\n")


def notebook(lesson: Lesson, folder: Path) -> str:
    """Return the file name of a lesson's notebook."""
    (path,) = folder.glob(f"source/{lesson.number:02d}_*.py")
    return f"{path.stem}.ipynb"


if __name__ == "__main__":
    main()
