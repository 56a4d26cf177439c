"""Folders that could run code, or reach outside themselves, are refused with the reason."""

import json

import pytest

from core.encoder.safe_folder import PICKLES, refuse_unsafe


def write(folder, **files: object) -> None:
    for name, content in files.items():
        text = content if isinstance(content, str) else json.dumps(content)
        (folder / name.replace("__", ".")).write_text(text)


def index(*shards: str) -> dict[str, object]:
    return {"weight_map": {f"w{number}": name for number, name in enumerate(shards)}}


def test_safetensors_and_settings_pass(tmp_path):
    write(tmp_path, config__json={"model_type": "clip"}, model__safetensors="", merges__txt="a b")
    write(tmp_path, model__safetensors__index__json=index("model-1.safetensors", "./model-2.safetensors"))
    refuse_unsafe(tmp_path)


def test_a_pickle_beside_safetensors_passes_since_nothing_opens_it(tmp_path):
    write(tmp_path, pytorch_model__bin="", training_args__bin="", model__safetensors="")
    write(tmp_path, pytorch_model__bin__index__json=index("pytorch_model-1.bin"))
    refuse_unsafe(tmp_path)


@pytest.mark.parametrize("ending", PICKLES)
def test_weights_in_pickles_are_refused(tmp_path, ending):
    (tmp_path / f"weights{ending}").touch()
    with pytest.raises(ValueError, match=rf"weights\{ending}: weights in a pickle .* has no \.safetensors"):
        refuse_unsafe(tmp_path)


@pytest.mark.parametrize("name", ["config.json", "tokenizer_config.json", "preprocessor_config.json"])
def test_remote_code_is_refused(tmp_path, name):
    (tmp_path / name).write_text(json.dumps({"auto_map": {"AutoModel": "modeling.Model"}}))
    with pytest.raises(ValueError, match=rf"{name}: auto_map = .*modeling\.Model.* no remote code is run"):
        refuse_unsafe(tmp_path)
    (tmp_path / name).write_text(json.dumps({"auto_map": {}}))
    refuse_unsafe(tmp_path)


@pytest.mark.parametrize(
    ("name", "settings", "told"),
    [
        ("config.json", {"_attn_implementation": "evil/kernel"}, "_attn_implementation = 'evil/kernel'"),
        ("config.json", {"attn_implementation": "evil/kernel@v1:run"}, "attn_implementation = 'evil/kernel@v1:run'"),
        ("config.json", {"attn_implementation": {"": "sdpa", "text_config": "paged|evil/k"}}, "evil/k"),
        ("config.json", {"text_config": {"_attn_implementation_internal": "evil/k"}}, "text_config._attn_impl"),
        ("config.json", {"vision_config": {"experts_implementation": "evil/k"}}, "vision_config.experts_impl"),
        ("config.json", {"layers": [{"attn_implementation": "evil/k"}]}, r"layers\[0\].attn_implementation"),
        ("config.json", {"use_kernels": True}, "use_kernels = true"),
        ("config.json", {"text_config": {"auto_map": {"AutoModel": "m.M"}}}, "text_config.auto_map"),
        ("config.json", {"kernel_config": {"RMSNorm": "evil/k:N"}}, "kernel_config"),
        ("generation_config.json", {"custom_generate": "evil/k"}, "custom_generate"),
        ("preprocessor_config.json", {"attn_implementation": "evil/k"}, "attn_implementation"),
        ("adapter_config.json", {"trust_remote_code": True}, "trust_remote_code"),
    ],
)
def test_code_and_kernels_of_a_hub_are_refused_at_any_depth(tmp_path, name, settings, told):
    (tmp_path / name).write_text(json.dumps(settings))
    with pytest.raises(ValueError, match=f"{name}: .*{told}"):
        refuse_unsafe(tmp_path)


def test_transformers_own_implementations_and_kernel_sizes_pass(tmp_path):
    own = {"_attn_implementation": "flash_attention_2", "attn_implementation": {"": "sdpa", "text_config": "eager"}}
    write(tmp_path, config__json={**own, "conv_kernel_size": 3, "use_kernels": False, "auto_map": None})
    refuse_unsafe(tmp_path)


@pytest.mark.parametrize("shard", ["../model.safetensors", "/etc/model.safetensors", "a/../../model.safetensors"])
@pytest.mark.parametrize("kind", ["model.safetensors", "adapter_model.safetensors", "pytorch_model.bin"])
def test_shards_outside_the_folder_are_refused(tmp_path, shard, kind):
    (tmp_path / f"{kind}.index.json").write_text(json.dumps(index("model-1.safetensors", shard)))
    with pytest.raises(ValueError, match=rf"{kind}\.index\.json: weight_map\['w1'\] = '{shard}' leaves the folder"):
        refuse_unsafe(tmp_path)


def test_shards_that_are_no_safetensors_and_broken_indexes_are_refused(tmp_path):
    path = tmp_path / "model.safetensors.index.json"
    path.write_text(json.dumps(index("model-1.bin")))
    with pytest.raises(ValueError, match=r"weight_map\['w0'\] = 'model-1\.bin' is no \.safetensors file"):
        refuse_unsafe(tmp_path)
    path.write_text(json.dumps({}))
    with pytest.raises(ValueError, match="weight_map is missing"):
        refuse_unsafe(tmp_path)


def test_what_is_no_json_object_is_left_to_its_reader(tmp_path):
    write(tmp_path, config__json="{", tokenizer_config__json=[1])
    (tmp_path / "generation_config.json").write_bytes(b"\xff\xfe")
    refuse_unsafe(tmp_path)


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(ValueError, match="nowhere is not a folder"):
        refuse_unsafe(tmp_path / "nowhere")
