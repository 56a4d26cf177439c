import json
import os
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
import warm_processes
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from benchmarks import gpu_step
from benchmarks.gpu_step import SAVINGS, Bench, GpuStepSettings, Schedule
from benchmarks.prepared_mixture import step_of, workload
from benchmarks.shapes import build, useful_flops

ROOT = Path(__file__).parents[2]
MODELS = ("qwen2-vl-2b", "llava-onevision-0.5b")
CPU = torch.device("cpu")


@pytest.fixture(scope="module", params=MODELS)
def bench(request) -> Bench:
    return Bench(request.param, GpuStepSettings(tiny=True, rounds=1, chunk=8, peer_chunk=8))


def test_both_sides_see_the_same_items_in_the_same_way(bench):
    assert bench.difference() < 1e-5


def test_savings_change_no_loss(bench, monkeypatch):
    batch = workload(bench.embedder, 16, tiny=True)
    monkeypatch.setattr(bench.stepper.optimizer, "step", lambda: None)
    losses = {}
    for saving in (None, *SAVINGS):
        if saving != "uint8 pixels":  # floats in place of bytes: the type checks of tests refuse them
            losses[saving] = float(bench.ours(batch, saving)(0).contrast.loss)
    assert list(losses.values()) == pytest.approx([losses[None]] * len(losses), rel=1e-5)


def test_repeated_items_are_encoded_once_or_not():
    embedder = build("qwen2-vl-2b", True, CPU)
    batch = workload(embedder, 64, tiny=True)
    once, all_of_them = (step_of(batch, embedder.collate, 16, once=each) for each in (True, False))
    assert sum(len(chunk.token_ids) for chunk in all_of_them.chunks) == 128
    assert sum(len(chunk.token_ids) for chunk in once.chunks) == len(batch.distinct()) < 128
    assert len(set(batch.target_ids)) < 64
    for data in (once, all_of_them):
        lengths = torch.cat([chunk.attention_mask.sum(dim=1) for chunk in data.chunks])
        assert lengths[data.query_rows].tolist() == [item.length for item in batch.queries]
        assert lengths[data.target_rows].tolist() == [item.length for item in batch.targets]


def test_sorted_chunks_pad_less():
    embedder = build("llava-onevision-0.5b", True, CPU)
    batch = workload(embedder, 32, tiny=True)
    padded = [
        sum(chunk.token_ids.numel() for chunk in step_of(batch, embedder.collate, 8, by_length=each).chunks)
        for each in (True, False)
    ]
    assert padded[0] < 0.8 * padded[1]


@pytest.mark.parametrize("name", MODELS)
def test_useful_operations_are_those_of_a_forward_pass(name):
    embedder = build(name, True, CPU).eval()
    (item,) = workload(embedder, 1, tiny=True).queries
    counter = FlopCounterMode(display=False)
    with torch.no_grad(), counter, sdpa_kernel(SDPBackend.MATH):  # the fused one is not counted on a CPU
        embedder(embedder.collate([item]))
    # Vision trained: three times a forward pass. The counter takes causal attention for full, so it may be above.
    assert 0.9 < useful_flops(embedder, [item]) / 3 / counter.get_total_flops() < 1.02


def test_a_case_without_time_is_left_out_and_named(tmp_path, monkeypatch):
    now = [100.0]
    monkeypatch.setattr(gpu_step, "time", SimpleNamespace(monotonic=lambda: now[0]))
    schedule = Schedule(GpuStepSettings(tmp_path / "out.json", minutes=0.001))
    schedule.case("first", lambda: [{"side": "ours"}])
    now[0] += 0.07
    schedule.case("second", lambda: [{"side": "cached"}])
    written = json.loads((tmp_path / "out.json").read_text())
    assert written["rows"] == [{"side": "ours"}]
    assert written["settings"]["left_out"] == ["second"]


@pytest.mark.slow
def test_a_tiny_run_on_the_cpu(tmp_path):
    output = tmp_path / "gpu_step.json"
    program = [ROOT / "benchmarks/gpu_step.py", "--tiny", "--rounds", "1", "--compile", "false", "--output", output]
    done = warm_processes.run(program, os.environ | {"PYTHONPATH": str(ROOT)}, timeout_s=600)
    assert done.returncode == 0, done.stderr
    written = json.loads(output.read_text())
    assert len(written["rows"]) == len(MODELS) * (2 + len(SAVINGS))
    for row in written["rows"]:
        assert {"pairs_per_s", "tokens_per_s", "mfu", "peak_mb", "ratio", "peak_source"} <= set(row)
        assert row["mfu"] > 0
    assert written["settings"]["left_out"] == []
