"""A saved embedder comes back bit for bit; a folder that is not one is refused by name."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import BertConfig, BertModel

from core.data.records import Image, Item
from core.encoder.embedder import Embedder
from core.encoder.embedder_folder import DESCRIPTION

WEIGHTS = "model.safetensors"
SHAPED = "layers.0.mlp.down_proj.weight"


@pytest.fixture(scope="module")
def saved(tiny, tmp_path_factory):
    folder = tmp_path_factory.mktemp("saved") / "embedder"
    tiny.save(folder)
    return folder


@pytest.fixture
def folder(saved, tmp_path):
    """A copy to damage."""
    return Path(shutil.copytree(saved, tmp_path / "damaged"))


def test_an_anyres_embedder_comes_back_with_its_crops(anyres, tmp_path, photograph):
    anyres.save(tmp_path)
    assert len(Embedder.load(tmp_path).prepare(Item((Image(photograph(100, 40)),))).images[0].pixels) == 3


def test_the_description_says_how_long_vectors_are(tiny, saved):
    assert json.loads((saved / DESCRIPTION).read_text())["dimensions"] == tiny.dimensions == 32


def test_it_loads_in_another_precision(saved, kinds):
    loaded = Embedder.load(saved, torch.bfloat16)
    assert loaded.backbone.dtype == torch.bfloat16
    vectors = loaded.embed(kinds)
    assert vectors.dtype == torch.float32
    torch.testing.assert_close(vectors.norm(dim=1), torch.ones(len(kinds)), rtol=0, atol=1e-6)


def test_it_loads_onto_a_device_shard_by_shard(tiny, tmp_path):
    """The device of meta tensors holds nothing: had a weight passed through memory first, this would not be it."""
    tiny.backbone.save_pretrained(tmp_path, max_shard_size="40KB")
    tiny.describe(tmp_path)
    assert len([*tmp_path.glob("*.safetensors")]) > 3
    loaded = Embedder.load(tmp_path, torch.bfloat16, "meta")
    assert {(weight.device.type, weight.dtype) for weight in loaded.parameters()} == {("meta", torch.bfloat16)}
    same = Embedder.load(tmp_path)
    assert all(torch.equal(one, other) for one, other in zip(same.parameters(), tiny.parameters(), strict=True))


def test_weights_are_safetensors_and_the_rest_is_text(saved):
    assert {path.suffix for path in saved.iterdir()} == {".json", ".jinja", ".safetensors"}
    for path in saved.iterdir():
        if path.suffix != ".safetensors":
            path.read_text()


def edit_json(path: Path, **changes: object) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def edit_text_config(folder: Path, **changes: object) -> None:
    config = json.loads((folder / "config.json").read_text())
    edit_json(folder / "config.json", text_config=config["text_config"] | changes)


def drop_weight(folder: Path) -> None:
    weights = load_file(folder / WEIGHTS)
    kept = {name: value for name, value in weights.items() if not name.endswith(SHAPED)}
    assert len(kept) == len(weights) - 1
    save_file(kept, folder / WEIGHTS, metadata={"format": "pt"})


def pickle_weights(folder: Path) -> None:
    torch.save(load_file(folder / WEIGHTS), folder / "pytorch_model.bin")
    (folder / WEIGHTS).unlink()


def make_bert(folder: Path) -> None:
    config = BertConfig(hidden_size=32, num_hidden_layers=1, num_attention_heads=1, intermediate_size=8, vocab_size=640)
    BertModel(config).save_pretrained(folder)


def cut_weights(folder: Path, keep: int) -> None:
    (folder / WEIGHTS).write_bytes((folder / WEIGHTS).read_bytes()[:keep])


DAMAGES = {
    "no description": (lambda f: (f / DESCRIPTION).unlink(), "not an embedder checkpoint"),
    "description is no JSON": (lambda f: (f / DESCRIPTION).write_text("{"), "not an embedder checkpoint"),
    "description is no text": (lambda f: (f / DESCRIPTION).write_bytes(b"\xff\xfe"), "not an embedder checkpoint"),
    "description is a list": (lambda f: (f / DESCRIPTION).write_text("[]"), "holds a list"),
    "another format": (lambda f: edit_json(f / DESCRIPTION, format=2), "format = 2; this version reads 1"),
    "another pooling": (lambda f: edit_json(f / DESCRIPTION, pooling="mean"), "pooling = 'mean'"),
    "not normalised": (lambda f: edit_json(f / DESCRIPTION, normalize=False), "normalize = False"),
    "header cut off": (lambda f: cut_weights(f, 1000), "cannot be loaded"),
    "last bytes cut off": (lambda f: cut_weights(f, -8), "cannot be loaded"),
    "empty weights": (lambda f: cut_weights(f, 0), "cannot be loaded"),
    "no weights": (lambda f: (f / WEIGHTS).unlink(), "cannot be loaded"),
    "another shape": (lambda f: edit_text_config(f, intermediate_size=64), "of another shape.*layers.0.mlp"),
    "more layers": (lambda f: edit_text_config(f, num_hidden_layers=2), "cannot be loaded.*layers"),
    "a weight is missing": (drop_weight, f"1 weights are missing.*{SHAPED}"),
    "a pickle": (pickle_weights, r"pytorch_model\.bin: weights in a pickle are not opened"),
    "remote code": (lambda f: edit_json(f / "config.json", auto_map={"AutoModel": "x.Y"}), r"config\.json: auto_map"),
    "another model": (make_bert, "model_type 'bert' is not supported"),
    "an unknown model": (lambda f: edit_json(f / "config.json", model_type="zzz"), "cannot be loaded.*zzz"),
    "config is no JSON": (lambda f: (f / "config.json").write_text("{"), "cannot be loaded"),
    "no tokenizer": (lambda f: (f / "tokenizer.json").unlink(), "cannot be loaded"),
    "tokenizer is no JSON": (lambda f: (f / "tokenizer.json").write_text("{"), "cannot be loaded"),
    "no image processor": (lambda f: (f / "preprocessor_config.json").unlink(), "cannot be loaded"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_folder_is_refused_by_name(folder, damage):
    do, message = DAMAGES[damage]
    do(folder)
    with pytest.raises(ValueError, match=f"(?s)damaged.*{message}"):
        Embedder.load(folder)


class Bomb:
    """Runs when it is unpickled."""

    def __reduce__(self):
        return (Path.touch, (Path("exploded"),))


def test_no_pickle_is_ever_opened(folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    torch.save({SHAPED: Bomb()}, folder / "pytorch_model.bin")
    Embedder.load(folder)
    (folder / WEIGHTS).unlink()
    with pytest.raises(ValueError, match="weights in a pickle are not opened"):
        Embedder.load(folder)
    assert not (tmp_path / "exploded").exists()


def test_a_missing_folder_is_refused(tmp_path):
    with pytest.raises(ValueError, match="nowhere is not an embedder checkpoint"):
        Embedder.load(tmp_path / "nowhere")
