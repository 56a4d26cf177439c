"""Pictures that vanish while a run goes on: others stand in, the same ones each time; or the run saves and stops."""

import dataclasses
import json
import re
from pathlib import Path

import PIL.Image
import pytest
import torch
from picture_folders import write_folder
from small_training import small_settings
from warm_processes import run_ranks

from core.checkpoints.listing import checkpoints
from core.config.command_line import to_yaml
from core.config.settings import DataSettings, TrainSettings
from core.data.batches import BatchSampler
from core.data.folder import folder_pairs
from core.data.images.image_files import FileImage
from core.training.logs import read_metrics
from core.training.step_data import StepData, Steps, load
from core.training.step_pairs import BadStep
from core.training.trainer import StepWithoutPairs, Trainer

ROOT = Path(__file__).parents[3]


def settings_of(root: Path, run: Path, on_bad_item: str = "skip", **changes: object) -> TrainSettings:
    """Six steps of eight pairs over 24 rows in both directions."""
    data = DataSettings("folder", root, block=4, on_bad_item=on_bad_item)
    return small_settings(run, **{"data": data, "save_every": 2, "keep_latest": 0} | changes)


def vanish_after(trainer: Trainer, step: int, root: Path, names: list[str]) -> None:
    """Delete pictures once a step, counted from 1, is done."""
    advance = trainer._advance

    def changed(data, logs, bar) -> None:
        advance(data, logs, bar)
        if trainer.done == step:
            for name in names:
                (root / name).unlink(missing_ok=True)

    trainer._advance = changed


def names_of(steps: Steps, step: int) -> list[str]:
    """The pictures of a step, counted from 0, of the rank."""
    data = steps[step]
    assert isinstance(data, StepData)
    return sorted({source.path.name for pair in data.pairs for item in pair.items() for source in item.images()})


def losses(run: Path) -> list[float]:
    return [row["loss"] for row in read_metrics(run)]


def listed(run: Path) -> list[dict]:
    return [json.loads(line) for line in (run / "substituted.jsonl").read_text().splitlines()]


def test_the_run_goes_on_with_others_lists_them_once_and_resumes_to_the_same_losses(tmp_path, capsys) -> None:
    root = write_folder(tmp_path / "pictures")
    trainer = Trainer(settings_of(root, tmp_path / "run"))
    gone = names_of(trainer.steps(), 3)[:2]
    vanish_after(trainer, 2, root, gone)
    trainer.run()
    rows = read_metrics(tmp_path / "run")
    assert [row["step"] for row in rows] == [1, 2, 3, 4, 5, 6]
    assert rows[3]["substituted"] >= 2
    assert all("substituted" not in row for row in rows[:2])
    found = listed(tmp_path / "run")
    wheres = [(each["dataset"], each["where"]) for each in found]
    assert len(set(wheres)) == len(wheres) >= 2
    assert {each["where"] for each in found} == {f"{root / 'metadata.jsonl'} row {int(name[:2]) + 1}" for name in gone}
    assert all(re.search(r"\d\d\.png: cannot be read", each["reason"]) for each in found)
    assert not {each["substitute"] for each in found} & {each["where"] for each in found}
    warned = capsys.readouterr().err
    assert all(warned.count(f"{each['where']}: {each['reason']} Instead") >= 1 for each in found)

    before = losses(tmp_path / "run")
    for each in checkpoints(tmp_path / "run"):
        if each.step > 2:
            for path in sorted(each.folder.rglob("*"), reverse=True):
                path.unlink() if path.is_file() else path.rmdir()
            each.folder.rmdir()
    Trainer(dataclasses.replace(trainer.settings, resume=True)).run()
    assert losses(tmp_path / "run") == before
    assert listed(tmp_path / "run") == found
    warned = capsys.readouterr().err
    assert re.search(r"warning: \d+ rows that were good when the run began cannot be used any more", warned)
    assert "the data changed" not in warned


@pytest.mark.parametrize("workers", [0, 1])
def test_with_stop_what_is_done_is_saved_and_the_error_names_row_and_cause(workers, tmp_path) -> None:
    root = write_folder(tmp_path / "pictures")
    settings = settings_of(root, tmp_path / "run", "stop", save_every=1000)
    settings = dataclasses.replace(settings, data=dataclasses.replace(settings.data, workers=workers))
    trainer = Trainer(settings)
    vanish_after(trainer, 1, root, names_of(trainer.steps(), 5))
    with pytest.raises(StepWithoutPairs) as caught:
        trainer.run()
    message = str(caught.value)
    assert re.search(r"Step \d lacks pairs: .*metadata\.jsonl row \d+: .*\d\d\.png: cannot be read \(No such", message)
    assert f"Saved after step {trainer.done}." in message
    assert f"--config {settings.output}/config.yaml --resume" in message
    assert "--data.on_bad_item skip" in message
    assert "\n" not in message
    assert [each.step for each in checkpoints(settings.output)] == [trainer.done]
    skipping = dataclasses.replace(settings, resume=True, data=dataclasses.replace(settings.data, on_bad_item="skip"))
    Trainer(skipping).run()
    assert [row["step"] for row in read_metrics(settings.output)] == [1, 2, 3, 4, 5, 6]


