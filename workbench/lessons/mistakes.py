"""Print every catalogued wrong answer with what its check says, as a Markdown table.

python -m workbench.lessons.mistakes
"""

import sys
from collections.abc import Iterator
from pathlib import Path

from core.files.documents import line
from workbench.lessons.build import LESSONS
from workbench.lessons.feedback import WrongAnswer
from workbench.lessons.notes import catalogue, message_of
from workbench.lessons.source import read_source, sources


def main() -> None:
    """Print the table."""
    try:
        print("\n".join(table(LESSONS)))
    except ValueError as error:
        sys.exit(f"ERROR: {error}")


def table(folder: Path) -> Iterator[str]:
    """Return the lines of the table: lesson, exercise, mistake, message.

    Raises:
        LessonError: a source breaks the form.
        ValueError: a check lets a wrong answer pass.
    """
    yield "| lesson | exercise | mistake | what the check says |"
    yield "|---|---|---|---|"
    for path in sources(folder / "source"):
        title = read_source(path).lesson.title
        for wrong in catalogue(folder / "wrong_answers" / path.name):
            yield row(title, wrong)


def row(title: str, wrong: WrongAnswer) -> str:
    """Return one mistake."""
    return line((title, wrong.exercise, wrong.answer.__doc__ or "", message_of(wrong)))


if __name__ == "__main__":
    main()
