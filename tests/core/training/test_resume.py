"""What a run leaves so that it can go on, bit for bit: averages, a learned temperature, adapters; and what is kept."""

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from small_training import SMALL, change_step, small_settings

from core.checkpoints.checkpoint import OTHER_STATE, TRAINING_STATE, damage, description
from core.checkpoints.listing import checkpoints
from core.config.model_settings import TrainableSettings
from core.config.settings import RecordSettings, TrainSettings, ValidateSettings
from core.encoder.embedder import Embedder
from core.objectives.settings import ObjectiveSettings
from core.training.logs import read_metrics
from core.training.trainer import Trainer


def small(run: Path, **changes: object) -> TrainSettings:
    return small_settings(run, **{"save_every": 2, "keep_latest": 0} | changes)


def curve(run: Path) -> list[tuple[object, ...]]:
    return [(row["step"], row["loss"], row["gradient_norm"], row["temperature"]) for row in read_metrics(run)]


def break_after(settings: TrainSettings, steps: int) -> None:
    """Train so many steps, saving on the way, and go away without a word."""
    trainer = Trainer(settings)
    done = 0

    class Killed(BaseException):
        pass

    step = trainer.step

    def counted(data: object) -> object:
        nonlocal done
        done += 1
        if done > steps:
            raise Killed
        return step(data)  # type: ignore[arg-type]

    change_step(trainer, counted)
    with pytest.raises(Killed):
        trainer.run()


AVERAGE = ObjectiveSettings(alpha_warmup=0.0, reward="average", reward_decay=0.5)
KINDS: dict[str, dict[str, object]] = {
    "average": {"objective": AVERAGE},
    "learned temperature": {"objective": ObjectiveSettings(alpha_warmup=0.0, learn_temperature=True, temperature=0.1)},
    "average and learned": {"objective": dataclasses.replace(AVERAGE, learn_temperature=True, temperature=0.1)},
    "adapter": {
        "model": dataclasses.replace(
            SMALL, trainable=TrainableSettings(freeze=["vision"], lora_rank=2, lora_dropout=0.5)
        )
    },
    "frozen tower, graphs not kept": {
        "model": dataclasses.replace(SMALL, trainable=TrainableSettings(freeze=["vision"])),
        "graph_memory_gb": 0.0,
        "chunk": 4,
    },
}


@pytest.mark.parametrize("kind", KINDS)
def test_it_goes_on_bit_for_bit(kind: str, tmp_path: Path) -> None:
    whole, broken = small(tmp_path / "whole", **KINDS[kind]), small(tmp_path / "broken", **KINDS[kind])
    Trainer(whole).run()
    break_after(broken, 3)
    assert [each.step for each in checkpoints(broken.output)] == [2]
    Trainer(dataclasses.replace(broken, resume=True)).run()
    assert curve(broken.output) == curve(whole.output)
    files = {path.name for path in (whole.output / "checkpoints/000006").iterdir()}
    assert files == {path.name for path in (broken.output / "checkpoints/000006").iterdir()}
    for name in files:
        if name.endswith(".safetensors"):
            one, other = (load_file(run.output / "checkpoints/000006" / name) for run in (whole, broken))
            assert one.keys() == other.keys()
            assert all(torch.equal(one[key], other[key]) for key in one), name


def test_what_else_a_checkpoint_keeps_matters(tmp_path: Path) -> None:
    """What the test above would miss if the average had no effect: without it the curve is another one."""
    whole, broken = small(tmp_path / "whole", objective=AVERAGE), small(tmp_path / "broken", objective=AVERAGE)
    Trainer(whole).run()
    break_after(broken, 3)
    folder = checkpoints(broken.output)[-1].folder
    kept = load_file(folder / OTHER_STATE)
    assert {name.split("/")[0] for name in kept} == {"average"}
    weights = {f"average/{name}": weight.detach() for name, weight in Embedder.load(folder).named_parameters()}
    assert weights.keys() == kept.keys()
    assert any(not torch.equal(kept[name], weights[name]) for name in kept)
    resumed = Trainer(dataclasses.replace(broken, resume=True))
    resumed.step.reward.restore(weights)
    resumed.run()
    assert curve(broken.output)[:2] == curve(whole.output)[:2]
    assert curve(broken.output)[2:] != curve(whole.output)[2:]


def test_an_adapters_checkpoint_is_small_and_stands_on_the_runs_base(tmp_path: Path) -> None:
    settings = small(tmp_path / "run", steps=2, **KINDS["adapter"])
    folder = Trainer(settings).run()
    assert (settings.output / "base/model.safetensors").is_file()
    assert not (folder / "model.safetensors").exists()
    moved = (tmp_path / "run").rename(tmp_path / "elsewhere")
    assert Embedder.load(moved / "checkpoints/000002").dimensions == 32


def steps_kept(run: Path) -> list[int]:
    return [each.step for each in checkpoints(run)]


def test_the_latest_and_the_best_are_kept(tmp_path: Path) -> None:
    settings = small(tmp_path / "run", steps=8, save_every=1, keep_latest=2, keep_best=1)
    Trainer(settings).run()
    losses = {row["step"]: row["infonce_loss"] for row in read_metrics(settings.output)}
    kept = steps_kept(settings.output)
    assert kept[-2:] == [7, 8]
    assert set(kept) == {7, 8, min(losses, key=losses.__getitem__)}
    for each in checkpoints(settings.output):
        score = description(each)["score"]
        assert score == {"measure": "mean infonce_loss", "value": losses[each.step], "higher": False}
        assert description(each)["objective"]["temperature"] == 0.02
        assert description(each)["objective"]["alpha"] == pytest.approx(min(9, 9 * (each.step - 1) / 4))


