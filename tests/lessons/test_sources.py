"""Every lesson keeps the form, imports what learners have, and its commands and links are real."""

import ast
import re
import shlex
import sys
from pathlib import Path

import pytest
from course import LESSONS, NAMES, PATHS, ROOT, after_exercises, code_cells, lesson, of_kind
from torch.distributed.run import parse_args

from apps.views.choose import VIEWS
from core.config.command_line import parse
from core.config.settings import TrainSettings
from core.evaluation.settings import EvalSettings
from workbench.lessons.frame import run_name
from workbench.lessons.page import markdown
from workbench.lessons.source import tags

IMPORTED = {"core", "workbench", "numpy", "torch", "plotly", "jaxtyping", *sys.stdlib_module_names}
ELSEWHERE = re.compile(r"https?://(?!localhost|127\.0\.0\.1|arxiv\.org/)[^\s)\"']+")
ABSOLUTE = re.compile(r"(?<![\w.~/])(?:~|/(?:home|root|usr|tmp|mnt|opt|var|data|work|Users|content))/\w|\b[A-Z]:\\\\")
LINK = re.compile(r"\]\(([^)#\s]+)\)")

every_lesson = pytest.mark.parametrize("name", NAMES)


def test_there_are_ten_lessons():
    assert [path.name[:2] for path in PATHS] == [f"{number:02d}" for number in range(1, 11)]


@every_lesson
def test_the_form_is_kept(name):
    source = lesson(name)
    assert 3 <= len(source.exercises) <= 6
    assert len(of_kind(source, "figure")) >= 3


@every_lesson
def test_only_what_learners_have_is_imported(name):
    nodes = [node for cell in code_cells(lesson(name)) for node in ast.walk(ast.parse(cell.source))]
    modules = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    modules |= {node.module or "." for node in nodes if isinstance(node, ast.ImportFrom)}
    assert {module for module in modules if module.split(".")[0] not in IMPORTED} == set()


@every_lesson
def test_no_machines_path_and_no_other_address(name):
    for folder in ("source", "wrong_answers"):
        text = (LESSONS / folder / f"{name}.py").read_text(encoding="utf-8")
        assert text.isascii()
        assert ELSEWHERE.findall(text) == []
        assert ABSOLUTE.findall(text) == []


@pytest.mark.parametrize("text", ["https://example.org/x", '"/home/me/x"', "~/x", "/tmp/x", "see http://a.b/c"])
def test_planted_paths_and_addresses_are_caught(text):
    assert ELSEWHERE.findall(text) or ABSOLUTE.findall(text)


@pytest.mark.parametrize("text", ["https://arxiv.org/abs/2503.04812", "http://localhost:8501/?run=x", "a/tmp/b", "1/2"])
def test_proper_paths_and_addresses_pass(text):
    assert not ELSEWHERE.findall(text)
    assert not ABSOLUTE.findall(text)


@every_lesson
def test_an_exercise_has_two_hints_and_a_question(name):
    for number, cells in after_exercises(lesson(name)):
        kinds = [kind for cell in cells for kind in tags(cell)]
        assert kinds.count("hint") >= 2, f"exercise {number} has {kinds.count('hint')} hints"
        assert {"predict", "explain"} & set(kinds), f"after exercise {number} nothing is asked"
        titles = [cell.source.partition("\n")[0] for cell in cells if "hint" in tags(cell)]
        for place, title in enumerate(titles, start=1):
            assert re.match(rf"Hint {place}: \S", title), f"exercise {number}: the hint's first line is {title!r}"


@every_lesson
def test_learners_predict_and_explain_and_instructors_have_the_answers(name):
    source = lesson(name)
    kinds = [kind for cell in source.cells for kind in tags(cell) if kind in ("predict", "explain", "instructor")]
    assert kinds.count("predict") >= 2
    assert kinds.count("explain") >= 2
    questions = [place for place, kind in enumerate(kinds) if kind != "instructor"]
    unanswered = [place for place in questions if kinds[place + 1 : place + 2] != ["instructor"]]
    assert [of_kind_at(source, place) for place in unanswered] == []
    figures = [place for place, cell in enumerate(source.cells) if "figure" in tags(cell)]
    predictions = [place for place, cell in enumerate(source.cells) if "predict" in tags(cell)]
    assert min(predictions) < max(figures)
    for cell in of_kind(source, "predict"):
        assert cell.source.startswith("**Predict.**")
    for cell in of_kind(source, "explain"):
        assert cell.source.startswith("**Explain.**")


def of_kind_at(source, place):
    """The first line of a question by its place among questions and answers."""
    cells = [cell for cell in source.cells if {"predict", "explain", "instructor"} & set(tags(cell))]
    return cells[place].source.partition("\n")[0]


@every_lesson
def test_a_stub_is_typed_and_says_what_it_takes(name):
    for cell in of_kind(lesson(name), "exercise"):
        functions = [node for node in ast.walk(ast.parse(cell.source)) if isinstance(node, ast.FunctionDef)]
        assert functions
        assert any(ast.get_docstring(function) for function in functions)
        for function in functions:
            arguments = [each for each in function.args.args if each.arg not in ("self", "ctx")]
            assert all(each.annotation for each in arguments), function.name
            assert function.returns is not None, function.name


@every_lesson
def test_a_figure_cell_ends_in_an_expression(name):
    for cell in of_kind(lesson(name), "figure"):
        last = ast.parse(cell.source).body[-1]
        assert isinstance(last, ast.Expr), cell.source
        assert not cell.source.rstrip().endswith(";")


@every_lesson
def test_code_files_and_earlier_lessons_exist(name):
    header = lesson(name).lesson
    assert header.code
    assert [file for file in header.code if not (ROOT / file).is_file()] == []
    assert all(1 <= number < header.number for number in header.prerequisites)
    assert 3 <= len(header.goals) <= 5
    assert 30 <= header.minutes <= 180
    assert header.cpu_seconds <= 120
    assert header.paper


@every_lesson
def test_links_lead_to_files(name):
    texts = [cell.source for cell in lesson(name).cells if cell.cell_type == "markdown"]
    links = [link for text in texts for link in LINK.findall(text) if not link.startswith("http")]
    assert [link for link in links if not (LESSONS / link).exists()] == []


@every_lesson
def test_the_real_run_is_one_that_the_trainer_and_the_explorer_know(name):
    header = lesson(name).lesson
    words = shlex.split(header.real.command)
    assert words[0] == "torchrun"
    launch = parse_args(words[1:])
    assert launch.training_script == "core/train.py"
    settings = parse(TrainSettings, "", launch.training_script_args)
    assert settings.output == Path("runs") / run_name(header)
    assert parse(EvalSettings, "", ["--checkpoint", str(settings.output)])
    assert header.real.view in VIEWS


@every_lesson
def test_formulas_are_drawn_without_network(name):
    for cell in lesson(name).cells:
        if cell.cell_type == "markdown":
            drawn = markdown(cell.source)
            assert "<mi>&</mi>" not in drawn
            assert re.findall(r"<mi>\\\w*</mi>|<mtext>\\\w*</mtext>", drawn) == []
