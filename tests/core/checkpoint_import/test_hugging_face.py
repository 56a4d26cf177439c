"""Base models under the names of transformers 4 and 5 become embedders with the same weights."""

import json
import math
import re
import shutil
import struct

import pytest
import torch
from safetensors.torch import load_file, save_file
from tiny_backbones import BACKBONES

from core.checkpoint_import import hugging_face
from core.checkpoint_import.writing import saved_names
from core.encoder.embedder import Embedder
from core.encoder.embedder_folder import DESCRIPTION

FIRST = {  # as the hub's files of these models are named
    "llava_onevision": [
        (r"^language_model\.", "language_model.model."),
        (r"^vision_tower\.", "vision_tower.vision_model."),
    ],
    "qwen2_vl": [(r"^language_model\.", "model.")],
    "qwen2_5_vl": [(r"^language_model\.", "model.")],
    "qwen3_vl": [("^", "model.")],
    "smolvlm": [("^", "model.")],
    "idefics3": [("^", "model.")],
    "clip": [],
    "siglip": [],
}
LATER = {adapter: [("^", "model.")] for adapter in FIRST if adapter not in ("clip", "siglip")}
LATER["llava_onevision"] = [(r"^vision_tower\.", "vision_tower.vision_model."), ("^", "model.")]
CASES = [("first", adapter) for adapter in FIRST] + [("later", adapter) for adapter in LATER]
HEADS = {"llava_onevision": "language_model.lm_head.weight"}
TOWERS = ("clip", "siglip")


def published(embedder, adapter, style, folder):
    """Write a base model's folder. Returns the backbone's tensors by the model's own names."""
    embedder.save(folder)
    (folder / DESCRIPTION).unlink()
    state = {name: value.clone().contiguous() for name, value in embedder.backbone.state_dict().items()}
    weights = {}
    for name, value in state.items():
        for pattern, replacement in (FIRST if style == "first" else LATER)[adapter]:
            name = re.sub(pattern, replacement, name)
        weights[name] = value
    if adapter not in TOWERS:
        head = HEADS.get(adapter, "lm_head.weight") if style == "first" else "lm_head.weight"
        weights[head] = torch.ones(2, 2)
    elif style == "first":
        weights["text_model.embeddings.position_ids"] = torch.arange(8.0)[None]
    save_file(weights, folder / "model.safetensors", {"format": "pt"})
    return state


@pytest.mark.parametrize(("style", "adapter"), CASES)
def test_published_names_are_read(style, adapter, tmp_path, items):
    source, output = tmp_path / "source", tmp_path / "output"
    output.mkdir()
    embedder = BACKBONES[adapter]()
    state = published(embedder, adapter, style, source)
    assert hugging_face.recognises(source)
    hugging_face.convert(source, output, None)
    loaded = Embedder.load(output)
    own = loaded.backbone.state_dict()
    assert set(own) == set(state)
    assert all(torch.equal(own[name], state[name]) for name in state)
    torch.testing.assert_close(loaded.embed(items), embedder.embed(items), rtol=0, atol=1e-6)
    left = json.loads((output / "conversion.json").read_text())["left_out"]
    assert sum(map(len, left.values())) == (style == "first" or adapter not in TOWERS)


@pytest.mark.parametrize("adapter", list(FIRST))
def test_files_hold_the_names_that_save_writes(adapter, tmp_path):
    embedder = BACKBONES[adapter]()
    embedder.save(tmp_path)
    assert set(saved_names(embedder.backbone).values()) == set(load_file(tmp_path / "model.safetensors"))


QWEN2_VL_2B = {  # as on the hub, of transformers 4: one level for the language model
    "architectures": ["Qwen2VLForConditionalGeneration"], "attention_dropout": 0.0, "bos_token_id": 151643,
    "eos_token_id": 151645, "vision_start_token_id": 151652, "vision_end_token_id": 151653, "vision_token_id": 151654,
    "image_token_id": 151655, "video_token_id": 151656, "hidden_act": "silu", "hidden_size": 1536,
    "initializer_range": 0.02, "intermediate_size": 8960, "max_position_embeddings": 32768, "max_window_layers": 28,
    "model_type": "qwen2_vl", "num_attention_heads": 12, "num_hidden_layers": 28, "num_key_value_heads": 2,
    "rms_norm_eps": 1e-06, "rope_theta": 1000000.0, "sliding_window": 32768, "tie_word_embeddings": True,
    "torch_dtype": "bfloat16", "transformers_version": "4.41.2", "use_cache": True, "use_sliding_window": False,
    "vision_config": {"depth": 32, "embed_dim": 1280, "mlp_ratio": 4, "num_heads": 16, "in_chans": 3,
                      "hidden_size": 1536, "patch_size": 14, "spatial_merge_size": 2, "temporal_patch_size": 2},
    "rope_scaling": {"type": "mrope", "mrope_section": [16, 24, 24]}, "vocab_size": 151936,
}  # fmt: skip


