"""Warm processes are processes of their own, and run a file as Python does."""

import os
import signal
import subprocess
from pathlib import Path

import pytest
import warm_processes

PROGRAM = """
import os, sys
print(os.getpid(), os.getcwd(), sys.argv[1:], __name__, os.environ.get("RANK"), "torch" in before)
print("and this to stderr", file=sys.stderr)
sys.exit(int(sys.argv[1]))
"""


def written(folder: Path, text: str) -> Path:
    path = folder / "program.py"
    path.write_text("import sys\nbefore = set(sys.modules)\n" + text)
    return path


@pytest.mark.slow
def test_a_program_has_its_own_pid_folder_arguments_output_and_status(tmp_path):
    done = warm_processes.run([written(tmp_path, PROGRAM), "3"], os.environ | {"RANK": "7"}, tmp_path)
    pid, rest = done.stdout.split(" ", 1)
    assert int(pid) != os.getpid()
    assert rest == f"{tmp_path} ['3'] __main__ 7 True\n"
    assert done.stderr == "and this to stderr\n"
    assert done.returncode == 3


@pytest.mark.slow
def test_one_that_fails_ends_the_others_and_one_that_hangs_is_told(tmp_path):
    waits = "import signal\nif sys.argv[1] == 'waits':\n    signal.pause()\nraise ValueError('no')\n"
    path = written(tmp_path, waits)
    first, second = warm_processes.run_together([warm_processes.Program([path, what]) for what in ("waits", "fails")])
    assert (first.returncode, second.returncode) == (-signal.SIGKILL, 1)
    assert second.stderr.endswith("ValueError: no\n")
    with pytest.raises(subprocess.TimeoutExpired):
        warm_processes.run([path, "waits"], timeout_s=0.1)
