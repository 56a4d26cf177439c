"""A lesson's source: ordinary Python in jupytext's percent format, with solutions between markers.

The header says what the lesson is; the tags of cells say what each is for:

    exercise      a stub with its solution between # BEGIN SOLUTION and # END SOLUTION; metadata exercise="3.1"
    check         calls the check of the exercise before it
    figure        ends in an expression that is a plotly figure
    hint          markdown, folded; its first line is the title
    predict       a question before the figure or run that answers it; a cell for the learner's words follows
    explain       a question after it; a cell for the learner's words follows
    instructor    left out of the student's copy: the answer to the question before it
    parameters    the cell that sets SEED
    real          needs weights or a GPU that most learners lack; does nothing unless LESSONS_REAL is set
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import jupytext
import yaml
from nbformat import NotebookNode

BEGIN, END = "BEGIN SOLUTION", "END SOLUTION"
TAGS = frozenset({"exercise", "check", "figure", "hint", "predict", "explain", "instructor", "parameters", "real"})
NAME = re.compile(r"\d\d_[a-z_]+\.py")
SEED = re.compile(r"^SEED = \d+$", re.MULTILINE)
EXERCISE = ("exercise", "difficulty", "minutes")


class LessonError(ValueError):
    """A lesson's source breaks the form; the message names the file and the cell."""


@dataclass(frozen=True)
class RealRun:
    """The trainer's own command that a lesson ends with. view: the explorer's view that continues the lesson."""

    command: str
    view: str


@dataclass(frozen=True)
class Lesson:
    """The header of a source.

    number: 1 to 10. goals: verbs first. prerequisites: numbers of lessons. minutes: a learner's time. cpu_seconds: of
    the whole solution on two cores. code: files of the project that the lesson is about. paper: sections to read.
    """

    number: int
    title: str
    goals: Sequence[str]
    prerequisites: Sequence[int]
    minutes: int
    cpu_seconds: int
    code: Sequence[str]
    paper: Sequence[str]
    real: RealRun


@dataclass(frozen=True)
class Source:
    """A source file that keeps the form: its header and its cells."""

    path: Path
    lesson: Lesson
    cells: Sequence[NotebookNode]

    @property
    def exercises(self) -> list[str]:
        """The numbers of the exercises in order."""
        return [cell.metadata.get("exercise", "") for cell in self.cells if "exercise" in tags(cell)]


def tags(cell: NotebookNode) -> list[str]:
    """Say what a cell is for."""
    return list(cell.metadata.get("tags", []))


def sources(folder: Path) -> list[Path]:
    """Return the source files of a folder in the order of lessons."""
    return sorted(path for path in folder.glob("*.py") if NAME.fullmatch(path.name))


def read_source(path: Path) -> Source:
    """Read a source and check its form.

    Raises:
        LessonError: the header is no YAML, lacks a field or has one too many, or a cell breaks the form.
    """
    try:
        notebook = jupytext.reads(path.read_text(encoding="utf-8"), fmt="py:percent")
    except yaml.YAMLError as error:
        raise LessonError(f"{path}: the header is no YAML: {error}") from error
    source = Source(path, read_lesson(path, notebook.metadata.get("lesson")), numbered_checks(notebook.cells))
    for problem in problems(source):
        raise LessonError(f"{path}: {problem}")
    return source


def read_lesson(path: Path, fields: object) -> Lesson:
    """Return the header's fields as a record.

    Raises:
        LessonError: a field is missing or unknown.
    """
    if not isinstance(fields, dict):
        raise LessonError(f"{path}: has no header `jupyter: lesson:` with the lesson's fields.")
    try:
        lesson = Lesson(**{**fields, "real": RealRun(**fields.get("real", {}))})
    except TypeError as error:
        raise LessonError(f"{path}: the header does not fit: {error}") from error
    for problem in of_header(lesson):
        raise LessonError(f"{path}: {problem}")
    return lesson


