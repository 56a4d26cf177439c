"""The instructor's notes: times, answers, and every wrong answer with what its check says."""

import mini_lesson
import pytest

from workbench.lessons.feedback import WrongAnswer, right
from workbench.lessons.notes import catalogue, message_of, notes
from workbench.lessons.source import LessonError, read_source


@pytest.fixture
def text(tmp_path):
    return notes(read_source(mini_lesson.write(tmp_path)), catalogue(tmp_path / "wrong_answers" / "03_mini.py"))


def test_they_have_a_table_of_exercises_with_points(text):
    assert "| 3.1 | `twice` | 2 of 5 | 10 | 10 |\n| 3.2 | `half` | 1 of 5 | 5 | 5 |\n" in text
    assert "About 20 minutes; solved, it computes for about 5 s" in text


def test_they_quote_the_answer_after_each_question(text):
    assert "**Predict.** What does doubling do to the sum?\n\n> It doubles *secretly*.\n" in text
    assert "**Explain.** Why is that so?\n\n> Because addition says so.\n" in text


def test_they_show_each_mistake_its_code_and_its_message(text):
    assert "### 3.1: Squares in place of doubling.\n" in text
    assert "```python\ndef squared(x: Tensor) -> Tensor:\n" in text
    assert text.endswith("> This is the square.\n")


def test_a_wrong_answer_that_passes_is_told():
    def lenient(answer, seed=0):
        right("3.1", str(answer(seed)))

    def fine(x):
        return x

    with pytest.raises(ValueError, match=r"exercise 3.1: the check lets the wrong answer fine pass"):
        message_of(WrongAnswer("3.1", lenient, fine, ""))


def test_what_a_check_prints_before_it_fails_is_left_out(capsys, tmp_path):
    mini_lesson.write(tmp_path)
    (wrong,) = catalogue(tmp_path / "wrong_answers" / "03_mini.py")
    assert message_of(wrong, seed=3) == "This is the square."
    assert capsys.readouterr().out == ""


def test_a_missing_catalogue_is_told(tmp_path):
    with pytest.raises(LessonError, match=r"03_mini.py: is missing; it holds the lesson's WRONG_ANSWERS"):
        catalogue(tmp_path / "03_mini.py")
