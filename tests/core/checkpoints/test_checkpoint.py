"""Checkpoints: training goes on bit for bit; paths are resolved; half-written ones are never seen."""

import json
import os
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from core.checkpoints import checkpoint as checkpoints
from core.checkpoints import listing
from core.checkpoints.checkpoint import OPTIMIZER_STATE, CheckpointScore, TrainingState
from core.checkpoints.listing import Checkpoint
from core.config.settings import OptimizerSettings
from core.data.records import Item, Text
from core.encoder.embedder import Embedder
from core.encoder.tiny.llava_onevision import tiny_embedder
from core.training.optimizer import adamw

SETTINGS = OptimizerSettings(weight_decay=0.1)


def small(seed: int = 0) -> Embedder:
    return tiny_embedder(seed, width=32, layers=1, vision_layers=1)


def train(embedder: Embedder, optimizer: torch.optim.AdamW, steps: range) -> None:
    """Pull the vectors of a few words apart, other words each step."""
    for step in steps:
        items = [Item((Text(f"{word} {step}"),)) for word in ("red", "blue", "ring")]
        vectors = embedder(embedder.collate([embedder.prepare(item) for item in items]))
        optimizer.zero_grad()
        (vectors @ vectors.T).square().sum().backward()
        optimizer.step()


def weights(embedder: Embedder) -> dict[str, torch.Tensor]:
    return {name: weight.detach().clone() for name, weight in embedder.named_parameters()}


def test_three_steps_saved_loaded_and_three_more_are_six_steps_bit_for_bit(tmp_path):
    straight = small()
    optimizer = adamw(straight, SETTINGS)
    train(straight, optimizer, range(3))
    halfway = weights(straight)
    saved = checkpoints.save(tmp_path, 3, straight, optimizer)
    train(straight, optimizer, range(3, 6))

    resumed = Embedder.load(saved.folder)
    assert all(torch.equal(weight, halfway[name]) for name, weight in resumed.named_parameters())
    optimizer = adamw(resumed, SETTINGS)
    checkpoints.restore_optimizer(saved, resumed, optimizer)
    train(resumed, optimizer, range(3, 6))
    expected = weights(straight)
    assert all(torch.equal(weight, expected[name]) for name, weight in weights(resumed).items())
    assert any(not torch.equal(weight, halfway[name]) for name, weight in expected.items())