def of_header(lesson: Lesson) -> list[str]:
    """Say what is wrong with the header's values."""
    found = []
    for name in ("number", "minutes", "cpu_seconds"):
        value = getattr(lesson, name)
        if type(value) is not int or value < 1:
            found.append(f"lesson.{name} = {value!r}; a whole number of at least 1 is expected")
    for name, kind in (("goals", str), ("prerequisites", int), ("code", str), ("paper", str)):
        value = getattr(lesson, name)
        if not isinstance(value, list) or not all(type(each) is kind for each in value):
            found.append(f"lesson.{name} = {value!r}; a list of {kind.__name__} is expected")
    for name, value in (
        ("title", lesson.title),
        ("real.command", lesson.real.command),
        ("real.view", lesson.real.view),
    ):
        if not isinstance(value, str) or not value.strip():
            found.append(f"lesson.{name} = {value!r}; a text is expected")
    return found


def problems(source: Source) -> list[str]:
    """Say what breaks the form."""
    found = [f"{place(number, cell)}: {each}" for number, cell in enumerate(source.cells) for each in of_cell(cell)]
    if not source.path.name.startswith(f"{source.lesson.number:02d}_"):
        found.append(f"lesson.number = {source.lesson.number} is not the number in the file's name")
    expected = [f"{source.lesson.number}.{turn}" for turn in range(1, len(source.exercises) + 1)]
    if source.exercises != expected:
        found.append(f"exercises are numbered {source.exercises}; {expected} is expected")
    turns = [kind for cell in source.cells for kind in tags(cell) if kind in ("exercise", "check")]
    if turns != ["exercise", "check"] * len(expected):
        found.append(f"exercises and checks do not take turns: {turns}")
    settings = [cell for cell in source.cells if "parameters" in tags(cell)]
    if len(settings) != 1 or not SEED.search(settings[0].source):
        found.append(f"{len(settings)} cells are tagged parameters; one with the line `SEED = 0` is expected")
    return found


def place(number: int, cell: NotebookNode) -> str:
    """Say where a problem is: the cell's number, from 0, and its first line."""
    return f"cell {number} ({cell.source.partition(chr(10))[0][:60]!r})"


def of_cell(cell: NotebookNode) -> list[str]:
    """Say what is wrong with one cell."""
    kinds = set(tags(cell))
    found = [f"tag {tag!r} is unknown; one of {sorted(TAGS)}" for tag in tags(cell) if tag not in TAGS]
    found += of_markers(cell)
    if "exercise" in kinds:
        found += of_exercise(cell)
    if cell.cell_type == "code" and {"hint", "predict", "explain"} & kinds:
        found.append("hints and questions are markdown")
    if cell.cell_type != "code" and {"exercise", "check", "figure", "parameters", "real"} & kinds:
        found.append("exercises, checks, figures, parameters and real runs are code")
    if "hint" in kinds and not cell.source.partition("\n")[2].strip():
        found.append("a hint has a first line, its title, and text under it")
    return found


def of_markers(cell: NotebookNode) -> list[str]:
    """Find what is wrong with the lines around solutions: one whose marker is not read would reach the student."""
    found = []
    marks = [line.lstrip() for line in cell.source.splitlines() if BEGIN in line or END in line]
    if marks != [f"# {BEGIN}", f"# {END}"] * (len(marks) // 2):
        found.append(f"the markers are {marks}; pairs of `# {BEGIN}` and `# {END}` are expected")
    if ("exercise" in tags(cell)) != bool(marks):
        found.append("an exercise holds a solution between markers, and nothing else does")
    return found


def of_exercise(cell: NotebookNode) -> list[str]:
    """Say what is wrong with an exercise's number, difficulty and time."""
    found = [f"the exercise has no {name}" for name in EXERCISE if name not in cell.metadata]
    if not isinstance(cell.metadata.get("exercise", ""), str):
        found.append(f'exercise={cell.metadata.exercise!r} is no text; write exercise="3.1"')
    if cell.metadata.get("difficulty", 1) not in range(1, 6):
        found.append(f"difficulty={cell.metadata.difficulty!r}; 1 to 5 is expected")
    if cell.metadata.get("minutes", 1) not in range(1, 121):
        found.append(f"minutes={cell.metadata.minutes!r}; 1 to 120 is expected")
    return found


def numbered_checks(cells: Sequence[NotebookNode]) -> Sequence[NotebookNode]:
    """Cells whose checks carry number and difficulty of the exercise before them."""
    last: dict[str, object] = {}
    for cell in cells:
        if "exercise" in tags(cell):
            last = {name: cell.metadata[name] for name in ("exercise", "difficulty") if name in cell.metadata}
        elif "check" in tags(cell):
            cell.metadata.update(last)
    return cells
