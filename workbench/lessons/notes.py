"""The instructor's notes of a lesson: time, discussion answers, and the catalogue of wrong answers."""

import contextlib
import importlib.util
import inspect
import io
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import ModuleType

from workbench.lessons.feedback import Wrong, WrongAnswer
from workbench.lessons.notebooks import points
from workbench.lessons.source import LessonError, Source, tags


def catalogue(path: Path) -> Sequence[WrongAnswer]:
    """The wrong answers of a lesson from its file, which holds them as WRONG_ANSWERS.

    Raises:
        LessonError: there is no such file.
    """
    if not path.is_file():
        raise LessonError(f"{path}: is missing; it holds the lesson's WRONG_ANSWERS.")
    return load(path).WRONG_ANSWERS


def load(path: Path) -> ModuleType:
    """A file as a module, though its name begins with a digit."""
    spec = importlib.util.spec_from_file_location(f"lesson_{path.stem}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def message_of(wrong: WrongAnswer, seed: int = 0) -> str:
    """What the check says of a wrong answer.

    Raises:
        ValueError: the check lets the answer pass.
    """
    with contextlib.redirect_stdout(io.StringIO()):
        try:
            wrong.check(wrong.answer, seed=seed)
        except Wrong as error:
            return str(error)
    raise ValueError(f"exercise {wrong.exercise}: the check lets the wrong answer {wrong.answer.__name__} pass.")


def notes(source: Source, wrong_answers: Sequence[WrongAnswer]) -> str:
    """The notes as Markdown."""
    return (
        "\n".join([*heading(source), *exercises(source), *discussion(source), *mistakes(wrong_answers)]).rstrip() + "\n"
    )


def heading(source: Source) -> Iterator[str]:
    """Title and times."""
    lesson = source.lesson
    yield f"# {lesson.number}. {lesson.title}: instructor's notes\n"
    yield "Made from the lesson's source and its catalogue of wrong answers; do not edit.\n"
    yield f"About {lesson.minutes} minutes; solved, it computes for about {lesson.cpu_seconds} s on two cores.\n"


def exercises(source: Source) -> Iterator[str]:
    """A table of the exercises."""
    yield "## Exercises\n"
    yield "| exercise | function | difficulty | minutes | points |\n|---|---|---|---|---|"
    for cell in source.cells:
        if "exercise" in tags(cell):
            name = cell.source.partition("def ")[2].partition("(")[0] or cell.source.partition("\n")[0].strip("# ")
            number, difficulty, minutes = (cell.metadata[key] for key in ("exercise", "difficulty", "minutes"))
            yield f"| {number} | `{name}` | {difficulty} of 5 | {minutes} | {points(cell)} |"
    yield ""


def discussion(source: Source) -> Iterator[str]:
    """The questions with what an instructor should know about their answers."""
    yield "## Questions and answers\n"
    for cell in source.cells:
        if {"predict", "explain"} & set(tags(cell)):
            yield cell.source + "\n"
        elif "instructor" in tags(cell) and cell.cell_type == "markdown":
            yield "\n".join(f"> {line}".rstrip() for line in cell.source.splitlines()) + "\n"


def mistakes(wrong_answers: Sequence[WrongAnswer]) -> Iterator[str]:
    """The catalogue: what learners write, why it is wrong, and what the check tells them."""
    yield "## Common wrong answers, and what their check says\n"
    for wrong in wrong_answers:
        yield f"### {wrong.exercise}: {inspect.getdoc(wrong.answer)}\n"
        yield f"```python\n{inspect.getsource(wrong.answer).rstrip()}\n```\n"
        yield f"> {message_of(wrong)}\n"
