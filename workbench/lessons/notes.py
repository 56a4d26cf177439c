"""The instructor's notes of a lesson: time, discussion answers, and the catalogue of wrong answers."""

import contextlib
import importlib.util
import inspect
import io
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

from nbformat import NotebookNode

from core.files.documents import templates
from workbench.lessons.feedback import Wrong, WrongAnswer
from workbench.lessons.notebooks import points
from workbench.lessons.source import LessonError, Source, tags


def catalogue(path: Path) -> Sequence[WrongAnswer]:
    """Return the wrong answers of a lesson from its file, which holds them as WRONG_ANSWERS.

    Raises:
        LessonError: there is no such file.
    """
    if not path.is_file():
        raise LessonError(f"{path}: is missing; it holds the lesson's WRONG_ANSWERS.")
    return load(path).WRONG_ANSWERS


def load(path: Path) -> ModuleType:
    """Return a file as a module, though its name begins with a digit."""
    spec = importlib.util.spec_from_file_location(f"lesson_{path.stem}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def message_of(wrong: WrongAnswer, seed: int = 0) -> str:
    """Say what the check says of a wrong answer.

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
    """Return the notes as Markdown: times, exercises, questions with their answers, and the catalogue.

    Raises:
        ValueError: a check lets a wrong answer pass.
    """
    template = templates(__file__).get_template("notes.md.j2")
    made_of = {"tags": tags, "points": points, "title_of": title_of, "message_of": message_of, "inspect": inspect}
    return template.render(source=source, wrong_answers=wrong_answers, **made_of).rstrip() + "\n"


def title_of(exercise: NotebookNode) -> str:
    """Return the function that an exercise asks for, or else the first line of its cell."""
    function = exercise.source.partition("def ")[2].partition("(")[0]
    return function or exercise.source.partition("\n")[0].strip("# ")
