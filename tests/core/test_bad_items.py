"""One bad item of each kind to training, evaluation and embedding: told by file and row, left out where asked for."""

import dataclasses
import json
import re
from pathlib import Path

import pytest
from picture_folders import ROW, SPOILT, write_folder
from small_training import small_settings

import core.embed
import core.eval
import core.training.trainer
from core.config.settings import DataSettings
from core.encoder.tiny.qwen2_vl import tiny_qwen2_vl
from core.training.logs import read_metrics
from core.training.trainer import Trainer


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny Qwen2-VL, which refuses narrow pictures."""
    folder = tmp_path_factory.mktemp("checkpoint")
    tiny_qwen2_vl().save(folder)
    return folder


@pytest.fixture(params=SPOILT)
def spoilt(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Path, str]:
    """A folder with one bad row, and what a message has to say of it."""
    spoil, said = SPOILT[request.param]
    root = write_folder(tmp_path / "pictures", rows=6)
    spoil(root)
    return root, said


def call(monkeypatch: pytest.MonkeyPatch, main, *arguments: object) -> int:
    """Run a command in this process."""
    monkeypatch.setattr("sys.argv", ["command", *map(str, arguments)])
    return main()


def named(message: str, root: Path, said: str) -> bool:
    """Whether one line of a message names file and row and says what is wrong, and nothing looks like a traceback."""
    lines = [line for line in message.splitlines() if f"{root / 'metadata.jsonl'} row {ROW}: " in line]
    return any(re.search(said, line) for line in lines) and "Traceback" not in message


def test_training_leaves_it_out_or_stops_before_it_begins(spoilt, checkpoint, tmp_path) -> None:
    root, said = spoilt
    settings = small_settings(
        tmp_path / "run",
        steps=1,
        batch=4,
        data=DataSettings("folder", root, block=4, on_bad_item="stop"),
        model=dataclasses.replace(small_settings(tmp_path).model, start=str(checkpoint)),
    )
    with pytest.raises(ValueError, match="1 of 6 rows cannot be used") as caught:
        Trainer(settings)
    assert named(str(caught.value), root, said)
    assert not (tmp_path / "run/checkpoints").exists()
    skipping = dataclasses.replace(settings, data=dataclasses.replace(settings.data, on_bad_item="skip"))
    Trainer(skipping).run()
    assert len(read_metrics(settings.output)) == 1
    (line,) = (settings.output / "skipped.jsonl").read_text().splitlines()
    assert named(": ".join(json.loads(line).values()), root, said)
    data = json.loads((settings.output / "data.json").read_text())["datasets"]
    assert {name: (each["pairs"], each["left_out"]) for name, each in data.items()} == {
        name: (6, [ROW - 1]) for name in ("caption-to-image", "image-to-caption")
    }


def test_evaluation_leaves_it_out_or_stops_before_it_begins(spoilt, checkpoint, tmp_path, monkeypatch, capsys) -> None:
    root, said = spoilt
    out = tmp_path / "bundle"
    arguments = ["--checkpoint", checkpoint, "--suite.name", "folder", "--suite.path", root, "--out", out]
    assert call(monkeypatch, core.eval.main, *arguments) == 1
    written = capsys.readouterr().err
    assert named(written, root, said)
    assert "encoding:" not in written
    assert not out.exists()
    assert call(monkeypatch, core.eval.main, *arguments, "--suite.on_bad_item", "skip") == 0
    assert "5" in capsys.readouterr().out
    assert out.exists()


def test_embedding_leaves_it_out_or_stops_before_it_begins(spoilt, checkpoint, tmp_path, monkeypatch, capsys) -> None:
    root, said = spoilt
    out = tmp_path / "vectors"
    arguments = ["--checkpoint", checkpoint, "--folder", root, "--out", out]
    assert call(monkeypatch, core.embed.main, *arguments) == 1
    written = capsys.readouterr().err
    assert named(written, root, said)
    assert "embedding:" not in written
    assert not out.exists()
    assert call(monkeypatch, core.embed.main, *arguments, "--on_bad_item", "skip") == 0
    found = capsys.readouterr()
    assert "5 pictures embedded, 1 skipped" in found.out
    assert named(found.err, root, said)
    assert named(": ".join(json.loads((out / "skipped.jsonl").read_text()).values()), root, said)
