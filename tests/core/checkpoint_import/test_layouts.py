"""Each layout is told by its own signs; a folder of none hears what was looked for."""

import json

import pytest

from core.checkpoint_import.layouts import LAYOUTS, recognise

SIGNS = [
    ("config.json", {"model_type": "llava_qwen"}, "llave"),
    ("config.json", {"model_type": "llava", "architectures": ["LlavaQwenForCausalLM"]}, "llave"),
    ("config.json", {"model_type": "qqmm"}, "qqmm"),
    ("config.json", {"model_type": "llava_onevision"}, "hugging_face"),
    ("config.json", {"model_type": "siglip"}, "hugging_face"),
    ("adapter_config.json", {"base_model_name_or_path": "Qwen/Qwen2-VL-7B-Instruct"}, "vlm2vec"),
    ("adapter_config.json", {"base_model_name_or_path": "/models/qwen2_5_vl"}, "vlm2vec"),
    ("modules.json", [], "sentence_transformers"),
]


@pytest.mark.parametrize(("file", "content", "name"), SIGNS)
def test_a_layout_is_told_by_its_settings(tmp_path, file, content, name):
    (tmp_path / file).write_text(json.dumps(content))
    assert recognise(tmp_path) is LAYOUTS[name]


def test_an_adapter_whose_config_lies_beside_it_is_told(tmp_path):
    """Of VLM2Vec's published folders some name a base by a path of their authors."""
    (tmp_path / "adapter_config.json").write_text(json.dumps({"base_model_name_or_path": "/home/me/base"}))
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "qwen2_vl"}))
    assert recognise(tmp_path) is LAYOUTS["vlm2vec"]


def test_an_unknown_folder_hears_what_was_looked_for_and_found(tmp_path):
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "bert", "architectures": ["BertModel"]}))
    (tmp_path / "model.safetensors").touch()
    with pytest.raises(ValueError, match="no known layout") as caught:
        recognise(tmp_path)
    message = str(caught.value)
    assert message.startswith(str(tmp_path))
    for name, layout in LAYOUTS.items():
        assert f"- {name}: {layout.looked_for}" in message
    assert (
        "Found: config.json with model_type 'bert', architectures ['BertModel']; config.json, model.safetensors"
        in message
    )


def test_an_empty_and_a_missing_folder(tmp_path):
    with pytest.raises(ValueError, match="Found: nothing"):
        recognise(tmp_path)
    with pytest.raises(ValueError, match="no such folder; download"):
        recognise(tmp_path / "x")


def test_damaged_settings_are_named(tmp_path):
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(ValueError, match=r"config.json: cannot be read"):
        recognise(tmp_path)
