"""Importing sentence-transformers folders: what they hold is kept, what an embedder does not do is refused."""

import json
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from sentence_transformers import SentenceTransformer
from tiny_backbones import BACKBONES
from without_torchvision import leave_out_video_processors

from core.checkpoint_export.sentence_transformers_folder import write_sentence_transformers
from core.checkpoint_import.sentence_transformers import convert, recognises
from core.data.miniature.scenes import DrawnScene, random_single
from core.data.records import Image, Item, Text
from core.encoder.embedder import Embedder

ROUND_TRIPS = ("llava_onevision", "llava_onevision_anyres", "qwen2_vl", "qwen2_5_vl", "qwen3_vl", "clip", "siglip")


def scene(seed: int) -> DrawnScene:
    return DrawnScene(random_single(random.Random(seed)))


def some_items() -> list[Item]:
    return [
        Item((Text("red"),)),
        Item((Text("\nsay <image> twice"),)),
        Item((Image(scene(0)),)),
        Item((Image(scene(1)), Text("name the shape in the image."))),
        Item((Text("find"), Image(scene(2)), Text("it met"), Image(scene(3)))),
    ]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The export of a tiny Qwen2-VL."""
    write_sentence_transformers(BACKBONES["qwen2_vl"](), tmp_path / "exported", tmp_path)
    return tmp_path / "exported"


def edited(folder: Path, name: str, change: Callable[[Any], Any]) -> None:
    path = folder / name
    path.write_text(json.dumps(change(json.loads(path.read_text()))))


@pytest.mark.parametrize("name", ROUND_TRIPS)
def test_export_and_import_give_the_same_vectors(name: str, tmp_path: Path) -> None:
    embedder = BACKBONES[name]().eval()
    write_sentence_transformers(embedder, tmp_path / "exported", tmp_path)
    (tmp_path / "exported" / "embedder.json").unlink(missing_ok=True)  # as if someone else had made the folder
    assert recognises(tmp_path / "exported")
    convert(tmp_path / "exported", tmp_path / "back", None)
    back = Embedder.load(tmp_path / "back")
    assert back.tokenizer.chat_template == embedder.tokenizer.chat_template
    torch.testing.assert_close(back.embed(some_items()), embedder.embed(some_items()))


def test_a_folder_that_sentence_transformers_wrote_itself(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It nests the image processor and may sit in half precision."""
    leave_out_video_processors(monkeypatch)
    model = SentenceTransformer(str(folder), device="cpu").to(torch.bfloat16)
    # Without torchvision there is no video processor to save.
    monkeypatch.setattr(type(model[0].processor), "get_attributes", lambda *_: ["image_processor", "tokenizer"])
    model.save(str(tmp_path / "theirs"), create_model_card=False)
    convert(tmp_path / "theirs", tmp_path / "back", None)
    exact, half = Embedder.load(folder), Embedder.load(tmp_path / "back")
    assert json.loads((tmp_path / "back" / "config.json").read_text())["dtype"] == "bfloat16"
    cosines = (exact.embed(some_items()) * half.embed(some_items())).sum(dim=1)
    assert float(cosines.min()) > 0.999


