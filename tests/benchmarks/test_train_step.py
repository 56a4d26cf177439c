import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import sentence_transformers_peer, torchvision_operators, train_step
from benchmarks.timing import Ratio
from benchmarks.train_step import MODELS, TrainStepSettings, fastest, figures, passes

ROOT = Path(__file__).parents[2]
needs_peer = pytest.mark.skipif(
    not sentence_transformers_peer.available(),
    reason="RIVAL NOT RUN: torchvision is missing; see benchmarks/sentence_transformers_peer.py for an environment.",
)


def test_the_figures_of_a_side():
    found = figures([6.0, 8.0, 10.0], [2.0, 2.0, 5.0], batch=128, bar=3.0)
    assert found["pairs_per_s"] == 16.0
    assert found["step_s_quartiles"] == [7.0, 9.0]
    assert found["ratio"]["median"] == 3.0
    assert found["passes"]
    assert not figures([5.0, 5.0], [2.0, 2.0], 128, 3.0)["passes"]
    assert figures([5.0], [2.0], 128, None)["passes"] is None


@pytest.mark.parametrize(
    ("against", "bar", "right"),
    [
        (Ratio(2.9, 2.5, 3.2), 3.0, False),
        (Ratio(3.0, 2.5, 3.2), 3.0, True),
        (Ratio(0.99, 0.9, 1.05), 1.0, True),
        (Ratio(0.9, 0.8, 0.99), 1.0, False),
    ],
)
def test_a_bar_is_for_the_median_but_never_slower_allows_for_noise(against, bar, right):
    assert passes(against, bar) is right


def test_the_fastest_choice_is_found(monkeypatch):
    """By the quicker of its second and third step; the first is none of them."""
    monkeypatch.setattr(train_step, "timed", lambda call: call())
    seconds = {"a": (0.0, 3.0, 2.0), "b": (9.0, 5.0, 1.0), "c": (0.5, 2.0, 2.0)}
    assert fastest(["a", "b", "c"], lambda name: lambda number: seconds[name][number]) == "b"


def test_the_operators_are_declared_as_torch_wants_them():
    assert torchvision_operators.schema("nms", ("Tensor", "float"), 1) == "nms(Tensor a0, float a1) -> Tensor"
    assert torchvision_operators.schema("pool", ("Tensor",), 2) == "pool(Tensor a0) -> (Tensor, Tensor)"


def test_the_deep_model_comes_first():
    settings = TrainStepSettings()
    deep, shallow = (MODELS[name] for name in settings.models)
    assert deep.layers >= 24
    assert shallow.layers < 6


@pytest.mark.slow
def test_a_rival_that_cannot_run_is_named():
    if sentence_transformers_peer.available():
        pytest.skip("torchvision is here")
    done = run_benchmark("--rounds", "1")
    assert done.returncode == 1
    assert "torchvision is missing" in done.stderr


@needs_peer
@pytest.mark.slow
def test_a_small_run_from_end_to_end(tmp_path):
    output = tmp_path / "train_step.json"
    sizes = ["--models", "[tiny]", "--pairs_per_dataset", "48"]
    cases = [
        "--batches",
        "[32]",
        "--blocks",
        "[1]",
        "--towers",
        "[frozen]",
        "--precisions",
        "[float32]",
        "--chunks",
        "[16]",
    ]
    paths = ["--work", str(tmp_path / "work"), "--output", str(output)]
    done = run_benchmark(*sizes, *cases, *paths, "--rounds", "2", "--threads", "1")
    assert done.returncode == 0, done.stderr
    written = json.loads(output.read_text())
    assert [row["side"] for row in written["rows"]] == ["ours", "ours, twice", "cached", "plain", "ours, seen"]
    assert all(row["pairs_per_s"] > 0 and row["extra_mb"] >= 0 for row in written["rows"])
    assert {row["model"] for row in written["rows"]} == {"tiny"}
    assert max(written["settings"]["agreement"]["tiny"].values()) < 1e-3


def run_benchmark(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(ROOT / "benchmarks/train_step.py"), *arguments]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    return subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
