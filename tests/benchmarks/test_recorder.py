import json

import pytest

from benchmarks.recorder import RecorderBenchmarkSettings, measure


@pytest.mark.slow
def test_a_small_run_records_on_one_side_only(tmp_path):
    output = tmp_path / "recorder.json"
    settings = RecorderBenchmarkSettings(
        tmp_path / "work", output, batch=32, rounds=2, chunk=16, pairs_per_dataset=16, threads=1, width=32, layers=1
    )
    off, on = measure(settings)
    assert "file_bytes" not in off
    assert on["file_bytes"] > 1000
    assert on["low"] <= on["overhead_percent"] <= on["high"]
    assert on["at_default_percent"] == pytest.approx(on["overhead_percent"] / 100)
    assert on["passes"] == (on["overhead_percent"] <= 2)
    assert json.loads(output.read_text())["rows"][1]["side"] == "on"
