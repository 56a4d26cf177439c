import json
import os
import threading

import pytest
import torch

from benchmarks.machine import PeakMemory, in_fresh_process, table, write_result


def test_the_table_is_aligned_and_shows_what_is_missing():
    lines = table([{"side": "ours", "s": 1.23456}, {"side": "cached"}], ("side", "s")).splitlines()
    assert lines == ["  side      s", "  ours  1.235", "cached      -"]


def test_peak_memory_sees_what_was_freed_again():
    looked = threading.Event()

    class Watched(PeakMemory):
        def _now(self):
            found = super()._now()
            looked.set()
            return found

    with Watched() as memory:
        block = torch.ones(64 * 2**20 // 4)
        for _ in range(2):  # the first look may have begun before the block was there
            looked.clear()
            assert looked.wait(60)
        del block
        left = torch.ones(2**18)
    assert 40 < memory.extra_mb < 120
    assert memory.total_mb > memory.extra_mb
    assert len(left) == 2**18


@pytest.mark.slow
def test_a_fresh_process_is_another_with_the_same_threads():
    process, threads = in_fresh_process(eval, "__import__('os').getpid(), __import__('torch').get_num_threads()")
    assert process != os.getpid()
    assert threads == torch.get_num_threads()


def test_a_result_names_machine_versions_and_settings(tmp_path):
    write_result(tmp_path / "a/b.json", "train_step", {"rounds": 3, "work": tmp_path}, [{"side": "ours"}])
    written = json.loads((tmp_path / "a/b.json").read_text())
    assert set(written) == {"benchmark", "environment", "settings", "rows"}
    assert set(written["environment"]) == {"device", "threads", "load_before", "python", "versions"}
    assert written["environment"]["versions"]["torch"] == torch.__version__.split("+")[0] or torch.__version__
    assert written["rows"] == [{"side": "ours"}]
