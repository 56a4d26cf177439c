"""The table of wrong answers."""

import mini_lesson

from workbench.lessons.feedback import Wrong, WrongAnswer
from workbench.lessons.mistakes import row, table


def test_the_table_has_a_row_a_mistake(tmp_path):
    mini_lesson.write(tmp_path)
    assert list(table(tmp_path)) == [
        "| lesson | exercise | mistake | what the check says |",
        "|---|---|---|---|",
        "| A mini lesson | 3.1 | Squares in place of doubling. | This is the square. |",
    ]


def test_bars_and_line_breaks_do_not_break_a_row():
    def check(answer, seed=0):
        raise Wrong("a | b\n  c")

    def answer():
        """Takes |x|
        twice.
        """

    assert row("T", WrongAnswer("3.1", check, answer, "a")) == r"| T | 3.1 | Takes \|x\| twice. | a \| b c |"
