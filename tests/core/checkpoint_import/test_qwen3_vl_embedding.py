"""Qwen3-VL-Embedding: the base model's weights under the prompt of its authors' code."""

import json
import shutil

import pytest
import torch
from safetensors.torch import load_file, save_file
from tiny_backbones import BACKBONES
from tokenizers.processors import TemplateProcessing
from transformers import AutoTokenizer

from core.checkpoint_import import qwen3_vl_embedding
from core.checkpoint_import.layouts import recognise
from core.data.records import Image, Item, Text, Video
from core.encoder.embedder import Embedder
from core.encoder.embedder_folder import DESCRIPTION

SYSTEM = "<|im_start|>system\nRepresent the user's input.<|im_end|>\n"


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    """As on the hub: the names of Qwen3VLForConditionalGeneration, the base model's own template."""
    folder = tmp_path_factory.mktemp("hub") / "Qwen3-VL-Embedding-2B"
    embedder = BACKBONES["qwen3_vl"]()
    embedder.save(folder)
    (folder / DESCRIPTION).unlink()
    weights = {f"model.{name}": value for name, value in load_file(folder / "model.safetensors").items()}
    save_file(weights, folder / "model.safetensors", {"format": "pt"})
    return folder, embedder


@pytest.fixture(scope="module")
def converted(published, tmp_path_factory):
    output = tmp_path_factory.mktemp("converted")
    qwen3_vl_embedding.convert(published[0], output, None)
    return output


def scaffold(embedder, item):
    """The prompt with a mark for each part."""
    marks = {Text: "T", Image: "I", Video: "V"}
    segments = embedder.backbone_adapter.segments(item, embedder.tokenizer)
    return "".join(f"[{marks[type(each)]}]" if type(each) in marks else each.text for each in segments)


def test_weights_are_the_same(published, converted):
    state = published[1].backbone.state_dict()
    own = Embedder.load(converted).backbone.state_dict()
    assert set(own) == set(state)
    assert all(torch.equal(own[name], state[name]) for name in state)


def test_the_prompt_is_as_published(converted, items):
    """Clips, then pictures, then texts, and the answer begun; the vector is read there."""
    embedder = Embedder.load(converted)
    picture = items[2].parts[0]
    text = Item((Text("x"),))
    assert scaffold(embedder, text) == f"{SYSTEM}<|im_start|>user\n[T]<|im_end|>\n<|im_start|>assistant\n"
    mixed = scaffold(embedder, Item((Text("a"), picture, Text("b"))))
    inside = mixed.removeprefix(f"{SYSTEM}<|im_start|>user\n").removesuffix("<|im_end|>\n<|im_start|>assistant\n")
    assert inside == "<|vision_start|>[I]<|vision_end|>[T][T]"
    ids = embedder.prepare(text).token_ids
    whole = f"{SYSTEM}<|im_start|>user\nx<|im_end|>\n<|im_start|>assistant\n"
    assert embedder.tokenizer.decode(ids).replace(" ", "") == whole.replace(" ", "")


def test_clips_come_before_pictures(converted, items):
    embedder = Embedder.load(converted)
    picture = items[2].parts[0]
    item = Item((Text("a"), picture, Video((picture.source, picture.source))))
    kinds = [type(each) for each in embedder.backbone_adapter.segments(item, embedder.tokenizer)]
    assert [kind for kind in kinds if kind in (Text, Image, Video)] == [Video, Image, Text]


def test_pixel_limits_are_the_authors(converted):
    size = Embedder.load(converted).image_processor.size
    assert (size["shortest_edge"], size["longest_edge"]) == (4096, 1_843_200)


def test_what_the_tokenizer_appends_becomes_part_of_the_prompt(published, tmp_path):
    """Should the published tokenizer close every text with a token, that token is the one that is read."""
    folder, _ = published
    (tmp_path / "output").mkdir()
    source = tmp_path / folder.name
    shutil.copytree(folder, source)
    tokenizer = AutoTokenizer.from_pretrained(source)
    end = "<|endoftext|>"
    closing = [(end, tokenizer.convert_tokens_to_ids(end))]
    tokenizer.backend_tokenizer.post_processor = TemplateProcessing(f"$A {end}", special_tokens=closing)
    tokenizer.save_pretrained(source)
    qwen3_vl_embedding.convert(source, tmp_path / "output", None)
    embedder = Embedder.load(tmp_path / "output")
    assert scaffold(embedder, Item((Text("x"),))).endswith("<|im_start|>assistant\n<|endoftext|>")


@pytest.mark.parametrize("sign", ["name", "script", "readme", "none"])
def test_it_is_told_from_the_base_model_by_what_lies_beside_it(published, tmp_path, sign):
    source = tmp_path / ("Qwen3-VL-Embedding-8B" if sign == "name" else "downloaded")
    source.mkdir()
    shutil.copyfile(published[0] / "config.json", source / "config.json")
    if sign == "script":
        (source / "scripts").mkdir()
        (source / "scripts/qwen3_vl_embedding.py").write_text("")
    if sign == "readme":
        (source / "README.md").write_text("---\n---\n# Qwen3-VL-Embedding-2B\n")
    assert qwen3_vl_embedding.recognises(source) == (sign != "none")
    assert recognise(source).title == (
        "Qwen3-VL-Embedding" if sign != "none" else "transformers' own (a base model of the hub)"
    )


def test_another_family_is_not_it(tmp_path):
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "qwen2_vl"}))
    (tmp_path / "README.md").write_text("# Qwen3-VL-Embedding\n")
    assert not qwen3_vl_embedding.recognises(tmp_path)
