"""Every way to break a source's form is told with file, cell and what was expected."""

import mini_lesson
import pytest

from workbench.lessons.source import LessonError, RealRun, read_source, sources, tags


def told(tmp_path, old="", new="", header=mini_lesson.HEADER):
    """What reading says of the mini lesson with one text replaced, in its cells or its header."""
    assert old in header + mini_lesson.CELLS
    path = mini_lesson.write(tmp_path, mini_lesson.CELLS.replace(old, new), header.replace(old, new))
    with pytest.raises(LessonError) as error:
        read_source(path)
    assert str(path) in str(error.value)
    return str(error.value).removeprefix(f"{path}: ")


def test_a_source_is_read(tmp_path):
    source = read_source(mini_lesson.write(tmp_path))
    lesson = source.lesson
    assert (lesson.number, lesson.title, lesson.minutes, lesson.cpu_seconds) == (3, "A mini lesson", 20, 5)
    assert (lesson.goals, lesson.prerequisites) == (["double a vector"], [1, 2])
    assert lesson.code == ["core/objectives/hardness.py"]
    command = "torchrun --nproc_per_node=2 core/train.py --output runs/lesson-03 --objective.alpha 9"
    assert lesson.real == RealRun(command, "pair_weights")
    assert source.exercises == ["3.1", "3.2"]


def test_checks_carry_number_and_difficulty_of_their_exercise(tmp_path):
    source = read_source(mini_lesson.write(tmp_path))
    checks = [cell.metadata for cell in source.cells if "check" in tags(cell)]
    assert [(each.exercise, each.difficulty) for each in checks] == [("3.1", 2), ("3.2", 1)]


def test_sources_are_in_order_and_others_are_left_out(tmp_path):
    for name in ("10_last.py", "02_second.py", "notes.py", "3_short.py", "04_Upper.py", "05_x.txt"):
        (tmp_path / name).touch()
    assert [path.name for path in sources(tmp_path)] == ["02_second.py", "10_last.py"]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("#     title: A mini lesson\n", "", "missing 1 required positional argument: 'title'"),
        ("#     minutes: 20\n", "#     minutes: 20\n#     colour: red\n", "unexpected keyword argument 'colour'"),
        ("#       view: pair_weights\n", "", "missing 1 required positional argument: 'view'"),
        ("minutes: 20", "minutes: long", "lesson.minutes = 'long'; a whole number of at least 1 is expected"),
        ("minutes: 20", "minutes: true", "lesson.minutes = True; a whole number"),
        ("cpu_seconds: 5", "cpu_seconds: 0", "lesson.cpu_seconds = 0; a whole number of at least 1"),
        ("number: 3", "number: '3'", "lesson.number = '3'; a whole number"),
        ("prerequisites: [1, 2]", "prerequisites: [one]", "lesson.prerequisites = ['one']; a list of int"),
        ("code: [core/objectives/hardness.py]", "code: core/x.py", "lesson.code = 'core/x.py'; a list of str"),
        ("title: A mini lesson", "title: ''", "lesson.title = ''; a text is expected"),
    ],
)
def test_a_header_that_does_not_fit_is_told(tmp_path, old, new, message):
    assert message in told(tmp_path, old, new)


def test_a_header_that_is_no_yaml_is_told(tmp_path):
    assert told(tmp_path, "prerequisites: [1, 2]", "prerequisites: [1, 2").startswith("the header is no YAML: ")


@pytest.mark.parametrize("header", ["", "# ---\n# jupyter:\n#   jupytext: {}\n# ---\n"])
def test_a_missing_header_is_told(tmp_path, header):
    assert told(tmp_path, header=header).startswith("has no header `jupyter: lesson:`")


BEGIN, END = "    # BEGIN SOLUTION\n    return x / 2\n", "    return x / 2\n    # END SOLUTION\n"
FUNCTION = "('def half(x: Tensor) -> Tensor:')"


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (BEGIN, "    return x / 2\n", f"cell 13 {FUNCTION}: the markers are ['# END SOLUTION']; pairs of"),
        (END, "    return x / 2\n", f"cell 13 {FUNCTION}: the markers are ['# BEGIN SOLUTION']; pairs of"),
        (BEGIN, BEGIN.replace("SOLUTION", "SOLUTION "), "the markers are ['# BEGIN SOLUTION ', '# END SOLUTION']"),
        (BEGIN, BEGIN.replace("# BEGIN", "### BEGIN"), "the markers are ['### BEGIN SOLUTION', '# END SOLUTION']"),
        ("    # BEGIN SOLUTION\n    return x / 2\n    # END SOLUTION\n", "    ...\n", "an exercise holds a solution"),
        ("# Because addition says so.", "# # BEGIN SOLUTION", "the markers are ['# BEGIN SOLUTION']"),
        (' exercise="3.2"', "", f"cell 13 {FUNCTION}: the exercise has no exercise"),
        (" difficulty=1", "", f"cell 13 {FUNCTION}: the exercise has no difficulty"),
        (" minutes=5", "", f"cell 13 {FUNCTION}: the exercise has no minutes"),
        ("difficulty=1", "difficulty=6", "difficulty=6; 1 to 5 is expected"),
        ("minutes=5", "minutes=0", "minutes=0; 1 to 120 is expected"),
        ('exercise="3.2"', "exercise=3.2", "exercise=3.2 is no text"),
        ('exercise="3.2"', 'exercise="3.3"', "exercises are numbered ['3.1', '3.3']; ['3.1', '3.2'] is expected"),
        ('exercise="3.1"', 'exercise="4.1"', "exercises are numbered ['4.1', '3.2']"),
        ('tags=["check"]\ncompare("half"', 'tags=["figure"]\ncompare("half"', "do not take turns"),
        (
            'tags=["explain"]',
            'tags=["explained"]',
            "cell 10 ('**Explain.** Why is that so?'): tag 'explained' is unknown",
        ),
        ('# %% [markdown] tags=["predict"]', '# %% tags=["predict"]', "hints and questions are markdown"),
        ('# %% tags=["figure"]', '# %% [markdown] tags=["figure"]', "figures, parameters and real runs are code"),
        (
            "# Hint 1: the idea\n# Add it to itself.",
            "# Hint 1: the idea",
            "a hint has a first line, its title, and text",
        ),
        ('# %% tags=["parameters"]\nSEED = 0', "# %%\nSEED = 0", "0 cells are tagged parameters"),
        ("SEED = 0", "SEED = int('0')", "one with the line `SEED = 0` is expected"),
        ("number: 3", "number: 4", "lesson.number = 4 is not the number in the file's name"),
    ],
)
def test_a_broken_form_is_told(tmp_path, old, new, message):
    assert message in told(tmp_path, old, new)
