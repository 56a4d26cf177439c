"""What every lesson's notebook begins and ends with, made from the header of its source."""

import json
from collections.abc import Sequence

from workbench.lessons.source import Lesson

ADDRESS = "http://localhost:8501"


def opening_text(lesson: Lesson, up: str = "..") -> str:
    """Title, goals, what to know before, how long it takes, and what code and papers it is about.

    up: the way from the notebook's folder to the project's.
    """
    code = ", ".join(f"[`{file}`]({up}/{file})" for file in lesson.code)
    goals = "\n".join(f"- {goal}" for goal in lesson.goals)
    return (
        f"# {lesson.number}. {lesson.title}\n\n"
        f"After this lesson you can:\n\n{goals}\n\n"
        f"| | |\n|---|---|\n"
        f"| before it | {earlier(lesson.prerequisites)} |\n"
        f"| your time | about {lesson.minutes} minutes |\n"
        f"| computing time | about {lesson.cpu_seconds} s on two CPU cores, no GPU, no network |\n"
        f"| the code it is about | {code} |\n"
        f"| to read | {'; '.join(lesson.paper)} |\n\n"
        "Run the cells from top to bottom. Where a cell says `NotImplementedError`, it is your turn: write the "
        "function, run the check under it, and open the hints when you are stuck."
    )


def earlier(numbers: Sequence[int]) -> str:
    """Return the lessons to know before, in words."""
    if not numbers:
        return "nothing"
    return f"lesson{'s' if len(numbers) > 1 else ''} {', '.join(map(str, numbers))}"


def install_code(project: str) -> str:
    """Return the first code cell: nothing where the project is installed; on Colab it installs the project."""
    return f"""\
# On your own machine this cell only looks whether the project is installed. On Colab, put the address of the
# project's repository between the quotes and run the cell again.
import importlib.util
import subprocess
import sys
import warnings
from pathlib import Path

PROJECT = {json.dumps(project)}
warnings.filterwarnings("ignore", message="IProgress not found")  # progress bars need no widgets

if importlib.util.find_spec("workbench") is None:
    if not PROJECT:
        raise ModuleNotFoundError(
            "The project is not installed in this kernel's environment. On your machine: `make lesson N=1` in the "
            "project's folder. On Colab: put the repository's address into PROJECT above and run this cell again."
        )
    folder = Path("workbench-project").resolve()
    subprocess.run(["git", "clone", "--depth", "1", PROJECT, str(folder)], check=True)
    subprocess.run([sys.executable, "-m", "pip", "install", "-q", "-e", f"{{folder}}[ui]"], check=True)
    sys.path.insert(0, str(folder))  # this kernel started before the installation"""


def closing_text(lesson: Lesson) -> str:
    """Now the real one: the trainer's command for this lesson, and the explorer's view of the run."""
    run = run_name(lesson)
    return (
        "## Now the real one\n\n"
        "What you wrote here is what the trainer runs. In the project's folder, on this machine or on a large one:\n\n"
        f"```sh\n{lesson.real.command}\n"
        f"python core/eval.py --checkpoint runs/{run}\n"
        "streamlit run apps/explorer.py -- --root runs\n```\n\n"
        f"Then open [the explorer on that run]({ADDRESS}/?run={run}&view={lesson.real.view})."
    )


def run_name(lesson: Lesson) -> str:
    """Return the folder under runs/ that the lesson's command writes."""
    return f"lesson-{lesson.number:02d}"
