"""Hundreds of bad inputs, each fed to the command or page that would read it: one line of error, nothing lost."""

import json
import os
from collections import Counter
from pathlib import Path

import pytest
import run_bad_inputs
import warm_processes

ROOT = Path(__file__).parents[1]
SUPPORT = ROOT / "tests" / "support"
LEAST = {"settings": 35, "outside": 150, "checkpoints": 120, "bundles": 70, "pictures": 20, "uploads": 25}
"""How many inputs there are of each kind, at least."""
MOST_MEMORY = 2_000_000_000


@pytest.fixture(scope="module", params=list(run_bad_inputs.KINDS))
def results(request, tmp_path_factory) -> tuple[str, list[dict]]:
    """What the commands did with every input of a kind, in a process of their own."""
    folder = tmp_path_factory.mktemp("bad") / request.param
    folder.mkdir()
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(SUPPORT)])}
    program = [SUPPORT / "run_bad_inputs.py", request.param, folder]
    done = warm_processes.run(program, environment, ROOT, timeout_s=3000)
    assert done.returncode == 0, done.stderr
    return request.param, [json.loads(line) for line in (folder / "results.jsonl").read_text().splitlines()]


def faults(result: dict) -> list[str]:
    """What is wrong with how an input was refused."""
    lines = [line for line in result["stderr"].splitlines() if "error: " in line]
    found = {
        f"status {result['status']}": result["status"] not in (1, 2),
        "a traceback": "Traceback" in result["stderr"],
        f"{len(lines)} lines of error": len(lines) != 1,
        "an older result was lost": result["lost"],
        f"{result['peak'] / 1e9:.1f} GB": result["peak"] > MOST_MEMORY,
        f"{result['seconds']:.0f} s": result["seconds"] > run_bad_inputs.SECONDS,
    }
    return [fault for fault, there in found.items() if there]


@pytest.mark.slow
def test_every_bad_input_is_refused_in_one_line_and_nothing_is_lost(results):
    kind, found = results
    wrong = {each["name"]: (faults(each), each["stderr"][-1500:]) for each in found if faults(each)}
    assert wrong == {}
    assert len(found) >= LEAST[kind]
    names = Counter(each["name"] for each in found)
    assert max(names.values()) == 1
    print(f"{kind}: {len(found)} bad inputs, {sum(each['seconds'] for each in found):.0f} s of CPU")
