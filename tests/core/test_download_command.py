"""core/download.py from the command line: files and their commit, or one line that says what is wrong."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from fake_hub import serving

ROOT = Path(__file__).parents[2]
FILES = {"datasets/TIGER-Lab/MMEB-eval": {"images.zip": b"z" * 50, "CIRR/test-00000-of-00001.parquet": b"p" * 20}}


def fetch(address: str, home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """The command against a hub at an address."""
    environment = os.environ | {
        "PYTHONPATH": str(ROOT),
        "HF_ENDPOINT": address,
        "HF_HUB_OFFLINE": "0",
        "HF_HUB_DISABLE_XET": "1",
        "HF_HOME": str(home),
    }
    line = [sys.executable, str(ROOT / "core" / "download.py"), *arguments]
    return subprocess.run(line, capture_output=True, text=True, env=environment, timeout=120, check=False)


@pytest.mark.slow
def test_a_data_set_is_fetched_and_an_error_is_one_line(tmp_path: Path) -> None:
    with serving(FILES) as hub:
        to = ("--what", "mmeb-eval", "--to", str(tmp_path / "data"))
        done = fetch(hub.address, tmp_path / "home", *to, "--datasets", '["CIRR"]')
        assert done.returncode == 0, done.stderr
        assert "2 files, 70 bytes" in done.stdout
        assert f"TIGER-Lab/MMEB-eval at commit {hub.commit}" in done.stdout
        assert (tmp_path / "data" / "images.zip").read_bytes() == b"z" * 50
        done = fetch(hub.address, tmp_path / "home", *to, "--datasets", '["CIRR", "Cirr"]')
    assert (done.returncode, done.stderr.splitlines()[-1].split(";")[0]) == (1, "error: datasets: 'Cirr' is unknown")
    done = fetch("http://127.0.0.1:9", tmp_path / "home", *to)
    assert (done.returncode, done.stdout) == (1, "")
    assert "the hub cannot be reached" in done.stderr