def test_what_stands_in_is_the_same_for_every_number_of_ranks_and_loader_processes(tiny, tmp_path) -> None:
    root = write_folder(tmp_path / "pictures")
    batches = BatchSampler(folder_pairs(root), 8, 4, 0)
    for name in ("03.png", "07.png", "11.png"):
        (root / name).unlink()

    def steps(rank: int, world: int) -> Steps:
        return Steps(batches, tiny.prepare, tiny.collate, 8, rank, world, on_bad_item="skip")

    for one, forked in zip(load(steps(0, 1), 0, 4, 0), load(steps(0, 1), 0, 4, 1), strict=True):
        assert isinstance(one, StepData)
        assert isinstance(forked, StepData)
        assert one.substitutions == forked.substitutions
        halves = [steps(rank, 2)[one.step] for rank in range(2)]
        together = [pair.origin for both in zip(*(half.pairs for half in halves), strict=True) for pair in both]
        assert [pair.origin for pair in one.pairs] == together
        assert torch.equal(one.query_ids, forked.query_ids)
    stopping = Steps(batches, tiny.prepare, tiny.collate, 8, 0, 1)
    bad = [each for each in map(stopping.__getitem__, range(6)) if isinstance(each, BadStep)]
    assert bad
    assert all(".png: cannot be read" in problem.reason for each in bad for problem in each.problems)


def test_any_exception_of_a_decoder_or_tokenizer_is_a_named_problem(tiny, tmp_path, monkeypatch) -> None:
    root = write_folder(tmp_path / "pictures")
    batches = BatchSampler(folder_pairs(root), 8, 4, 0)

    def odd(self: FileImage) -> PIL.Image.Image:
        raise KeyError("an odd one\nof two lines")

    monkeypatch.setattr(FileImage, "open", odd)
    (bad,) = load(Steps(batches, tiny.prepare, tiny.collate, 8, 0, 1), 0, 1, workers=1)
    assert isinstance(bad, BadStep)
    for problem in bad.problems:
        assert re.fullmatch(r".*metadata\.jsonl row \d+", problem.where)
        assert re.fullmatch(r".*\d\d\.png: KeyError: 'an odd one\\nof two lines'", problem.reason)


def test_a_disk_that_is_gone_ends_the_run_with_skip_too(tmp_path) -> None:
    root = write_folder(tmp_path / "pictures")
    trainer = Trainer(settings_of(root, tmp_path / "run"))
    vanish_after(trainer, 1, root, [f"{row:02d}.png" for row in range(24)])
    with pytest.raises(StepWithoutPairs, match=r"Saved after step 1\..*16 others were bad too"):
        trainer.run()
    assert [each.step for each in checkpoints(tmp_path / "run")] == [1]


@pytest.mark.parametrize(("before", "after", "said"), [
    (40, 60, "has 60 pairs where the run began with 40"),
    (40, 40, "has as many pairs as when the run began, 40, but others"),
])  # fmt: skip
def test_data_that_changed_before_a_resume_is_told(before, after, said, tmp_path, capsys) -> None:
    root = write_folder(tmp_path / "pictures", rows=before)
    settings = settings_of(root, tmp_path / "run", steps=2)
    Trainer(settings).run()
    resumed = dataclasses.replace(settings, resume=True)
    Trainer(resumed)
    assert "the data changed" not in capsys.readouterr().err
    write_folder(root, rows=after, captions=["another caption"])
    Trainer(resumed)
    warned = capsys.readouterr().err
    for name in ("caption-to-image", "image-to-caption"):
        assert f"warning: {name} {said}" in warned
    assert "so the order of pairs is another one" in warned
    Trainer(resumed)  # it was told, and is what the run has now
    assert "the data changed" not in capsys.readouterr().err
    changes = json.loads((tmp_path / "run/data.json").read_text())["changes"]
    assert [each["after_step"] for each in changes] == [2, 2]


PROGRAM = """
import sys
from pathlib import Path
import core.training.step_data as step_data
from core.training.step_data import Steps
import core.train

class Vanishing(Steps):
    def __getitem__(self, step):
        if step == 2 and self.rank == 1:
            for pair in self.batches.pairs(step, 1, 2)[:1]:
                for item in pair.items():
                    for source in item.images():
                        Path(source.path).unlink(missing_ok=True)
        return super().__getitem__(step)

import core.training.trainer
core.training.trainer.Steps = Vanishing
core.train.leave(core.train.main())
"""


@pytest.mark.slow
@pytest.mark.parametrize("choice", ["stop", "skip"])
def test_one_rank_whose_picture_vanished_does_not_hang_the_other(choice, tmp_path) -> None:
    root = write_folder(tmp_path / "pictures")
    settings = settings_of(root, tmp_path / "run", choice, save_every=1000, collective_timeout_s=60.0)
    (tmp_path / "config.yaml").write_text(to_yaml(settings))
    (tmp_path / "program.py").write_text(PROGRAM)
    done = run_ranks(2, [tmp_path / "program.py", "--config", tmp_path / "config.yaml"], timeout_s=240)
    steps = [each.step for each in checkpoints(settings.output)]
    if choice == "skip":
        assert done.returncode == 0, done.stderr
        assert steps == [6]
        assert read_metrics(settings.output)[2]["substituted"] == 1
        assert len(listed(settings.output)) >= 1
    else:
        assert done.returncode == 1, done.stderr
        assert steps == [2]
        assert re.search(r"error: Step 3 lacks pairs: .*row \d+: .*\.png: cannot be read", done.stderr)
        assert "Traceback" not in done.stderr
        assert done.stderr.count("lacks pairs") == 1