def sparse(path, shapes):
    """A safetensors file of zeros that take no room."""
    header, end = {}, 0
    for name, shape in shapes.items():
        header[name] = {"dtype": "BF16", "shape": shape, "data_offsets": [end, end := end + 2 * math.prod(shape)]}
    encoded = json.dumps(header).encode()
    with path.open("wb") as file:
        file.write(struct.pack("<Q", len(encoded)) + encoded)
        file.truncate(8 + len(encoded) + end)


def test_the_whole_layout_of_qwen2_vl_2b(tmp_path):
    """Name by name and shape by shape, from a published config, without a value."""
    (tmp_path / "config.json").write_text(json.dumps(QWEN2_VL_2B))
    width, layers = 1536, {}
    for number in range(28):
        layer = f"model.layers.{number}."
        for name, rows in (("q", width), ("k", 256), ("v", 256)):
            layers[f"{layer}self_attn.{name}_proj.weight"] = (rows, width)
            layers[f"{layer}self_attn.{name}_proj.bias"] = (rows,)
        layers[f"{layer}self_attn.o_proj.weight"] = (width, width)
        layers[f"{layer}mlp.gate_proj.weight"] = layers[f"{layer}mlp.up_proj.weight"] = (8960, width)
        layers[f"{layer}mlp.down_proj.weight"] = (width, 8960)
        layers[f"{layer}input_layernorm.weight"] = layers[f"{layer}post_attention_layernorm.weight"] = (width,)
    for number in range(32):
        block = f"visual.blocks.{number}."
        for name, shape in (("attn.qkv", (3840, 1280)), ("attn.proj", (1280, 1280)), ("mlp.fc1", (5120, 1280)),
                            ("mlp.fc2", (1280, 5120)), ("norm1", (1280,)), ("norm2", (1280,))):  # fmt: skip
            layers[f"{block}{name}.weight"], layers[f"{block}{name}.bias"] = shape, shape[:1]
    layers["visual.patch_embed.proj.weight"] = (1280, 3, 2, 14, 14)
    for name, shape in (("ln_q", (1280,)), ("mlp.0", (5120, 5120)), ("mlp.2", (1536, 5120))):
        layers[f"visual.merger.{name}.weight"], layers[f"visual.merger.{name}.bias"] = shape, shape[:1]
    layers["model.embed_tokens.weight"], layers["model.norm.weight"] = (151936, width), (width,)
    sparse(tmp_path / "model.safetensors", layers)
    config, accounted = hugging_face.read_model(tmp_path)
    assert round(sum(math.prod(tensor.shape) for tensor in accounted.tensors) / 1e6) == 2209  # "2.21B" on the hub
    assert len(accounted.tensors) == len(layers)
    rope = config.get_text_config().rope_parameters
    assert (rope["rope_theta"], rope["mrope_section"]) == (1e6, [16, 24, 24])
    assert accounted.dtype == torch.bfloat16


SCALE = {"image_mean": [0.5, 0.5, 0.5], "image_std": [0.5, 0.5, 0.5]}
PROCESSORS = {  # preprocessor_config.json as on the hub, in short
    "clip": {"feature_extractor_type": "CLIPFeatureExtractor", "size": 224, "crop_size": 224, "resample": 3},
    "siglip": {"image_processor_type": "SiglipImageProcessor", "size": {"height": 384, "width": 384}},
    "qwen2_vl": {"image_processor_type": "Qwen2VLImageProcessor", "min_pixels": 3136, "max_pixels": 12845056},
    "qwen2_5_vl": {"image_processor_type": "Qwen2VLImageProcessor", "min_pixels": 3136, "max_pixels": 12845056},
    "qwen3_vl": {
        "image_processor_type": "Qwen2VLImageProcessorFast", "patch_size": 16,
        "size": {"longest_edge": 16777216, "shortest_edge": 65536},
    },
    "llava_onevision": {
        "image_processor_type": "LlavaOnevisionImageProcessor", "image_grid_pinpoints": [[384, 384], [384, 768]],
        "size": {"height": 384, "width": 384},
    },
    "smolvlm": {"image_processor_type": "SmolVLMImageProcessor", "size": {"longest_edge": 2048}},
    "idefics3": {"image_processor_type": "Idefics3ImageProcessor", "size": {"longest_edge": 1456}},
}  # fmt: skip


