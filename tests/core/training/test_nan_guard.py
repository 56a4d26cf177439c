"""NaN and infinity in a step: named, agreed upon by all ranks, and survived where the settings say so."""

import json
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from accelerate import Accelerator
from small_training import DATASETS, change_step, small_settings
from training_jobs import TINY
from warm_processes import run_ranks

from core.checkpoints.checkpoint import training_state
from core.checkpoints.listing import checkpoints
from core.config.settings import TrainSettings
from core.data.batches import BatchSampler
from core.data.miniature.benchmark import training_sets
from core.encoder.embedder import Embedder
from core.encoder.inputs import ModelInputs
from core.encoder.tiny.llava_onevision import tiny_embedder
from core.files.run_layout import NONFINITE
from core.training.logs import read_metrics
from core.training.nan_guard import NonFiniteStep, forget_faults_after
from core.training.step import StepOutcome, Stepper
from core.training.step_data import StepData, Steps
from core.training.trainer import Trainer


def small(run: Path, **changes: object) -> TrainSettings:
    return small_settings(run, **{"save_every": 100} | changes)


def poison(trainer: Trainer, steps: set[int], what: Callable[[torch.Tensor], torch.Tensor]) -> None:
    """Change the vectors of some steps, counted from 1, on the way out of the encoder."""
    stepper, encode, now = trainer.step, trainer.step.encode, [0]

    def step(data: StepData) -> StepOutcome:
        now[0] = data.step + 1
        return stepper(data)

    def poisoned(chunk: ModelInputs) -> torch.Tensor:
        return what(encode(chunk)) if now[0] in steps else encode(chunk)

    stepper.encode = poisoned  # type: ignore[method-assign]
    change_step(trainer, step)


def first_row_nan(vectors: torch.Tensor) -> torch.Tensor:
    return vectors.index_fill(0, torch.tensor([0]), float("nan"))


def gradient_infinite(vectors: torch.Tensor) -> torch.Tensor:
    if vectors.requires_grad:
        vectors.register_hook(lambda gradient: gradient * float("inf"))
    return vectors


@pytest.mark.parametrize(
    ("what", "words"), [(first_row_nan, "some embeddings are"), (gradient_infinite, "the gradient is")]
)
def test_it_stops_and_names_step_data_sets_and_items(
    what: Callable[[torch.Tensor], torch.Tensor], words: str, tmp_path: Path
) -> None:
    trainer = Trainer(small(tmp_path / "run"))
    poison(trainer, {3}, what)
    with pytest.raises(NonFiniteStep, match=rf"Step 3 \(data sets colour\): {words} not finite") as caught:
        trainer.run()
    assert "of miniature c" in str(caught.value)
    assert "--on_nonfinite skip" in str(caught.value)
    assert [row["step"] for row in read_metrics(tmp_path / "run")] == [1, 2]


def test_the_item_that_is_named_is_the_one_that_is_not_finite(tmp_path: Path) -> None:
    embedder = tiny_embedder(0, 32, 1, 1)
    settings = small(tmp_path)
    sets = [each for each in training_sets() if each.name in DATASETS]
    steps = Steps(BatchSampler(sets, 8, 4, 0), embedder.prepare, embedder.collate, 8, 0, 1)
    data = steps[0]
    pair = data.pairs[5]
    row = int(data.query_rows[5])
    stepper = Stepper(settings, embedder, Accelerator(cpu=True))
    encode, before = stepper.encode, {"rows": 0}

    def poisoned(chunk: ModelInputs) -> torch.Tensor:
        vectors = encode(chunk)
        here = row - before["rows"]
        before["rows"] += len(vectors)
        if 0 <= here < len(vectors):
            vectors = vectors.index_fill(0, torch.tensor([here]), float("inf"))
        return vectors

    stepper.encode = poisoned  # type: ignore[method-assign]
    weights = {name: weight.clone() for name, weight in embedder.named_parameters()}
    fault = stepper(data).fault
    assert fault is not None
    assert {each.content_id for each in fault.suspects} == {pair.query.content_id}
    assert {each.origin for each in fault.suspects} <= {each.origin for each in data.pairs}
    assert all(torch.equal(weight, weights[name]) for name, weight in embedder.named_parameters())


