"""Write the course's notebooks and instructor's notes from the lessons' sources.

python -m workbench.lessons.build                              # all of lessons/
python -m workbench.lessons.build --seed 7 --out variant       # with other numbers, elsewhere
python -m workbench.lessons.build --seed 7 --nbgrader graded   # what nbgrader makes assignments of, in its folders
python -m workbench.lessons.build --check                      # fail if a written file differs from its source
"""

import argparse
import os
import sys
from collections.abc import Iterator, Set
from pathlib import Path

from workbench.lessons.classroom import ROOT
from workbench.lessons.notebooks import graded_notebook, solution_notebook, student_notebook, written
from workbench.lessons.notes import catalogue, notes
from workbench.lessons.source import LessonError, Source, read_source, sources

LESSONS = ROOT / "lessons"


def main() -> None:
    """Build, or compare."""
    options = parse()
    try:
        if options.nbgrader:
            stale = list(for_nbgrader(LESSONS, options.nbgrader, options.seed, options.project))
        else:
            stale = list(build(LESSONS, options.out, options.seed, options.project, options.check))
    except ValueError as error:
        sys.exit(f"ERROR: {error}")
    if options.check and stale:
        sys.exit(
            "These files are not what their sources make; run `make lessons`, and remove those without a source:\n"
            + "\n".join(map(str, stale))
        )
    print(f"{len(stale)} files written" if not options.check else "all files are what their sources make")


def parse() -> argparse.Namespace:
    """Return the command line."""
    parser = argparse.ArgumentParser(description="Write the course's notebooks and notes from the lessons' sources.")
    parser.add_argument("--out", type=Path, default=LESSONS, help="folder to write to (default: lessons)")
    parser.add_argument("--nbgrader", type=Path, help="write nbgrader's source notebooks to this course folder instead")
    parser.add_argument("--seed", type=int, default=0, help="SEED in every notebook: other numbers for graded use")
    parser.add_argument("--project", default="", help="address of the repository, for the first cell on Colab")
    parser.add_argument("--check", action="store_true", help="write nothing; fail if a file differs")
    return parser.parse_args()


def build(folder: Path, out: Path, seed: int = 0, project: str = "", check: bool = False) -> Iterator[Path]:
    """Write every file that differs, or with `check` only name it.

    Raises:
        LessonError: a source breaks the form, or there is none.
        ValueError: a check lets a wrong answer of the catalogue pass.
    """
    found = sources(folder / "source")
    if not found:
        raise LessonError(f"{folder / 'source'}: holds no lesson, NN_name.py.")
    if check:
        yield from orphans(out, {path.stem for path in found})
    for path in found:
        for name, text in files(read_source(path), folder, seed, project):
            target = out / name
            if target.is_file() and target.read_text(encoding="utf-8") == text:
                continue
            if not check:
                replace(target, text)
            yield target


def for_nbgrader(folder: Path, course: Path, seed: int, project: str) -> Iterator[Path]:
    """Write each lesson as an assignment's source in nbgrader's layout; `nbgrader generate_assignment` goes on.

    Raises:
        LessonError: a source breaks the form.
    """
    for path in sources(folder / "source"):
        target = course / "source" / path.stem / f"{path.stem}.ipynb"
        replace(target, written(graded_notebook(read_source(path), seed, project)))
        yield target


def orphans(out: Path, names: Set[str]) -> Iterator[Path]:
    """Built files whose source is gone."""
    for pattern in ("*.ipynb", "solutions/*.ipynb", "instructor/[0-9][0-9]_*.md"):
        yield from sorted(path for path in out.glob(pattern) if path.stem not in names)


def files(source: Source, folder: Path, seed: int, project: str) -> Iterator[tuple[str, str]]:
    """Return the files that one source makes: the student's notebook, the solved one, the instructor's notes."""
    name = source.path.stem
    yield f"{name}.ipynb", written(student_notebook(source, seed, project))
    yield f"solutions/{name}.ipynb", written(solution_notebook(source, seed, project))
    yield f"instructor/{name}.md", notes(source, catalogue(folder / "wrong_answers" / f"{name}.py"))


def replace(path: Path, text: str) -> None:
    """Write a file as a whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.part")
    temporary.write_text(text, encoding="utf-8")
    os.replace(temporary, path)


if __name__ == "__main__":
    main()