@pytest.mark.parametrize("adapter", list(PROCESSORS))
def test_image_processors_of_the_hub_are_read(adapter, tmp_path):
    (tmp_path / "config.json").write_text(json.dumps({"model_type": adapter}))
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(PROCESSORS[adapter] | SCALE))
    processor = hugging_face.read_image_processor(tmp_path)
    assert type(processor).__name__.endswith("Pil")
    published = PROCESSORS[adapter].get("size")
    if isinstance(published, dict):
        assert {name: processor.size[name] for name in published} == published
    elif published is None:
        assert (processor.size["shortest_edge"], processor.size["longest_edge"]) == (3136, 12845056)
    else:
        assert processor.size["shortest_edge"] == published


@pytest.fixture
def qwen(tmp_path):
    (tmp_path / "output").mkdir()
    published(BACKBONES["qwen2_vl"](), "qwen2_vl", "first", tmp_path / "source")
    return tmp_path / "source"


def change(path, **entries):
    path.write_text(json.dumps(json.loads(path.read_text()) | entries))


def test_a_template_beside_the_processor_is_taken(qwen, tmp_path):
    """Where transformers 4 kept it."""
    template = (qwen / "chat_template.jinja").read_text()
    (qwen / "chat_template.jinja").unlink()
    (qwen / "chat_template.json").write_text(json.dumps({"chat_template": template}))
    hugging_face.convert(qwen, tmp_path / "output", None)
    assert Embedder.load(tmp_path / "output").tokenizer.chat_template == template


def test_a_model_without_a_template_is_refused(qwen, tmp_path):
    (qwen / "chat_template.jinja").unlink()
    with pytest.raises(ValueError, match="chat_template"):
        hugging_face.convert(qwen, tmp_path / "output", None)


def test_a_tokenizer_without_padding_is_refused(qwen, tmp_path):
    path = qwen / "tokenizer_config.json"
    config = json.loads(path.read_text())
    config.pop("pad_token")
    path.write_text(json.dumps(config))
    with pytest.raises(ValueError, match=r"tokenizer_config.json: pad_token is missing"):
        hugging_face.convert(qwen, tmp_path / "output", None)


def test_weights_of_another_shape_are_refused_before_anything_is_written(qwen, tmp_path):
    config = json.loads((qwen / "config.json").read_text())
    change(qwen / "config.json", text_config=config["text_config"] | {"intermediate_size": 96})
    with pytest.raises(ValueError, match=r"of another shape: .*mlp.* where the config says \[64, 96\]"):
        hugging_face.convert(qwen, tmp_path / "output", None)
    assert not list((tmp_path / "output").iterdir())


def test_a_missing_and_an_extra_tensor_are_listed(qwen, tmp_path):
    weights = load_file(qwen / "model.safetensors")
    weights["model.layers.7.mlp.up_proj.weight"] = weights.pop("model.layers.1.mlp.up_proj.weight")
    save_file(weights, qwen / "model.safetensors")
    with pytest.raises(ValueError, match=r"unknown to the model: model.layers.7") as caught:
        hugging_face.convert(qwen, tmp_path / "output", None)
    assert "1 missing (by the model's names): language_model.layers.1.mlp.up_proj.weight" in str(caught.value)


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ({"model_type": "bert"}, "model_type 'bert' is not supported"),
        ({"model_type": "never_heard_of"}, "cannot be read by transformers"),
        ({"quantization_config": {"quant_method": "awq"}}, "quantization_config: get the model in its own precision"),
        ({"auto_map": {"AutoModel": "x.Y"}}, "no remote code is run"),
    ],
)
def test_a_config_that_is_not_supported_is_named(qwen, tmp_path, entries, message):
    change(qwen / "config.json", **entries)
    with pytest.raises(ValueError, match=message) as caught:
        hugging_face.convert(qwen, tmp_path / "output", None)
    assert str(qwen / "config.json") in str(caught.value)


@pytest.mark.parametrize("name", ["tokenizer.json", "preprocessor_config.json"])
def test_what_is_missing_beside_the_weights_is_said(qwen, tmp_path, name):
    (qwen / name).unlink()
    with pytest.raises(ValueError, match="cannot be loaded"):
        hugging_face.convert(qwen, tmp_path / "output", None)


def test_a_base_is_of_no_use(qwen, tmp_path):
    with pytest.raises(ValueError, match="stands on no base"):
        hugging_face.convert(qwen, tmp_path / "output", qwen)
    shutil.rmtree(qwen)
