"""Consolidating in one process: parts are put together by rows; what is not whole or not sharded is refused."""

import json
import shutil
import sys

import pytest
import torch
from safetensors.torch import load_file, save_file

from core.checkpoints.consolidate import ConsolidateSettings, consolidate, whole_weights
from core.checkpoints.sharded import OPTIMIZER, SHAPES, load_sharded, load_weights, save_sharded
from core.consolidate import main
from core.data.records import Item, Text
from core.encoder.embedder import Embedder
from core.encoder.embedder_folder import SHARDS
from core.encoder.tiny.llava_onevision import tiny_embedder

ITEMS = [Item((Text(words),)) for words in ("red", "a blue ring", "three")]


def small(seed: int = 0) -> Embedder:
    return tiny_embedder(seed, width=32, layers=1, vision_layers=1)


@pytest.fixture(scope="module")
def sharded(tmp_path_factory):
    """The run of an embedder whose checkpoint two ranks wrote: each has its half of the rows of most tensors."""
    run = tmp_path_factory.mktemp("run")
    folder = run / "checkpoints" / "000007"
    embedder = small()
    optimizer = torch.optim.AdamW(embedder.parameters())
    embedder(embedder.collate([embedder.prepare(item) for item in ITEMS])).sum().backward()
    optimizer.step()
    save_sharded(folder, embedder, optimizer)
    for part in (SHARDS, OPTIMIZER):
        cut_in_two(folder / part)
    (folder / "training.json").write_text('{"step": 7}')
    return run


def cut_in_two(folder):
    (path,) = folder.glob("*.safetensors")
    whole = load_file(path)
    path.unlink()
    for rank in range(2):
        parts, starts = {}, {}
        for name, value in whole.items():
            half = (len(value) + 1) // 2 if value.dim() else 0
            if value.dim() == 0 or len(value) == 1:
                if rank == 0:
                    parts[name], starts[name] = value, [0] * value.dim()
                continue
            parts[name] = value[half:] if rank else value[:half]
            starts[name] = [half * rank] + [0] * (value.dim() - 1)
        described = {name: {"saved_offsets": start} for name, start in starts.items()}
        metadata = {"format": "pt", "DCP_VERSION": "1.0", "DCP_SHARDING_INFO": json.dumps(described)}
        parts = {name: value.contiguous() for name, value in parts.items()}
        save_file(parts, folder / f"shard-{rank + 1:05d}-model-00001-of-00001.safetensors", metadata)


def copy(sharded, tmp_path):
    return shutil.copytree(sharded / "checkpoints" / "000007", tmp_path / "copy")


def test_the_result_is_an_ordinary_embedder(sharded, tmp_path):
    folder = consolidate(ConsolidateSettings(sharded, tmp_path / "whole"))
    expected = small(1)
    load_weights(sharded / "checkpoints" / "000007", expected)
    found = Embedder.load(folder)
    for (name, weight), (_, same) in zip(expected.named_parameters(), found.named_parameters(), strict=True):
        assert torch.equal(weight, same), name
    assert torch.equal(found.embed(ITEMS), expected.embed(ITEMS))
    assert not torch.equal(found.embed(ITEMS), small().embed(ITEMS))
    ordinary = tmp_path / "ordinary"
    expected.save(ordinary)
    assert {path.name for path in folder.iterdir()} == {path.name for path in ordinary.iterdir()}
    assert load_file(folder / "model.safetensors").keys() == load_file(ordinary / "model.safetensors").keys()
    assert json.loads((folder / "config.json").read_text()) == json.loads((ordinary / "config.json").read_text())


def test_parts_lie_where_they_belong(tmp_path):
    whole = {"a": torch.arange(35.0).view(7, 5), "b": torch.arange(3), "step": torch.tensor(4.0)}
    save_file(whole, tmp_path / "all.safetensors")
    (tmp_path / SHAPES).write_text(json.dumps({name: list(value.shape) for name, value in whole.items()}))
    cut_in_two(tmp_path)
    found = whole_weights(tmp_path)
    assert found.keys() == whole.keys()
    assert all(torch.equal(found[name], value) for name, value in whole.items())


def test_the_command_says_where_the_embedder_is(sharded, tmp_path, monkeypatch, capsys):
    arguments = ["consolidate.py", "--checkpoint", str(sharded), "--output", str(tmp_path / "out")]
    monkeypatch.setattr(sys, "argv", arguments)
    assert main() == 0
    assert capsys.readouterr().out == f"Wrote {tmp_path / 'out'}\n"
    assert main() == 1
    assert capsys.readouterr().err.startswith(f"error: output = {tmp_path / 'out'} exists")


def refused(settings: ConsolidateSettings, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        consolidate(settings)
    assert not settings.output.exists()


def test_what_cannot_be_consolidated_is_refused(sharded, tmp_path):
    out = tmp_path / "out"
    refused(ConsolidateSettings(tmp_path, out), "neither a checkpoint")
    refused(ConsolidateSettings(sharded, out, merge=True), "has no LoRA adapter")
    small().save(tmp_path / "ordinary")
    refused(ConsolidateSettings(tmp_path / "ordinary", out), "an ordinary checkpoint already")


def test_shards_of_a_missing_rank_are_noticed(sharded, tmp_path):
    checkpoint = copy(sharded, tmp_path)
    for path in sorted((checkpoint / SHARDS).glob("*.safetensors")):
        shutil.move(path, tmp_path / path.name)
        refused(ConsolidateSettings(checkpoint, tmp_path / "out"), "parts of .* are missing; copy the shards of every")
        shutil.move(tmp_path / path.name, path)


def test_a_shard_that_is_cut_short_is_noticed(sharded, tmp_path):
    checkpoint = copy(sharded, tmp_path)
    path = min((checkpoint / SHARDS).glob("*.safetensors"))
    path.write_bytes(path.read_bytes()[:-4])
    refused(ConsolidateSettings(checkpoint, tmp_path / "out"), "cannot be read")


def test_shards_of_another_model_are_not_loaded(sharded):
    folder = sharded / "checkpoints" / "000007"
    deeper, wider = tiny_embedder(0, 32, 2, 1), tiny_embedder(0, 64, 1, 1)
    with pytest.raises(ValueError, match=r"the shards lack 'language_model\.layers\.1"):
        load_sharded(folder, deeper, torch.optim.AdamW(deeper.parameters()))
    with pytest.raises(ValueError, match=r"is \(.*32.*\), the model's is \(.*64.*\)"):
        load_sharded(folder, wider, torch.optim.AdamW(wider.parameters()))


def test_state_of_weights_that_do_not_train_is_refused(sharded):
    embedder = small()
    embedder.backbone.language_model.requires_grad_(False)
    with pytest.raises(ValueError, match=r"state of 'backbone\.language_model.*', which the model does not train"):
        load_sharded(sharded / "checkpoints" / "000007", embedder, torch.optim.AdamW(embedder.parameters()))
