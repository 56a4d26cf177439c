"""Every broken path of a training is found, all of them at once, and what is whole is not complained of."""

import json
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from planned import RECIPES, mmeb_folder, saved_model

from core.config.model_settings import ModelSettings, TrainableSettings
from core.config.settings import DataSettings, TrainSettings
from core.encoder.embedder import Embedder
from core.encoder.freezing import make_trainable
from core.estimate.estimate import make_estimate
from core.estimate.paths import path_problems
from core.estimate.report import report
from core.objectives.settings import ObjectiveSettings

ROOT = RECIPES.parents[1]


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model and data. Shared: copy before breaking them."""
    root = tmp_path_factory.mktemp("files")
    saved_model("llava_onevision", root / "model")
    mmeb_folder(root / "mmeb")
    return root


@pytest.fixture
def broken(files: Path, tmp_path: Path) -> Path:
    """A copy of the model and data to break."""
    return shutil.copytree(files, tmp_path / "files")


def whole(root: Path, run: Path) -> TrainSettings:
    return TrainSettings(
        output=run,
        steps=4,
        batch=8,
        data=DataSettings(source="mmeb", path=root / "mmeb", datasets=["colour", "shape"], block=4),
        model=ModelSettings(start=str(root / "model")),
    )


def problems(settings: TrainSettings, gpus: int = 1) -> list[str]:
    return make_estimate(settings, gpus)[1]


def test_nothing_is_wrong_with_what_is_whole(files, tmp_path):
    plan, found = make_estimate(whole(files, tmp_path / "run"), 1)
    assert found == []
    assert plan is not None
    assert plan.mixture.pairs == 16
    assert (plan.queries.pictured, plan.targets.pictured) == (1, 0)
    assert not (tmp_path / "run").exists()


def test_all_problems_are_listed_at_once(broken, tmp_path):
    (broken / "model" / "tokenizer.json").unlink()
    for path in (broken / "model").glob("*.safetensors"):
        path.unlink()
    shutil.rmtree(broken / "mmeb" / "colour")
    (tmp_path / "file").write_text("no folder")
    settings = whole(broken, tmp_path / "file" / "run")
    settings = replace(
        settings,
        batch=9,
        data=replace(settings.data, block=9, datasets=["colour", "shape", "size"]),
        model=replace(
            settings.model, feature_cache=tmp_path / "file" / "cache", trainable=TrainableSettings(freeze=["vision"])
        ),
        objective=ObjectiveSettings(reward=str(tmp_path / "no-reward")),
    )
    plan, found = make_estimate(settings, 2)
    assert plan is not None, "the plan is made from what is there"
    expected = [
        "batch = 9 must be a multiple of the number of processes, 2",
        "mmeb/colour",
        "mmeb/size",
        "there are no weights",
        "tokenizer.json is missing",
        "objective.reward: ",
        f"output = {tmp_path}/file/run: {tmp_path}/file is a file",
        f"model.feature_cache = {tmp_path}/file/cache",
    ]
    for each in expected:
        assert sum(each in problem for problem in found) == 1, (each, found)
    assert len(found) == len(expected), found


def test_a_start_that_is_no_model_is_said_once(tmp_path):
    settings = TrainSettings(output=tmp_path / "run", model=ModelSettings(start=str(tmp_path / "nowhere")))
    plan, found = make_estimate(settings, 1)
    assert plan is None
    assert len(found) == 1
    assert f"{tmp_path}/nowhere is neither a checkpoint" in found[0]


def test_an_unknown_published_model_lists_the_known_ones(tmp_path):
    model = ModelSettings(start=str(tmp_path / "nowhere"), published="llava-17b")
    found = problems(TrainSettings(output=tmp_path / "run", model=model))
    assert any("model.published = 'llava-17b' is unknown; there are aquila-vl-2b, " in each for each in found)


def test_a_config_of_another_family_is_refused(broken, tmp_path):
    config = broken / "model" / "config.json"
    config.write_text(json.dumps({"model_type": "bert"}))
    found = problems(whole(broken, tmp_path / "run"))
    assert any("bert" in each for each in found)


def test_an_adapters_missing_base_is_found(files, tmp_path):
    embedder = Embedder.load(files / "model")
    make_trainable(embedder, TrainableSettings(lora_rank=2))
    base = shutil.copytree(files / "model", tmp_path / "base")
    embedder.base = base
    embedder.save(tmp_path / "adapter")
    settings = replace(
        whole(files, tmp_path / "run"),
        model=ModelSettings(start=str(tmp_path / "adapter"), trainable=TrainableSettings(lora_rank=2)),
    )
    plan, found = make_estimate(settings, 1)
    assert found == []
    assert plan is not None
    assert 0 < plan.shape.parameters["language"][1] < 10_000
    shutil.rmtree(base)
    _, found = make_estimate(settings, 1)
    assert any(f"the base of {tmp_path}/adapter" in each for each in found)


def test_a_run_that_is_there_is_refused_unless_resumed(files, tmp_path):
    settings = whole(files, tmp_path / "run")
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "metrics.jsonl").write_text("{}\n")
    found = problems(settings)
    assert len(found) == 1
    assert "already holds a run" in found[0]


def test_a_folder_that_cannot_be_written_and_a_full_disk(files, tmp_path, monkeypatch):
    settings = whole(files, tmp_path / "run")
    monkeypatch.setattr("core.estimate.paths.shutil.disk_usage", lambda place: SimpleNamespace(free=5_000_000_000))
    found = path_problems(settings, 2e9)
    assert len(found) == 1
    assert f"the checkpoints that are kept take 6 GB, and {tmp_path} has 5 GB free" in found[0]
    monkeypatch.setattr("core.estimate.paths.os.access", lambda path, mode: False)
    assert "cannot be written to" in path_problems(settings, 1e9)[0]


def test_a_resolution_that_does_not_fit_is_a_problem(files, tmp_path):
    settings = whole(files, tmp_path / "run")
    found = problems(replace(settings, model=replace(settings.model, max_pixels=1000)))
    assert any("do not fit llava_onevision" in each for each in found)


def test_the_miniature_and_a_folder_of_pictures_are_planned_too(files, tmp_path):
    plan, found = make_estimate(TrainSettings(output=tmp_path / "run"), 2)
    assert found == []
    assert plan is not None
    assert plan.origin == "the tiny model"
    assert "Dry run of" in report(plan)
    pictures = sorted((files / "mmeb").rglob("*.png"))[:4]
    (tmp_path / "mine").mkdir()
    for number, picture in enumerate(pictures):
        shutil.copy(picture, tmp_path / "mine" / f"{number}.png")
    rows = [json.dumps({"file_name": f"{number}.png", "text": f"a {number}"}) for number in range(4)]
    (tmp_path / "mine" / "metadata.jsonl").write_text("\n".join(rows))
    settings = TrainSettings(
        output=tmp_path / "run", batch=4, data=DataSettings(source="folder", path=tmp_path / "mine", block=4)
    )
    plan, found = make_estimate(settings, 1)
    assert found == []
    assert plan is not None
    assert plan.mixture.pairs == 8  # to the caption and from it
    missing = replace(settings, data=replace(settings.data, path=tmp_path / "nothing"))
    assert problems(missing) == [f"{tmp_path / 'nothing'}: data.path is no folder."]


@pytest.mark.slow
def test_the_command_prints_the_plan_lists_the_problems_and_writes_nothing(tmp_path):
    """A 7B model on the meta device, in a process of its own: no weights, no network, no files."""
    command = [sys.executable, "-c", PROBE, "--config", str(RECIPES / "llave-7b.yaml"), "--dry-run"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stderr
    assert "7,485.6" in done.stdout
    assert "16 x Ascend 910B" in done.stdout
    lines = [line for line in done.stderr.splitlines() if line.startswith("problem")]
    assert len(lines) >= 2
    assert lines[0].startswith(f"problem 1 of {len(lines)}: ")
    assert "attempts: []" in done.stdout
    peak = int(done.stdout.rpartition("peak: ")[2])
    assert peak < 3_000_000, "weights of 7B would take 30 GB; kilobytes"
    assert list(tmp_path.iterdir()) == []


PROBE = f"""
import resource, runpy, sys
attempts = []
def watch(event, arguments):
    if event in ("socket.connect", "socket.getaddrinfo"):
        attempts.append(event)
sys.addaudithook(watch)
sys.path.insert(0, {str(ROOT)!r})
sys.argv[0] = "core/train.py"
try:
    runpy.run_path({str(ROOT / "core/train.py")!r}, run_name="__main__")
finally:
    print("attempts:", attempts, "peak:", resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""