def test_without_its_optimizer_state_training_goes_elsewhere(tmp_path):
    """What the test above would miss if the state had no effect."""
    straight = small()
    optimizer = adamw(straight, SETTINGS)
    train(straight, optimizer, range(3))
    saved = checkpoints.save(tmp_path, 3, straight, optimizer)
    forgetful = Embedder.load(saved.folder)
    train(straight, optimizer, range(3, 4))
    train(forgetful, adamw(forgetful, SETTINGS), range(3, 4))
    expected = weights(straight)
    assert any(not torch.equal(weight, expected[name]) for name, weight in weights(forgetful).items())


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run with checkpoints of steps 3 and 12."""
    folder = tmp_path_factory.mktemp("run")
    embedder = small()
    optimizer = adamw(embedder, SETTINGS)
    train(embedder, optimizer, range(1))
    for step in (12, 3):
        checkpoints.save(folder, step, embedder, optimizer)
    return folder


def test_a_checkpoint_holds_no_pickles(run):
    suffixes = {path.suffix for path in (run / "checkpoints" / "000012").iterdir()}
    assert suffixes == {".safetensors", ".json", ".jinja"}


def test_moments_are_named_after_their_weights(run):
    state = load_file(run / "checkpoints" / "000012" / OPTIMIZER_STATE)
    shapes = {name: weight.shape for name, weight in small().named_parameters()}
    kinds = {name.rsplit("/", 1)[1] for name in state}
    assert kinds == {"exp_avg", "exp_avg_sq", "step"}
    for name, value in state.items():
        weight, kind = name.rsplit("/", 1)
        assert value.shape == (() if kind == "step" else shapes[weight])


def test_the_latest_is_the_one_with_the_most_steps(run, tmp_path):
    assert [each.step for each in listing.checkpoints(run)] == [3, 12]
    assert listing.latest(run) == Checkpoint(run / "checkpoints" / "000012", 12)
    assert listing.latest(tmp_path) is None


def test_steps_are_compared_as_numbers(tmp_path):
    for name in ("999999", "1000000", "000002"):
        folder = tmp_path / "checkpoints" / name
        folder.mkdir(parents=True)
        (folder / "embedder.json").write_text("{}")
    assert [each.step for each in listing.checkpoints(tmp_path)] == [2, 999999, 1000000]


def test_other_folders_and_half_written_ones_are_not_checkpoints(run, tmp_path):
    shutil.copytree(run, tmp_path, dirs_exist_ok=True)
    for name in ("000099", ".000100.ab12", "12-old", "notes"):
        (tmp_path / "checkpoints" / name).mkdir()
    shutil.copy(run / "checkpoints" / "000012" / "embedder.json", tmp_path / "checkpoints" / ".000100.ab12")
    shutil.copy(run / "checkpoints" / "000012" / "embedder.json", tmp_path / "checkpoints" / "12-old")
    assert [each.step for each in listing.checkpoints(tmp_path)] == [3, 12]


def test_a_path_is_a_run_or_a_checkpoint(run, tmp_path):
    assert listing.resolve(run) == listing.latest(run)
    assert listing.resolve(run / "checkpoints" / "000003").step == 3
    other = shutil.copytree(run / "checkpoints" / "000003", tmp_path / "mine")
    assert listing.resolve(other) == Checkpoint(other, 0)
    for bad in (tmp_path, tmp_path / "nowhere", run / "checkpoints"):
        with pytest.raises(ValueError, match=r"neither a checkpoint .* nor a run"):
            listing.resolve(bad)


def test_a_crash_while_saving_leaves_no_checkpoint(tmp_path, monkeypatch):
    embedder = small()
    monkeypatch.setattr(checkpoints, "save_file", lambda *_: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(OSError, match="disk full"):
        checkpoints.save(tmp_path, 1, embedder, adamw(embedder, SETTINGS))
    assert listing.latest(tmp_path) is None
    assert list((tmp_path / "checkpoints").iterdir()) == []


def damaged(run, tmp_path) -> Checkpoint:
    return Checkpoint(shutil.copytree(run / "checkpoints" / "000012", tmp_path / "000012"), 12)


def refused(checkpoint: Checkpoint, message: str) -> None:
    embedder = small()
    with pytest.raises(ValueError, match=f"(?s){OPTIMIZER_STATE}.*{message}"):
        checkpoints.restore_optimizer(checkpoint, embedder, adamw(embedder, SETTINGS))


def test_state_of_other_weights_is_refused(run, tmp_path):
    checkpoint = damaged(run, tmp_path)
    path = checkpoint.folder / OPTIMIZER_STATE
    state = load_file(path)
    save_file(state | {"backbone.other.weight/step": torch.zeros(())}, path)
    refused(checkpoint, "'backbone.other.weight', which the model does not have")
    name = next(name for name in state if name.endswith("weight/exp_avg") and state[name].dim() == 2)
    save_file(state | {name: torch.zeros(2, 3)}, path)
    refused(checkpoint, r"\(2, 3\)")


def test_state_that_is_missing_or_cut_short_is_refused(run, tmp_path):
    checkpoint = damaged(run, tmp_path)
    path = checkpoint.folder / OPTIMIZER_STATE
    path.write_bytes(path.read_bytes()[:-4])
    refused(checkpoint, "cannot be read")
    path.unlink()
    refused(checkpoint, "cannot be read")


def kept(scores: list[float | None], keep_latest: int, keep_best: int, higher: bool = True) -> list[int]:
    """The steps that stay of checkpoints 1, 2, .. with these scores."""
    found = [
        (Checkpoint(Path(str(step)), step), None if value is None else CheckpointScore("P@1", value, higher))
        for step, value in enumerate(scores, start=1)
    ]
    gone = {each.step for each in checkpoints.superfluous(found, keep_latest, keep_best)}
    return [each.step for each, _ in found if each.step not in gone]


def test_the_latest_and_the_best_stay():
    assert kept([0.5, 0.9, 0.7, 0.6, 0.1], 2, 1) == [2, 4, 5]
    assert kept([0.5, 0.9, 0.7, 0.6, 0.1], 2, 1, higher=False) == [4, 5]
    assert kept([0.5, 0.1, 0.7, 0.6, 0.9], 2, 2, higher=False) == [1, 2, 4, 5]
    assert kept([0.5, 0.9, 0.7], 1, 0) == [3]
    assert kept([0.5, 0.9, 0.7], 0, 0) == [1, 2, 3]
    assert kept([0.9, 0.9, 0.7], 1, 1) == [2, 3]
    assert kept([None, 0.9, None, None], 1, 1) == [2, 4]
    assert kept([None, None], 1, 3) == [2]
    assert kept([], 2, 1) == []


def test_scores_of_another_measure_are_not_compared():
    found = [
        (Checkpoint(Path("1"), 1), CheckpointScore("loss", 0.1, higher=False)),
        (Checkpoint(Path("2"), 2), CheckpointScore("P@1", 0.2, higher=True)),
        (Checkpoint(Path("3"), 3), CheckpointScore("P@1", 0.1, higher=True)),
    ]
    assert [each.step for each in checkpoints.superfluous(found, 1, 1)] == [1]


def test_what_training_json_says_is_read_back(tmp_path):
    embedder = small()
    state = TrainingState(
        {"name": "llave", "alpha": 4.5}, CheckpointScore("P@1", 0.5, True), 3, {"average/x": torch.ones(2)}
    )
    saved = checkpoints.save(tmp_path, 7, embedder, adamw(embedder, SETTINGS), state)
    found = checkpoints.training_state(saved)
    assert (found.objective, found.score, found.in_a_row) == (state.objective, state.score, 3)
    assert torch.equal(found.tensors["average/x"], torch.ones(2))
    assert checkpoints.damage(saved) is None
    listed = json.loads((saved.folder / "training.json").read_text())["files"]
    on_disk = {path.name: path.stat().st_size for path in saved.folder.iterdir() if path.name != "training.json"}
    assert listed == on_disk
    for name in on_disk:
        copied = Checkpoint(shutil.copytree(saved.folder, tmp_path / f"without {name}"), 7)
        (copied.folder / name).unlink()
        assert f"{name} is missing" in (checkpoints.damage(copied) or "")


def test_a_checkpoint_is_on_the_disk_before_it_has_its_name(tmp_path, monkeypatch):
    """Every file, and the folder's list of them, is synchronised before the rename; the rename itself after."""
    events: list[tuple[str, str]] = []
    replace, fsync = os.replace, os.fsync

    def watched_replace(source, target):
        events.append(("replace", str(target)))
        replace(source, target)

    def watched_fsync(handle):
        events.append(("fsync", os.readlink(f"/proc/self/fd/{handle}")))
        fsync(handle)

    monkeypatch.setattr(os, "replace", watched_replace)
    monkeypatch.setattr(os, "fsync", watched_fsync)
    embedder = small()
    saved = checkpoints.save(tmp_path, 1, embedder, adamw(embedder, SETTINGS))
    renamed = events.index(("replace", str(saved.folder)))
    before = {Path(name).name for kind, name in events[:renamed] if kind == "fsync"}
    assert {path.name for path in saved.folder.iterdir()} <= before
    assert any(name.startswith(".000001.") for name in before)
    assert ("fsync", str(saved.folder.parent)) in events[renamed:]
