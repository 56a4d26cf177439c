"""The command: one line per checkpoint, whole or not at all."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import warm_processes
from published_folders import write_llave
from safetensors.torch import load_file, save_file

from core.checkpoint_import.conversion import ConvertSettings, convert
from core.data.records import Item, Text
from core.encoder.embedder import Embedder

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    folder = tmp_path_factory.mktemp("hub") / "LLaVE-0.5B"
    write_llave(folder, shards=2)
    return folder


@pytest.fixture
def source(published, tmp_path):
    return Path(shutil.copytree(published, tmp_path / "source"))


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-W", "error", "core/convert.py", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True)


@pytest.mark.slow
def test_the_command_converts_and_says_where(source, tmp_path):
    done = run("--source", str(source), "--output", str(tmp_path / "out"))
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"{source}: LLaVA-NeXT's llava_qwen (LLaVE, LLaVA-OneVision). Wrote {tmp_path / 'out'}.\n"
    vector = Embedder.load(tmp_path / "out").embed([Item((Text("a red square"),))])
    convert(ConvertSettings(source, tmp_path / "again"))
    assert torch.equal(Embedder.load(tmp_path / "again").embed([Item((Text("a red square"),))]), vector)


@pytest.mark.slow
def test_the_command_says_what_is_wrong(tmp_path):
    done = warm_processes.run(["core/convert.py", "--source", tmp_path, "--output", tmp_path / "out"], folder=ROOT)
    assert done.returncode == 1
    assert done.stderr.startswith(f"error: {tmp_path}: no known layout.")


def nothing_but(tmp_path, *names):
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(names)


def test_a_damaged_shard_leaves_nothing_behind(source, tmp_path):
    shard = source / "model-00002-of-00002.safetensors"
    shard.write_bytes(shard.read_bytes()[:-1])
    with pytest.raises(ValueError, match=r"model-00002-of-00002.safetensors: the weights cannot be read"):
        convert(ConvertSettings(source, tmp_path / "out"))
    nothing_but(tmp_path, "source")


def test_damaged_values_leave_nothing_behind(source, tmp_path):
    shard = source / "model-00002-of-00002.safetensors"
    weights = load_file(shard)
    weights[sorted(weights)[-1]].view(-1)[0] = torch.nan
    save_file(weights, shard)
    with pytest.raises(ValueError, match=r"model-00002-of-00002.safetensors: the tensor that becomes .* holds NaN"):
        convert(ConvertSettings(source, tmp_path / "out"))
    nothing_but(tmp_path, "source")


@pytest.mark.parametrize("change", ["missing", "extra", "shape"])
def test_tensors_that_do_not_fit_leave_nothing_behind(source, tmp_path, change):
    shard = source / "model-00001-of-00002.safetensors"
    weights = load_file(shard)
    name = "model.layers.1.mlp.down_proj.weight"
    if name not in weights:
        shard = source / "model-00002-of-00002.safetensors"
        weights = load_file(shard)
    if change == "missing":
        (source / "model.safetensors.index.json").unlink()
        weights = {
            key: value
            for path in sorted(source.glob("*.safetensors"))
            for key, value in load_file(path).items()
            if key != name
        }
        for path in source.glob("*.safetensors"):
            path.unlink()
        shard = source / "model.safetensors"
    elif change == "extra":
        weights["model.layers.1.mlp.gate.weight"] = torch.ones(2)
    else:
        weights[name] = weights[name].T.contiguous()
    save_file(weights, shard)
    said = {
        "missing": "1 missing (by the model's names): language_model.layers.1.mlp.down_proj.weight.",
        "extra": "1 unknown to the model: model.layers.1.mlp.gate.weight.",
        "shape": f"1 of another shape: {name} is [96, 64] where the config says [64, 96].",
    }
    with pytest.raises(ValueError, match="the weights do not fit the config") as caught:
        convert(ConvertSettings(source, tmp_path / "out"))
    assert said[change] in str(caught.value)
    nothing_but(tmp_path, "source")


def test_an_output_that_exists_is_kept(source, tmp_path):
    (tmp_path / "out").mkdir()
    with pytest.raises(ValueError, match=r"output = .*out exists; name another folder"):
        convert(ConvertSettings(source, tmp_path / "out"))


def test_a_layout_can_be_named(source, tmp_path):
    with pytest.raises(ValueError, match=r"name = 'x' is no layout; layouts are vlm2vec, .*hugging_face\."):
        convert(ConvertSettings(source, tmp_path / "out", name="x"))
    with pytest.raises(ValueError, match=r"model_type 'llava_qwen' is not supported|cannot be read by transformers"):
        convert(ConvertSettings(source, tmp_path / "out", name="hugging_face"))
    convert(ConvertSettings(source, tmp_path / "out", name="llave"))


def test_a_whole_model_has_nothing_to_merge(source, tmp_path):
    with pytest.raises(ValueError, match="merge: source is a whole model, not an adapter"):
        convert(ConvertSettings(source, tmp_path / "out", merge=True))
    nothing_but(tmp_path, "source")
