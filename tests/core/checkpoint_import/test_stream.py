"""Shards hold the same values as their source, and memory never holds more than a piece of one tensor."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from core.checkpoint_import.source import tensors_of
from core.checkpoint_import.stream import write_shards
from core.checkpoint_import.tensor_account import Tensor


@pytest.fixture
def source(tmp_path):
    weights = {f"t{n}": torch.randn(10 + n, 7, dtype=torch.float32) for n in range(6)}
    weights["half"] = torch.randn(3, 5).bfloat16()
    weights["one"] = torch.tensor(2.5)
    weights["none"] = torch.zeros(0, 4)
    save_file(weights, tmp_path / "source.safetensors")
    return tmp_path / "source.safetensors", weights


def renamed(path, **shapes):
    return [Tensor(f"new.{name}", shapes.get(name, each.shape), each) for name, each in tensors_of(path).items()]


def test_values_types_and_shapes_stay(source, tmp_path):
    path, weights = source
    write_shards(renamed(path), tmp_path)
    written = load_file(tmp_path / "model.safetensors")
    assert {*written} == {f"new.{name}" for name in weights}
    for name, value in weights.items():
        assert written[f"new.{name}"].dtype == value.dtype
        assert torch.equal(written[f"new.{name}"], value)


def test_shards_are_no_larger_than_asked_and_their_index_is_right(source, tmp_path):
    path, weights = source
    out = tmp_path / "out"
    out.mkdir()
    write_shards(renamed(path), out, shard_bytes=900)
    index = json.loads((out / "model.safetensors.index.json").read_text())
    shards = sorted(out.glob("*.safetensors"))
    assert len(shards) > 2
    assert shards[0].name == f"model-00001-of-{len(shards):05}.safetensors"
    assert index["metadata"]["total_size"] == sum(value.nbytes for value in weights.values())
    assert set(index["weight_map"].values()) == {shard.name for shard in shards}
    for shard in shards:
        written = load_file(shard)
        assert sum(value.nbytes for value in written.values()) <= 900
        for name, value in written.items():
            assert index["weight_map"][name] == shard.name
            assert torch.equal(value, weights[name.removeprefix("new.")])


def test_a_tensor_larger_than_a_shard_has_one_of_its_own(source, tmp_path):
    path, weights = source
    out = tmp_path / "out"
    out.mkdir()
    write_shards(renamed(path), out, shard_bytes=1)
    assert len(list(out.glob("*.safetensors"))) == len(weights)


def test_missing_rows_are_zero(source, tmp_path):
    path, weights = source
    write_shards(renamed(path, t0=(13, 7)), tmp_path)
    written = load_file(tmp_path / "model.safetensors")["new.t0"]
    assert torch.equal(written[:10], weights["t0"])
    assert written.shape == (13, 7)
    assert not written[10:].any()


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_values_that_are_not_finite_are_refused(tmp_path, value):
    weights = {"a": torch.ones(3), "b": torch.tensor([1.0, value]).half()}
    save_file(weights, tmp_path / "bad.safetensors")
    with pytest.raises(ValueError, match=r"bad.safetensors: the tensor that becomes new\.b holds NaN or infinity"):
        write_shards(renamed(tmp_path / "bad.safetensors"), tmp_path)


def test_a_file_that_ends_too_early_is_named(source, tmp_path):
    path, _ = source
    tensors = renamed(path)
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(ValueError, match=r"source.safetensors: ends before its last tensor does"):
        write_shards(tensors, tmp_path)


PEAK = """
import json, resource, struct, sys
from pathlib import Path
import torch
from core.checkpoint_import.tensor_account import Tensor
from core.checkpoint_import.source import tensors_of
from core.checkpoint_import.stream import write_shards

folder, size = Path(sys.argv[1]), 64_000_000
header = json.dumps({name: {"dtype": "F32", "shape": [size // 4], "data_offsets": [size * n, size * (n + 1)]}
                     for n, name in enumerate("abc")}).encode()
with open(folder / "large.safetensors", "wb") as file:
    file.write(struct.pack("<Q", len(header)) + header)
    file.truncate(8 + len(header) + 3 * size)
torch.zeros(1 << 24).isfinite().all()
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
tensors = [Tensor(name, each.shape, each) for name, each in tensors_of(folder / "large.safetensors").items()]
write_shards(tensors, folder, shard_bytes=2 * size)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


@pytest.mark.slow
def test_memory_holds_a_piece_of_one_tensor(tmp_path):
    """Three tensors of 64 MB: not even one of them whole."""
    root = Path(__file__).parents[3]
    done = subprocess.run(
        [sys.executable, "-c", PEAK, str(tmp_path)], cwd=root, capture_output=True, text=True, check=True
    )
    assert int(done.stdout) < 48_000  # kilobytes
    assert len(load_file(tmp_path / "model-00001-of-00002.safetensors")) == 2
