"""The notebooks: stubs for students, markers and grading for instructors, the same bytes every time."""

import json
import re

import mini_lesson
import nbformat
import pytest

from workbench.lessons.notebooks import solution_notebook, student_notebook, written
from workbench.lessons.source import read_source


@pytest.fixture
def source(tmp_path):
    return read_source(mini_lesson.write(tmp_path))


def tagged(notebook, tag):
    return [cell for cell in notebook.cells if tag in cell.metadata.get("tags", [])]


def test_both_are_valid_and_byte_stable(tmp_path, source):
    again = read_source(mini_lesson.write(tmp_path / "elsewhere"))
    for make in (student_notebook, solution_notebook):
        text = written(make(source))
        assert text == written(make(source)) == written(make(again))
        assert text.endswith("}\n")
        nbformat.validate(nbformat.reads(text, as_version=4))
        assert json.loads(text)["nbformat_minor"] == 5


def test_what_is_read_back_is_what_was_written(source):
    made = solution_notebook(source)
    assert nbformat.reads(written(made), as_version=4) == made


def test_the_student_gets_neither_solutions_nor_instructors_cells(source):
    text = written(student_notebook(source))
    for secret in ("doubled_by_adding", "return x / 2", "SOLUTION", "secretly", "addition says so", "only instructors"):
        assert secret not in text
        assert secret in written(solution_notebook(source))


def test_a_stub_keeps_signature_and_docstring_and_raises_its_number(source):
    first, second = tagged(student_notebook(source), "exercise")
    assert first.source == (
        "# Exercise 3.1: difficulty 2 of 5, about 10 minutes\n"
        'def twice(x: Tensor) -> Tensor:\n    """Twice x."""\n    raise NotImplementedError("Exercise 3.1")'
    )
    assert second.source.endswith('\n    raise NotImplementedError("Exercise 3.2")')


def test_every_solution_of_a_cell_is_taken_out(tmp_path):
    two = (
        "    return x / 2\n    # END SOLUTION\n\n\ndef third(x: Tensor) -> Tensor:\n    if True:\n"
        "        # BEGIN SOLUTION\n        return x / 3\n        # END SOLUTION\n"
    )
    cells = mini_lesson.CELLS.replace("    return x / 2\n    # END SOLUTION\n", two)
    stub = tagged(student_notebook(read_source(mini_lesson.write(tmp_path, cells))), "exercise")[1].source
    assert "x /" not in stub
    assert stub.count("raise NotImplementedError") == 2
    assert '    if True:\n        raise NotImplementedError("Exercise 3.2")' in stub
    compile(stub, "stub", "exec")


def test_ids_are_in_order_and_nothing_has_run(source):
    for notebook in (student_notebook(source), solution_notebook(source)):
        assert [cell.id for cell in notebook.cells] == [f"cell-{place:03d}" for place in range(len(notebook.cells))]
        code = [cell for cell in notebook.cells if cell.cell_type == "code"]
        assert all(cell.outputs == [] and cell.execution_count is None for cell in code)


def test_a_question_is_followed_by_a_cell_for_words(source):
    cells = student_notebook(source).cells
    for tag, words in (("predict", "*Your prediction (before you run on):*"), ("explain", "*Your answer:*")):
        (place,) = (place for place, cell in enumerate(cells) if tag in cell.metadata.get("tags", []))
        assert (cells[place + 1].cell_type, cells[place + 1].source) == ("markdown", words)


def test_hints_are_folded(source):
    first, second = tagged(student_notebook(source), "hint")
    assert first.source == "<details><summary>Hint 1: the idea</summary>\n\nAdd it to itself.\n\n</details>"
    assert second.source.startswith("<details><summary>Hint 2: the formula</summary>\n\n$y = x + x$")


@pytest.mark.parametrize("seed", [0, 7, 12345])
def test_a_variant_differs_in_its_seed_only(source, seed):
    for make in (student_notebook, solution_notebook):
        (settings,) = tagged(make(source, seed), "parameters")
        assert settings.source == f"SEED = {seed}"
        plain = written(make(source))
        assert written(make(source, seed)) == plain.replace('"SEED = 0"', f'"SEED = {seed}"')
        assert source.cells[0].source == "SEED = 0", "the source itself stays as it is"


def test_grading_is_nbgraders(source):
    for notebook in (student_notebook(source), solution_notebook(source)):
        marks = {
            cell.metadata.nbgrader.grade_id: cell.metadata.nbgrader
            for cell in notebook.cells
            if "nbgrader" in cell.metadata
        }
        assert list(marks) == ["exercise-3-1", "check-3-1", "exercise-3-2", "check-3-2"]
        assert [marks[name].points for name in ("check-3-1", "check-3-2")] == [10, 5]
        for name, entry in marks.items():
            assert re.fullmatch(r"[a-zA-Z0-9_\-]+", name)
            exercise = name.startswith("exercise")
            assert entry.schema_version == 3
            assert not entry.task
            assert (entry.solution, entry.grade, entry.locked) == (exercise, not exercise, not exercise)
            assert ("points" in entry) == (not exercise)


def test_links_to_code_lead_to_the_project_from_both_folders(source):
    assert "[`core/objectives/hardness.py`](../core/objectives/hardness.py)" in student_notebook(source).cells[0].source
    assert "(../../core/objectives/hardness.py)" in solution_notebook(source).cells[0].source