def test_options_of_the_template_and_the_default_prompt_become_part_of_it(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    leave_out_video_processors(monkeypatch)
    template = (folder / "chat_template.jinja").read_text()
    more = "{% if add_generation_prompt %}<|im_start|>assistant says {{ word }}{% endif %}"
    (folder / "chat_template.jinja").write_text(template + more)
    prompt = 'Represent the "user\'s" input, \u00e9: %} {{ x }}.'
    options = {"add_generation_prompt": True, "word": "so"}
    edited(folder, "sentence_bert_config.json", lambda c: with_options(c, options))
    edited(
        folder,
        "config_sentence_transformers.json",
        lambda c: {**c, "prompts": {"mine": prompt, "other": "never"}, "default_prompt_name": "mine"},
    )
    model = SentenceTransformer(str(folder), device="cpu")
    convert(folder, tmp_path / "back", None)
    back = Embedder.load(tmp_path / "back")
    text, fused = "red", {"image": scene(1).open(), "text": "name the shape"}
    items = [Item((Text(text),)), Item((Image(scene(1)), Text("name the shape")))]
    found = torch.cat([model.encode([each], convert_to_tensor=True, show_progress_bar=False) for each in (text, fused)])
    assert float((found * back.embed(items)).sum(dim=1).min()) > 1 - 1e-5
    assert not torch.allclose(back.embed(items), Embedder.load(folder).embed(items), atol=1e-3)


def with_options(config: dict[str, Any], options: dict[str, Any]) -> dict[str, Any]:
    config["processing_kwargs"]["chat_template"] |= options
    return config


def test_the_older_clip_folder_is_read(tmp_path: Path) -> None:
    embedder = BACKBONES["clip"]().eval()
    root = tmp_path / "clip-ViT"
    embedder.save(root / "0_CLIPModel")
    (root / "0_CLIPModel" / "embedder.json").unlink()
    modules = [{"idx": 0, "name": "0", "path": "0_CLIPModel", "type": "sentence_transformers.models.CLIPModel"}]
    (root / "modules.json").write_text(json.dumps(modules))
    assert recognises(root)
    convert(root, tmp_path / "back", None)
    items = [Item((Text("red"),)), Item((Image(scene(0)),)), Item((Image(scene(1)), Text("blue")))]
    torch.testing.assert_close(Embedder.load(tmp_path / "back").embed(items), embedder.embed(items))
    theirs = SentenceTransformer(str(root), device="cpu").encode(["red"], convert_to_tensor=True)[0]
    assert float(theirs @ embedder.embed(items)[0] / theirs.norm()) > 1 - 1e-5


def test_older_pooling_and_module_names_are_read(folder: Path, tmp_path: Path) -> None:
    names = ("word_embedding_dimension", "pooling_mode_cls_token", "pooling_mode_mean_tokens", "pooling_mode_lasttoken")
    (folder / "1_Pooling" / "config.json").write_text(
        json.dumps(dict(zip(names, (64, False, False, True), strict=True)))
    )
    edited(
        folder,
        "modules.json",
        lambda each: [m | {"type": "sentence_transformers.models." + m["type"].rpartition(".")[2]} for m in each],
    )
    convert(folder, tmp_path / "back", None)
    items = some_items()
    torch.testing.assert_close(Embedder.load(tmp_path / "back").embed(items), Embedder.load(folder).embed(items))


def test_normalize_may_be_missing(folder: Path, tmp_path: Path) -> None:
    edited(folder, "modules.json", lambda modules: modules[:2])
    convert(folder, tmp_path / "back", None)
    assert (tmp_path / "back" / "embedder.json").is_file()


def replaced(place: int, **more: str) -> Callable[[Any], Any]:
    return lambda modules: [each | more if each["idx"] == place else each for each in modules]


DENSE = {"idx": 3, "name": "3", "path": "3_Dense", "type": "sentence_transformers.base.modules.dense.Dense"}
REFUSALS: dict[str, tuple[str, Callable[[Any], Any], str]] = {
    "dense": ("modules.json", lambda each: [*each, DENSE], r"module 3 is Dense; supported are Transformer, Pooling"),
    "code": ("modules.json", replaced(0, type="custom_st.Transformer"), r"type = 'custom_st.Transformer' is code"),
    "outside": ("modules.json", replaced(1, path="../other"), r"path = '../other' leaves the folder"),
    "missing": ("modules.json", replaced(1, path="9_Pooling"), r"path = '9_Pooling' names a folder that is missing"),
    "no pooling": ("modules.json", lambda each: each[:1], "no Pooling"),
    "nothing": ("modules.json", lambda _: [], "lists no modules"),
    "no list": ("modules.json", lambda _: [1], "should list modules with type and path"),
    "clip": ("modules.json", replaced(0, type="sentence_transformers.models.CLIPModel"), "module 0 is CLIPModel"),
    "mean": (
        "1_Pooling/config.json",
        lambda c: c | {"pooling_mode": "mean"},
        r"pooling_mode = 'mean' is not supported",
    ),
    "two poolings": (
        "1_Pooling/config.json",
        lambda c: c | {"pooling_mode": ["mean", "lasttoken"]},
        r"\['mean', 'last",
    ),
    "model": (
        "config.json",
        lambda c: c | {"model_type": "bert"},
        r"config.json: model_type = 'bert' is not supported",
    ),
    "remote": ("config.json", lambda c: c | {"auto_map": {"AutoModel": "m.M"}}, "no remote code is run"),
    "dtype": ("config.json", lambda c: c | {"dtype": "fine"}, "dtype = 'fine' is no type"),
    "task": (
        "sentence_bert_config.json",
        lambda c: c | {"transformer_task": "text-generation"},
        "transformer_task = 'text-generation' is not supported",
    ),
    "no template": (
        "sentence_bert_config.json",
        lambda c: c | {"modality_config": {"text": c["modality_config"]["text"]}},
        "modality_config has no 'message'",
    ),
    "flat": (
        "sentence_bert_config.json",
        lambda c: c | {"modality_config": {"message": c["modality_config"]["message"] | {"format": "flat"}}},
        r"message.format = 'flat'",
    ),
    "pooler": (
        "sentence_bert_config.json",
        lambda c: c | {"modality_config": {"message": {"method": "forward", "method_output_name": "pooler_output"}}},
        r"modality_config.message = .*pooler_output",
    ),
    "option": (
        "sentence_bert_config.json",
        lambda c: with_options(c, {"documents": [1]}),
        r"chat_template.documents = \[1\] is not supported",
    ),
}


@pytest.mark.parametrize("case", REFUSALS)
def test_what_an_embedder_does_not_do_is_refused(folder: Path, tmp_path: Path, case: str) -> None:
    name, change, message = REFUSALS[case]
    edited(folder, name, change)
    (folder / "3_Dense").mkdir()
    with pytest.raises(ValueError, match=message):
        convert(folder, tmp_path / "back", None)
    assert not (tmp_path / "back").exists()


def test_an_adapter_a_base_and_pickles_are_refused(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"base = .* is of no use"):
        convert(folder, tmp_path / "back", tmp_path)
    (folder / "adapter_config.json").write_text("{}")
    with pytest.raises(ValueError, match=r"adapter_config.json: the model is a LoRA adapter; merge it"):
        convert(folder, tmp_path / "back", None)
    (folder / "adapter_config.json").unlink()
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(ValueError, match="pickle"):
        convert(folder, tmp_path / "back", None)


def test_missing_weights_are_named(folder: Path, tmp_path: Path) -> None:
    weights = load_file(folder / "model.safetensors")
    gone = next(name for name in weights if "embed_tokens" in name)
    save_file(
        {name: each for name, each in weights.items() if name != gone}, folder / "model.safetensors", {"format": "pt"}
    )
    with pytest.raises(ValueError, match=r"weights are missing.*embed_tokens"):
        convert(folder, tmp_path / "back", None)


def test_other_folders_are_not_recognised(folder: Path, tmp_path: Path) -> None:
    assert not recognises(tmp_path)
    shutil.copy(folder / "config.json", tmp_path)
    assert not recognises(tmp_path)
