"""A folder that must not be read is refused, with the file, the entry and what to do; nothing in it is run."""

import json
import os
import shutil
import struct

import pytest
import torch
from published_folders import write_sharded
from safetensors.torch import save_file

from core.checkpoint_import.source import INDEX, check_folder, entry, read_json, stored_tensors

WEIGHTS = {"a": torch.arange(6.0).view(2, 3), "b": torch.ones(4, dtype=torch.bfloat16), "c": torch.zeros(1, 2)}


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "root").mkdir()
    write_sharded(WEIGHTS, tmp_path / "root", shards=2)
    return tmp_path / "root"


def edit_index(folder, **weights):
    index = json.loads((folder / INDEX).read_text())
    index["weight_map"] |= weights
    (folder / INDEX).write_text(json.dumps(index))


def test_tensors_are_found_with_their_types_shapes_and_places(folder):
    found = stored_tensors(folder)
    assert set(found) == set(WEIGHTS)
    for name, tensor in found.items():
        assert (tensor.shape, tensor.dtype) == (tuple(WEIGHTS[name].shape), WEIGHTS[name].dtype)
        values = torch.frombuffer(bytearray(tensor.file.read_bytes()[tensor.start : tensor.end]), dtype=tensor.dtype)
        assert torch.equal(values.view(tensor.shape), WEIGHTS[name])


def test_one_file_needs_no_index(tmp_path):
    write_sharded(WEIGHTS, tmp_path)
    save_file(WEIGHTS, tmp_path / "another.safetensors")
    assert {tensor.file.name for tensor in stored_tensors(tmp_path).values()} == {"model.safetensors"}
    (tmp_path / "model.safetensors").unlink()
    assert set(stored_tensors(tmp_path)) == set(WEIGHTS)
    save_file(WEIGHTS, tmp_path / "third.safetensors")
    with pytest.raises(ValueError, match=r"of \.safetensors files another.safetensors, third.safetensors"):
        stored_tensors(tmp_path)


def test_a_missing_shard_is_named(folder):
    (folder / "model-00002-of-00002.safetensors").unlink()
    with pytest.raises(ValueError, match=r"model-00002-of-00002.safetensors: the shard is missing"):
        stored_tensors(folder)


def test_a_tensor_that_the_index_promises_is_missed(folder):
    edit_index(folder, d="model-00001-of-00002.safetensors")
    with pytest.raises(ValueError, match="weight_map puts d in model-00001"):
        stored_tensors(folder)


def test_a_tensor_in_two_shards_is_refused(folder):
    save_file(WEIGHTS, folder / "model-00002-of-00002.safetensors")
    with pytest.raises(ValueError, match=r"is in model-00001-of-00002.safetensors too"):
        stored_tensors(folder)


@pytest.mark.parametrize("damage", ["cut", "header", "empty", "text"])
def test_a_damaged_shard_is_named(folder, damage):
    path = folder / "model-00001-of-00002.safetensors"
    whole = path.read_bytes()
    changed = {
        "cut": whole[:-3],
        "header": struct.pack("<Q", 2**40) + whole[8:],
        "empty": b"",
        "text": b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n",
    }
    path.write_bytes(changed[damage])
    with pytest.raises(ValueError, match=r"model-00001-of-00002.safetensors: the weights cannot be read"):
        stored_tensors(folder)


def test_quantised_weights_are_refused(tmp_path):
    save_file({"a": torch.ones(2, dtype=torch.int8)}, tmp_path / "model.safetensors")
    with pytest.raises(ValueError, match="a has type I8; only F64, F32, F16, BF16"):
        stored_tensors(tmp_path)


class Harmful:
    """What runs when a pickle of it is opened."""

    def __reduce__(self):
        return os.mkdir, (os.environ["HARM"],)


def test_a_pickle_is_refused_and_never_opened(folder, tmp_path, monkeypatch):
    monkeypatch.setenv("HARM", str(tmp_path / "harm"))
    for path in folder.iterdir():
        path.unlink()
    torch.save(Harmful(), folder / "pytorch_model.bin")
    with pytest.raises(ValueError, match=r"pytorch_model.bin: weights in a pickle are not opened.*Get the safetensors"):
        check_folder(folder)
    assert not (tmp_path / "harm").exists()


def test_code_is_refused_and_never_run(folder, tmp_path):
    (folder / "config.json").write_text(json.dumps({"auto_map": {"AutoModel": "model.Mine"}}))
    (folder / "model.py").write_text(f"import os; os.mkdir({str(tmp_path / 'harm')!r})")
    with pytest.raises(ValueError, match=r"config.json: auto_map = .*model.Mine.* no remote code"):
        check_folder(folder)
    assert not (tmp_path / "harm").exists()


@pytest.mark.parametrize("shard", ["../outside.safetensors", "/etc/passwd", "a/../../outside.safetensors"])
def test_a_shard_outside_the_folder_is_refused(folder, shard):
    edit_index(folder, d=shard)
    with pytest.raises(ValueError, match=r"weight_map\['d'\] = .* leaves the folder"):
        check_folder(folder)


def test_a_link_out_of_the_folder_is_refused(folder, tmp_path):
    outside = tmp_path / "outside.safetensors"
    shutil.move(folder / "model-00001-of-00002.safetensors", outside)
    (folder / "model-00001-of-00002.safetensors").symlink_to(outside)
    with pytest.raises(ValueError, match=r"model-00001-of-00002.safetensors: a link to .*outside.safetensors"):
        check_folder(folder)


def test_links_of_the_hubs_cache_are_followed(folder, tmp_path):
    snapshot, blobs = tmp_path / "models--a--b/snapshots/1", tmp_path / "models--a--b/blobs"
    snapshot.mkdir(parents=True)
    blobs.mkdir()
    for number, path in enumerate(sorted(folder.iterdir())):
        shutil.copyfile(path, blobs / str(number))
        (snapshot / path.name).symlink_to(f"../../blobs/{number}")
    check_folder(snapshot)
    assert set(stored_tensors(snapshot)) == set(WEIGHTS)


@pytest.mark.parametrize("content", ["[1]", "{", None])
def test_settings_that_are_none_are_named(tmp_path, content):
    path = tmp_path / "config.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(ValueError, match=r"config.json: "):
        read_json(path)


def test_a_missing_entry_is_named(tmp_path):
    with pytest.raises(ValueError, match=r"config.json: x is missing"):
        entry({"x": None}, "x", tmp_path)
