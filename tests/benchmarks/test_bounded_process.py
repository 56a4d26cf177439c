import sys

import pytest

from benchmarks.bounded_process import DONE, peak_gb, run_bounded

MB_100 = "bytearray(100_000_000)"
PEAK = "from benchmarks.bounded_process import peak_gb; print(peak_gb())"


def run(code, folder, seconds=60.0, memory_gb=1.0):
    return run_bounded([sys.executable, "-c", code], seconds, memory_gb, folder, {"GIVEN": "yes"})


def test_a_good_process_says_what_it_says(tmp_path):
    ended = run("import os; print(os.environ['GIVEN'], os.getcwd())", tmp_path)
    assert (ended.status, ended.said) == (DONE, f"yes {tmp_path}\n")
    assert 0 < ended.seconds < 60


@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("import sys; sys.exit('first\\nlast words')", "last words"),
        ("import sys; sys.exit(3)", "failed with exit status 3"),
        ("import os; os.kill(os.getpid(), 9)", "killed by SIGKILL"),
    ],
)
def test_a_failure_is_named(tmp_path, code, status):
    assert run(code, tmp_path).status == status


def test_what_takes_too_much_memory_is_ended_and_what_it_said_is_kept(tmp_path):
    ended = run(f"print('before', flush=True); kept = {MB_100}\nwhile True: pass", tmp_path, memory_gb=0.09)
    assert (ended.status, ended.said) == ("killed above 0.09 GB", "before\n")
    assert 0.09 < ended.peak_gb < 1


def test_what_takes_too_long_is_ended_with_what_it_started(tmp_path):
    child = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'while True: pass'])"
    ended = run(child, tmp_path, seconds=0.3)
    assert ended.status == "over 0.3 s"
    assert 0.3 < ended.seconds < 10


def test_the_peak_is_of_the_process_itself_and_does_not_sink(tmp_path):
    mine = bytearray(b"1") * 200_000_000  # which a process that is started here must not count as its own
    assert peak_gb() > 0.2
    small, large = run(PEAK, "."), run(f"kept = bytearray(b'1') * 100_000_000; del kept; {PEAK}", ".")
    assert len(mine) == 200_000_000
    assert float(small.said) < 0.2
    assert 0.09 < float(large.said) - float(small.said) < 0.2
