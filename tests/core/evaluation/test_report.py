"""The table keeps its columns under one another."""

import pytest

from core.evaluation.metrics import Score
from core.evaluation.report import recall_table, table
from core.evaluation.report_tables import text_table

SCORES = [
    Score("dataset", "grounding-by-relation", "P@1", 0.5, 0.25, 0.75, 200, 100.0, 0.01),
    Score("overall", "all", "P@1", 1.0, 1.0, 1.0, 3200, 78.4, 0.123),
    Score("distribution", "out of distribution", "P@1", 0.0, 0.0, 0.0049, 1400, 99.6, 0.0),
    Score("meta-task", "classification", "P@1", 0.0955, 0.08, 0.11, 4, 2.0, 0.5),
    Score("dataset", "shape", "MRR", 0.9, 0.8, 1.0, 200, 100.0, 0.05),
]


def test_one_line_a_score_of_the_metric_from_overall_to_data_set():
    lines = table(SCORES).splitlines()
    assert len(lines) == 5
    assert [line.split()[0] for line in lines] == ["P@1", "overall", "distribution", "meta-task", "dataset"]
    assert "shape" not in table(SCORES)
    assert table(SCORES, "MRR").splitlines()[1].split() == [
        "dataset", "shape", "90.0%", "80.0", "-", "100.0", "5.0%", "200", "100"
    ]  # fmt: skip


def test_columns_are_aligned_and_apart():
    header, *rows = table(SCORES).splitlines()
    assert len({len(line) for line in (header, *rows)}) == 1
    for title in ("score", "chance", "n", "pool"):
        end = header.rindex(title) + len(title)
        for row in rows:
            assert row[end - 1] != " "
            assert row[end : end + 1] in ("", " ")
    for row, name in zip(rows, ("all", "out of distribution", "classification", "grounding-by-relation"), strict=True):
        assert row.index(f" {name}  ") == rows[0].index(" all ")


@pytest.mark.parametrize(("index", "numbers"), [
    (1, ["100.0%", "100.0", "-", "100.0", "12.3%", "3200", "78"]),
    (3, ["9.6%", "8.0", "-", "11.0", "50.0%", "4", "2"]),
])  # fmt: skip
def test_numbers_are_percent_rounded(index, numbers):
    assert table(SCORES).splitlines()[index].split()[-7:] == numbers


def test_recalls_stand_side_by_side_without_data_sets():
    scores = [
        Score("meta-task", "video", metric, value, 0.0, 1.0, 200, 100.0, 0.01)
        for metric, value in (("MRR", 0.3), ("P@1", 0.25), ("R@10", 0.75), ("R@5", 0.5))
    ]
    lines = recall_table([*SCORES[:1], *scores]).splitlines()
    assert [line.split() for line in lines] == [
        ["P@1", "R@5", "R@10", "MRR"],
        ["meta-task", "video", "25.0%", "50.0%", "75.0%", "30.0%"],
    ]


def test_text_tables_are_as_wide_as_their_widest_cells():
    assert text_table(("name", "n"), [("a long one", 5), ("b", "1,000")]).splitlines() == [
        "name            n", "a long one      5", "b           1,000"
    ]  # fmt: skip
    assert text_table(("", "n", ""), [("", 1, "")], left=2) == "  n  \n  1  "
    with pytest.raises(ValueError, match="shorter"):
        text_table(("a", "b"), [("only one",)])
