"""A log is parsed once, its new end only, and whatever of it is broken costs no other line."""

import json
import math
import os

import numpy as np
import pytest

from workbench.runs import growing_log
from workbench.runs.growing_log import GrowingLog


@pytest.fixture
def log(tmp_path):
    return GrowingLog(tmp_path / "metrics.jsonl")


def append(log, *rows, end="\n"):
    with log.path.open("a") as file:
        file.write("\n".join(map(json.dumps, rows)) + end)


def row(step, **more):
    return {"step": step, "loss": 1 / step, **more}


def test_rows_come_back_as_they_were_written(log):
    rows = [row(1, datasets={"a": 4, "b": 4}), row(2, margin=0.5), row(3, skipped="why", validation={"all": 0.25})]
    append(log, *rows)
    found = log.read()
    assert list(found) == rows
    assert found[-1] == rows[-1]
    assert found[1:] == rows[1:]
    assert (len(found), found.unreadable) == (3, 0)
    np.testing.assert_array_equal(found.steps, [1, 2, 3])
    np.testing.assert_array_equal(found.column("margin"), [np.nan, 0.5, np.nan])
    np.testing.assert_array_equal(found.column("validation/all"), [np.nan, np.nan, 0.25])
    assert np.isnan(found.column("temperature")).all()
    assert found.other(0, "datasets") == {"a": 4, "b": 4}
    assert found.other(1, "datasets") is None


def test_only_the_new_end_is_parsed(log, monkeypatch):
    parsed = []
    parse = growing_log.parse_json
    monkeypatch.setattr(growing_log, "parse_json", lambda line: parsed.append(line) or parse(line))
    append(log, *map(row, range(1, 501)))
    assert len(log.read()) == 500
    before = log.read()
    assert len(parsed) == 500
    append(log, row(501), row(502))
    assert [each["step"] for each in log.read()[-3:]] == [500, 501, 502]
    assert len(parsed) == 502
    assert len(before) == 500  # what was given out does not change


def test_a_line_that_is_not_complete_waits(log):
    append(log, row(1))
    append(log, row(2), end="")
    whole = log.path.read_bytes()
    log.path.write_bytes(whole[:-5])
    assert len(log.read()) == 1
    with log.path.open("ab") as file:
        file.write(whole[-5:])
    assert len(log.read()) == 2  # complete, though without its newline
    with log.path.open("ab") as file:
        file.write(b"\n")
    append(log, row(3))
    assert [each["step"] for each in log.read()] == [1, 2, 3]
    assert log.read().unreadable == 0


def test_broken_lines_are_counted_and_cost_no_other(log):
    log.path.write_bytes(b'{"step": 1, "lo\n\xff\xfe\n[1]\n{"step": "x"}\n{"loss": 2}\n\n{"step": 9, "loss": 4}\n')
    found = log.read()
    assert (list(found), found.unreadable) == ([{"step": 9, "loss": 4.0}], 3)


@pytest.mark.parametrize("replaced", [True, False])
@pytest.mark.parametrize("count", [2, 5, 90])
def test_a_log_that_was_written_anew_is_read_anew(log, replaced, count):
    append(log, *map(row, range(1, 6)))
    assert len(log.read()) == 5
    text = "".join(json.dumps({"step": step, "loss": 7.5}) + "\n" for step in range(1, count + 1))
    if replaced:  # as a resumed training does
        other = log.path.with_name("other")
        other.write_text(text)
        os.replace(other, log.path)
    else:
        log.path.write_text(text)
    found = log.read()
    assert len(found) == count
    assert set(found.column("loss")) == {7.5}


def test_no_file_is_an_empty_log_and_one_that_went_is_forgotten(log):
    assert len(log.read()) == 0
    assert not log.read()
    append(log, row(1))
    assert len(log.read()) == 1
    log.path.unlink()
    assert len(log.read()) == 0


def test_what_is_not_finite_is_told_from_what_was_not_logged(log):
    rows = [row(1), {"step": 2, "loss": math.nan}, {"step": 3, "loss": math.inf}, {"step": 4, "skipped": "NaN"}]
    append(log, *rows, {"step": 5})
    append(log, {"step": 6, "loss": "much"}, {"step": 7, "loss": 10**400}, {"step": 8, "loss": True})
    found = log.read()
    np.testing.assert_array_equal(found.not_finite("loss"), [False, True, True, True, False, False, False, False])
    np.testing.assert_array_equal(found.column("loss"), [1, np.nan, np.inf, *[np.nan] * 5])
    assert math.isnan(found[1]["loss"])
    assert found[6]["loss"] == 10**400