def test_the_best_by_validation_is_kept_and_logged(tmp_path: Path) -> None:
    settings = small(
        tmp_path / "run", steps=4, save_every=1, keep_latest=1, keep_best=1, validate=ValidateSettings(1, 2)
    )
    Trainer(settings).run()
    found = {row["step"]: row["validation"] for row in read_metrics(settings.output)}
    assert set(found) == {1, 2, 3, 4}
    assert {"all", "classification", "retrieval", "in distribution"} <= found[1].keys()
    assert all(0 <= value <= 1 for each in found.values() for value in each.values())
    best = max(found, key=lambda step: (found[step]["all"], step))
    assert steps_kept(settings.output) == sorted({4, best})
    score = description(checkpoints(settings.output)[-1])["score"]
    assert score == {"measure": "validation P@1", "value": found[4]["all"], "higher": True}


def test_validating_changes_nothing_of_the_training(tmp_path: Path) -> None:
    plain = small(tmp_path / "plain", steps=3)
    watched = dataclasses.replace(plain, output=tmp_path / "watched", validate=ValidateSettings(1, 2))
    for each in (plain, watched):
        Trainer(each).run()
    assert curve(plain.output) == curve(watched.output)


def cut(folder: Path) -> None:
    path = folder / "optimizer.safetensors"
    path.write_bytes(path.read_bytes()[:-100])


def lose(folder: Path) -> None:
    (folder / "model.safetensors").unlink()


def scramble(folder: Path) -> None:
    (folder / TRAINING_STATE).write_text('{"step": 4, "fi')


@pytest.mark.parametrize("harm", [cut, lose, scramble])
def test_a_damaged_checkpoint_is_passed_over_for_the_one_before(
    harm: Callable[[Path], None], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    whole, broken = small(tmp_path / "whole"), small(tmp_path / "broken")
    Trainer(whole).run()
    break_after(broken, 5)
    harm(broken.output / "checkpoints/000004")
    assert damage(checkpoints(broken.output)[-1]) is not None
    again = Trainer(dataclasses.replace(broken, resume=True))
    assert "checkpoints/000004 is passed over and renamed to *.damaged: " in capsys.readouterr().err
    assert again.done == 2
    again.run()
    assert curve(broken.output) == curve(whole.output)
    assert steps_kept(broken.output) == [2, 4, 6]


def test_when_no_checkpoint_is_whole_nothing_is_overwritten(tmp_path: Path) -> None:
    settings = small(tmp_path / "run", steps=2)
    Trainer(settings).run()
    cut(settings.output / "checkpoints/000002")
    with pytest.raises(ValueError, match=r"no checkpoint is whole; the latest: .*optimizer\.safetensors has \d+ bytes"):
        Trainer(dataclasses.replace(settings, resume=True))
    assert steps_kept(settings.output) == [2]


def test_a_finished_run_is_left_as_it_is(tmp_path: Path) -> None:
    settings = small(tmp_path / "run", steps=2)
    Trainer(settings).run()
    before = (settings.output / "checkpoints/000002").stat().st_ino
    assert Trainer(dataclasses.replace(settings, resume=True)).run() == settings.output / "checkpoints/000002"
    assert (settings.output / "checkpoints/000002").stat().st_ino == before
    assert len(curve(settings.output)) == 2


def test_left_overs_and_records_of_later_steps_are_removed(tmp_path: Path) -> None:
    settings = small(tmp_path / "run", record=RecordSettings(every=1, negatives=2))
    break_after(settings, 3)
    run = settings.output
    (run / "checkpoints/.000004.abcdef12").mkdir()
    (run / ".metrics.jsonl.abcdef12").touch()
    (run / "pairs/.000003-rank0.parquet.abcdef12").touch()
    (run / "pairs/000002-rank7.parquet").touch()
    (run / "pairs/000003-rank7.parquet").touch()
    Trainer(dataclasses.replace(settings, resume=True))
    assert not list(run.rglob(".*"))
    assert {path.name for path in (run / "pairs").iterdir()} == {
        "000001-rank0.parquet",
        "000002-rank0.parquet",
        "000002-rank7.parquet",
    }


def test_nodes_that_do_not_share_the_folder_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.training.run_folder.all_rows", lambda mine: torch.cat([mine, mine + 3]))
    with pytest.raises(ValueError, match=r"checkpoints of different steps, \[0, 3\]. Every node needs the same folder"):
        Trainer(small(tmp_path / "run"))


def test_settings_that_older_runs_do_not_name_count_as_the_defaults(tmp_path: Path) -> None:
    settings = small(tmp_path / "run", steps=2)
    Trainer(settings).run()
    path = settings.output / "config.yaml"
    path.write_text(path.read_text().replace("  both_directions: true\n", "").replace("keep_latest: 0\n", ""))
    (folder := settings.output / "checkpoints/000002" / TRAINING_STATE).write_text(json.dumps({"step": 2}))
    assert folder.is_file()
    assert Trainer(dataclasses.replace(settings, resume=True)).done == 2
    other = dataclasses.replace(settings, resume=True, objective=ObjectiveSettings(both_directions=False))
    path.write_text(path.read_text().replace("  both_directions: true\n", ""))
    with pytest.raises(ValueError, match=r"objective\.both_directions = False, but .* says True"):
        Trainer(other)
