"""Runs and bundles that name no folder of this machine, no user and no host; and a run that goes on from its files."""

import getpass
import json
import socket
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from small_training import small_settings

from core.config.command_line import parse
from core.config.private_paths import is_private, shareable, shareable_command
from core.config.settings import LogSettings, TrainSettings
from core.encoder.embedder import Embedder
from core.evaluation.evaluate import evaluate
from core.evaluation.settings import EvalSettings
from core.evaluation.suites import SuiteSettings
from core.training.trainer import Trainer


@dataclass
class Inner:
    path: Path | None = None
    start: str = "tiny"
    names: list[str] = field(default_factory=list)


@dataclass
class Outer:
    output: Path
    inner: Inner = field(default_factory=Inner)
    limits: dict[str, int] = field(default_factory=dict)


def test_every_path_becomes_relative_and_everything_else_stays(tmp_path):
    given = Outer(tmp_path / "runs" / "x", Inner(Path("data/../pictures"), str(tmp_path / "model"), ["a/b"]), {"a": 1})
    expected = Outer(Path("runs/x"), Inner(Path("pictures"), "model", ["a/b"]), {"a": 1})
    assert shareable(given, tmp_path) == expected
    assert shareable(expected, tmp_path) == expected


@pytest.mark.parametrize(
    ("changed", "name"),
    [
        ({"output": Path("/elsewhere/x")}, "output"),
        ({"output": Path("../x")}, "output"),
        ({"inner": Inner(path=Path("~/pictures"))}, r"inner\.path"),
        ({"inner": Inner(start="/home/ada/model")}, r"inner\.start"),
        ({"inner": Inner(names=["/home/ada"])}, r"inner\.names"),
    ],
)
def test_a_path_that_leads_elsewhere_is_refused_by_the_settings_name(tmp_path, changed, name):
    with pytest.raises(ValueError, match=f"{name} = .* leads out of the folder that the command is started in"):
        shareable(replace(Outer(Path("runs")), **changed), tmp_path)


def test_a_link_is_named_and_not_what_it_leads_to(tmp_path):
    (tmp_path / "far").mkdir()
    (tmp_path / "start").mkdir()
    (tmp_path / "start" / "data").symlink_to(tmp_path / "far")
    assert shareable(Outer(Path("data/x")), tmp_path / "start").output == Path("data/x")


def test_a_command_line_keeps_names_without_folders(tmp_path):
    given = [
        "/home/ada/code/core/train.py",
        "--config",
        f"{tmp_path}/recipes/a.yaml",
        "--data.path=~/x/pictures",
        "-3/4",
    ]
    assert shareable_command(given, tmp_path) == [
        "train.py",
        "--config",
        "recipes/a.yaml",
        "--data.path=pictures",
        "-3/4",
    ]
    assert shareable_command(["[/a/b, '/c/d/e']"], tmp_path) == ["[b, 'e']"]


def test_settings_of_a_run_say_whether_it_is_private():
    assert is_private({"private_paths": True})
    assert not any(map(is_private, (None, {}, {"private_paths": "true"}, {"private_paths": False})))


def told(folder: Path, words: list[str]) -> list[str]:
    """Files of a folder that hold one of some words in their content or name."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    return [
        f"{path.relative_to(folder)}: {word}"
        for path in files
        for word in words
        if word.encode() in path.read_bytes() or word in path.relative_to(folder).as_posix()
    ]


def test_nothing_in_a_private_run_names_this_machine_and_it_goes_on_from_its_own_settings(tmp_path, monkeypatch, tiny):
    start = tmp_path / "ada-lovelaces-folder"
    start.mkdir()
    monkeypatch.chdir(start)
    monkeypatch.setattr("sys.argv", [f"{start}/core/train.py", "--output", f"{start}/runs/x"])
    tiny.save(start / "models" / "tiny")
    settings = small_settings(start / "runs" / "x", private_paths=True, save_every=3, steps=3)
    trainable = replace(settings.model.trainable, lora_rank=2)
    model = replace(settings.model, start=str(start / "models" / "tiny"), trainable=trainable)
    Trainer(replace(settings, model=model)).run()
    evaluate(
        EvalSettings(start / "runs" / "x", SuiteSettings(datasets=["colour"], queries=2)), progress=False
    )  # private because the run is

    words = [str(tmp_path), "ada-lovelaces-folder", f"{Path.home()}/", f"/{getpass.getuser()}/"]
    words += [socket.gethostname()] * (len(socket.gethostname()) > 6)  # shorter ones are in any weights by chance
    assert told(start / "runs" / "x", words) == []
    assert json.loads((start / "runs/x/environment.json").read_text())["command"] == [
        "core/train.py",
        "--output",
        "runs/x",
    ]
    adapter = json.loads((start / "runs/x/checkpoints/000003/embedder.json").read_text())
    assert adapter["base"] == "../../../../models/tiny"

    again = parse(TrainSettings, "", ["--config", "runs/x/config.yaml", "--resume", "--steps", "3"])
    assert again.output == Path("runs/x")
    trainer = Trainer(again)
    assert trainer.done == 3
    start.rename(tmp_path / "moved")  # the folder as a whole is what was shared
    assert Embedder.load(tmp_path / "moved/runs/x/checkpoints/000003").base is not None


def test_tensorboard_would_name_the_host(tmp_path):
    with pytest.raises(ValueError, match="private_paths does not go with"):
        small_settings(tmp_path, private_paths=True, log=LogSettings(tensorboard=True))
