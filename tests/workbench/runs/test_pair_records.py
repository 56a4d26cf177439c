"""Records are read whole, thinned evenly, and what is broken is left out by name."""

import pandas as pd
import pytest
from small_records import record_rows, write_records

from workbench.runs.pair_records import MOST_STEPS, NAMES, NUMBERS, read_recorded, recorded_files, spread


def test_all_ranks_of_all_steps_in_order(tmp_path):
    write_records(tmp_path, (20, 10), ("edit", "colour"))
    found = read_recorded(tmp_path)
    assert found.steps == 2
    assert found.problems == ()
    expected = [record_rows(step, name) for step in (10, 20) for name in ("edit", "colour")]
    pd.testing.assert_frame_equal(found.rows, pd.concat(expected, ignore_index=True)[[*NAMES, *NUMBERS]])


def test_no_records(tmp_path):
    found = read_recorded(tmp_path)
    assert (found.steps, len(found.rows), found.problems) == (0, 0, ())


def test_long_records_are_thinned_evenly(tmp_path):
    steps = list(range(10, 10 * (MOST_STEPS + 40), 10))
    chosen = spread(steps, MOST_STEPS)
    assert len(chosen) == MOST_STEPS
    assert {steps[0], steps[-1]} <= chosen
    gaps = pd.Series(sorted(chosen)).diff().dropna()
    assert gaps.max() <= 2 * gaps.min()
    assert spread([5], 3) == {5}
    assert spread([], 3) == set()


@pytest.mark.parametrize(
    ("break_it", "words"),
    [
        (lambda path: path.write_bytes(b"PAR1 no"), "000010-rank0.parquet cannot be read"),
        (lambda path: record_rows(10, "edit").drop(columns="share").to_parquet(path), "has no column share"),
        (lambda path: record_rows(10, "edit").assign(weight="much").to_parquet(path), "weight holds no numbers"),
    ],
)
def test_a_broken_file_is_named_and_left_out(tmp_path, break_it, words):
    write_records(tmp_path)
    break_it(tmp_path / "pairs" / "000010-rank0.parquet")
    found = read_recorded(tmp_path)
    assert set(found.rows["step"]) == {20}
    assert len(found.problems) == 1
    assert words in found.problems[0]


def test_other_files_and_links_are_not_read(tmp_path):
    write_records(tmp_path / "run")
    (tmp_path / "elsewhere.parquet").write_bytes(b"secret")
    (tmp_path / "run" / "pairs" / "000030-rank0.parquet").symlink_to(tmp_path / "elsewhere.parquet")
    (tmp_path / "run" / "pairs" / "notes.parquet").write_bytes(b"")
    assert [each.name for each in recorded_files(tmp_path / "run")] == ["000010-rank0.parquet", "000020-rank0.parquet"]