@pytest.mark.parametrize("what", [first_row_nan, gradient_infinite])
def test_a_skipped_step_changes_no_weight_and_is_listed(
    what: Callable[[torch.Tensor], torch.Tensor], tmp_path: Path
) -> None:
    run = tmp_path / "run"
    trainer = Trainer(small(run, on_nonfinite="skip"))
    poison(trainer, {3}, what)
    seen: list[dict[str, torch.Tensor]] = []
    stepper = trainer.step

    def watched(data: StepData) -> StepOutcome:
        outcome = stepper(data)
        seen.append({name: weight.detach().clone() for name, weight in trainer.embedder.named_parameters()})
        return outcome

    change_step(trainer, watched)
    trainer.run()

    def same(one: int, other: int) -> bool:
        return all(torch.equal(seen[one][name], seen[other][name]) for name in seen[0])

    assert [same(step, step + 1) for step in range(5)] == [False, True, False, False, False]
    rows = read_metrics(run)
    assert [row["step"] for row in rows] == [1, 2, 3, 4, 5, 6]
    assert ["skipped" in row for row in rows] == [False, False, True, False, False, False]
    assert "not finite" in rows[2]["skipped"]
    assert "loss" not in rows[2]
    faults = [json.loads(line) for line in (run / NONFINITE).read_text().splitlines()]
    assert [each["step"] for each in faults] == [3]
    assert faults[0]["suspects"]
    assert faults[0]["datasets"] == ["colour"]
    assert all(math.isfinite(row["loss"]) for row in rows if "loss" in row)


def test_too_many_in_a_row_end_the_run_also_when_it_was_resumed_in_between(tmp_path: Path) -> None:
    settings = small(tmp_path / "run", on_nonfinite="skip", nonfinite_limit=3, save_every=3)
    trainer = Trainer(settings)
    poison(trainer, {2, 3, 4, 5}, first_row_nan)
    with pytest.raises(NonFiniteStep, match=r"3 steps in a row were not finite \(nonfinite_limit\); the last: Step 4"):
        trainer.run()
    assert training_state(checkpoints(settings.output)[-1]).in_a_row == 2
    again = Trainer(replace(settings, resume=True))
    poison(again, {2, 3, 4, 5}, first_row_nan)
    with pytest.raises(NonFiniteStep, match=r"3 steps in a row .* Step 4"):
        again.run()
    assert [row["step"] for row in read_metrics(settings.output)] == [1, 2, 3, 4]
    lines = (settings.output / NONFINITE).read_text().splitlines()
    assert [json.loads(line)["step"] for line in lines] == [2, 3, 4]


def test_faults_of_steps_done_again_are_forgotten(tmp_path: Path) -> None:
    forget_faults_after(tmp_path, 3)
    assert not (tmp_path / NONFINITE).exists()
    (tmp_path / NONFINITE).write_text('{"step": 2}\n{"step": 5}\n{"step": 3}\n{"st')
    forget_faults_after(tmp_path, 3)
    assert (tmp_path / NONFINITE).read_text() == '{"step": 2}\n{"step": 3}\n'


def test_weights_that_are_not_finite_are_named_by_the_items_they_spoil(tmp_path: Path) -> None:
    embedder: Embedder = tiny_embedder(0, 32, 1, 1)
    sets = [each for each in training_sets() if each.name == "colour"]
    data = Steps(BatchSampler(sets, 8, 4, 0), embedder.prepare, embedder.collate, 8, 0, 1)[0]
    stepper = Stepper(small(tmp_path), embedder, Accelerator(cpu=True))
    name, weight = next((n, w) for n, w in embedder.named_parameters() if "layers.0" in n and w.dim() == 2)
    weight.register_hook(lambda gradient: gradient * float("nan"))
    fault = stepper(data).fault
    assert fault is not None
    assert fault.weights == (name,)
    assert fault.what == "the gradient is"
    assert name in str(fault)


PROGRAM = """
import sys
from pathlib import Path
import torch
from core.config.command_line import parse
from core.config.settings import TrainSettings
from core.parallel.job import join
from core.training.trainer import Trainer

settings = parse(TrainSettings, "")
state = join(60)
trainer = Trainer(settings)
if state.process_index == 1:
    encode, calls = trainer.step.encode, [0]

    def poisoned(chunk):
        calls[0] += 1
        return encode(chunk) * (float("nan") if calls[0] == 3 else 1)

    trainer.step.encode = poisoned
trainer.run()
state.destroy_process_group()
"""


@pytest.mark.slow
def test_all_ranks_skip_what_one_of_them_alone_has_seen(tmp_path: Path) -> None:
    program, run = tmp_path / "program.py", tmp_path / "run"
    program.write_text(PROGRAM)
    settings = ("--output", str(run), "--steps", "5", "--on_nonfinite", "skip")
    done = run_ranks(2, [program, *TINY, *settings], timeout_s=180)
    assert done.returncode == 0, done.stderr
    assert ["skipped" in row for row in read_metrics(run)] == [False, False, True, False, False]
    fault = json.loads((run / NONFINITE).read_text())
    assert fault["step"] == 3
    assert {each["rank"] for each in fault["suspects"]} == {1}
