"""The whole layout of LLaVE-0.5B, 2B and 7B, name by name and shape by shape, without a single value."""

from pathlib import Path

import pytest
import torch
from published_folders import llava_config

from core.checkpoint_import.llave_config import onevision_config
from core.checkpoint_import.llave_weights import TOWER, rename
from core.checkpoint_import.source import Stored
from core.checkpoint_import.tensor_account import account
from core.checkpoint_import.writing import empty_model, saved_names, shapes

FOLDER = Path("LLaVE")
SIZES = {
    "0.5B": {"hidden_size": 896, "intermediate_size": 4864, "num_hidden_layers": 24, "num_attention_heads": 14,
             "num_key_value_heads": 2, "vocab_size": 151936, "tie_word_embeddings": True},
    "2B": {"hidden_size": 1536, "intermediate_size": 8960, "num_hidden_layers": 28, "num_attention_heads": 12,
           "num_key_value_heads": 2, "vocab_size": 151936, "tie_word_embeddings": True},
    "7B": {"hidden_size": 3584, "intermediate_size": 18944, "num_hidden_layers": 28, "num_attention_heads": 28,
           "num_key_value_heads": 4, "vocab_size": 152064, "tie_word_embeddings": False},
}  # fmt: skip
MILLIONS = {"0.5B": 894, "2B": 1946, "7B": 8030}
"""Parameters: 894M and 8.03B is what the hub says of the bases; of 2B's it counts a head beside, 233M."""


def config_of(size: str, **changes: object) -> dict[str, object]:
    tower = {"mm_vision_tower": "google/siglip-so400m-patch14-384", "mm_hidden_size": 1152, "max_window_layers": 24}
    return llava_config(0, **SIZES[size], **tower, **changes)


def published_shapes(config: dict, layers: int = 26) -> dict[str, tuple[int, ...]]:
    """Every tensor of a published file, written out from its layout."""
    width, inner = config["hidden_size"], config["intermediate_size"]
    keys = config["num_key_value_heads"] * width // config["num_attention_heads"]
    out = {"model.embed_tokens.weight": (config["vocab_size"], width), "model.norm.weight": (width,)}
    for number in range(config["num_hidden_layers"]):
        layer = f"model.layers.{number}."
        for name, rows in (("q", width), ("k", keys), ("v", keys)):
            out[f"{layer}self_attn.{name}_proj.weight"] = (rows, width)
            out[f"{layer}self_attn.{name}_proj.bias"] = (rows,)
        out[f"{layer}self_attn.o_proj.weight"] = (width, width)
        out[f"{layer}mlp.gate_proj.weight"] = out[f"{layer}mlp.up_proj.weight"] = (inner, width)
        out[f"{layer}mlp.down_proj.weight"] = (width, inner)
        out[f"{layer}input_layernorm.weight"] = out[f"{layer}post_attention_layernorm.weight"] = (width,)
    out[f"{TOWER}embeddings.patch_embedding.weight"] = (1152, 3, 14, 14)
    out[f"{TOWER}embeddings.patch_embedding.bias"] = (1152,)
    out[f"{TOWER}embeddings.position_embedding.weight"] = (729, 1152)
    for number in range(layers):
        layer = f"{TOWER}encoder.layers.{number}."
        for name in ("q_proj", "k_proj", "v_proj", "out_proj"):
            out[f"{layer}self_attn.{name}.weight"] = (1152, 1152)
            out[f"{layer}self_attn.{name}.bias"] = (1152,)
        out[f"{layer}mlp.fc1.weight"], out[f"{layer}mlp.fc1.bias"] = (4304, 1152), (4304,)
        out[f"{layer}mlp.fc2.weight"], out[f"{layer}mlp.fc2.bias"] = (1152, 4304), (1152,)
        for name in ("layer_norm1", "layer_norm2"):
            out[f"{layer}{name}.weight"] = out[f"{layer}{name}.bias"] = (1152,)
    out[f"{TOWER}post_layernorm.weight"] = out[f"{TOWER}post_layernorm.bias"] = (1152,)
    out["model.mm_projector.0.weight"], out["model.mm_projector.0.bias"] = (width, 1152), (width,)
    out["model.mm_projector.2.weight"], out["model.mm_projector.2.bias"] = (width, width), (width,)
    out["model.image_newline"] = (width,)
    if not config["tie_word_embeddings"]:
        out["lm_head.weight"] = (config["vocab_size"], width)
    return out


def stored(shapes_by_name: dict[str, tuple[int, ...]]) -> dict[str, Stored]:
    return {name: Stored(FOLDER / "x", torch.bfloat16, shape, 0, 0) for name, shape in shapes_by_name.items()}


@pytest.mark.parametrize("size", SIZES)
def test_a_published_file_is_exactly_the_model_of_its_config(size):
    config = config_of(size)
    published = published_shapes(config)
    assert round(sum(torch.Size(shape).numel() for shape in published.values()) / 1e6) == MILLIONS[size]
    model = empty_model(onevision_config(FOLDER, config, stored(published), 151646, 151647))
    assert model.config.vision_config.num_attention_heads == 16
    assert model.config.vision_config.image_size == 384
    assert model.config.image_grid_pinpoints == [[384, 384], [768, 384], [384, 768], [768, 768]]
    accounted = account(FOLDER, stored(published), shapes(model), rename)
    assert {tensor.name: tensor.shape for tensor in accounted.tensors} == shapes(model)
    assert accounted.left == ({} if size != "7B" else {next(iter(accounted.left)): ["lm_head.weight"]})
    assert len({tensor.name for tensor in accounted.tensors}) == len(published) - (size == "7B")


def test_names_go_where_transformers_says_that_they_belong():
    """What transformers' own files of LLaVA-OneVision call them, for one of each kind."""
    config = config_of("0.5B")
    model = empty_model(onevision_config(FOLDER, config, stored(published_shapes(config)), 151646, 151647))
    saved = saved_names(model)
    expected = {
        "model.embed_tokens.weight": "language_model.model.embed_tokens.weight",
        "model.norm.weight": "language_model.model.norm.weight",
        "model.layers.23.self_attn.k_proj.bias": "language_model.model.layers.23.self_attn.k_proj.bias",
        "model.mm_projector.0.weight": "multi_modal_projector.linear_1.weight",
        "model.mm_projector.2.bias": "multi_modal_projector.linear_2.bias",
        "model.image_newline": "image_newline",
    }
    for published, own in expected.items():
        assert saved[rename(published)] == own
    assert rename(f"{TOWER}encoder.layers.25.mlp.fc1.bias") == "vision_tower.encoder.layers.25.mlp.fc1.bias"


def test_what_is_not_needed_is_left_by_a_named_rule():
    """A head beside tied embeddings, SigLIP's last layer and pooling, old buffers."""
    config = config_of("0.5B")
    published = published_shapes(config, layers=27)
    published["lm_head.weight"] = published["model.embed_tokens.weight"]
    published[f"{TOWER}head.probe"] = (1, 1, 1152)
    published["model.layers.3.self_attn.rotary_emb.inv_freq"] = (32,)
    published[f"{TOWER}embeddings.position_ids"] = (1, 729)
    model = empty_model(onevision_config(FOLDER, config, stored(published), 151646, 151647))
    assert model.config.vision_config.num_hidden_layers == 26
    accounted = account(FOLDER, stored(published), shapes(model), rename)
    left = {rule.partition(":")[0]: names for rule, names in accounted.left.items()}
    assert left["lm_head"] == ["lm_head.weight"]
    assert left["vision_model.head"] == [f"{TOWER}head.probe"]
    assert len(left["the vision tower's last layer"]) == 16
    assert len(left["buffers that the config gives"]) == 2
    assert len(accounted.tensors) == len(shapes(model))


def test_a_file_without_its_vision_tower_is_refused():
    config = config_of("0.5B")
    language = {name: shape for name, shape in published_shapes(config).items() if not name.startswith(TOWER)}
    with pytest.raises(ValueError, match="saved without its vision tower"):
        onevision_config(FOLDER, config, stored(language), 151646, 151647)


@pytest.mark.parametrize("name", ["model.mm_projector.1.weight", "model.vision_resampler.x", "model.faster_token", "x"])
def test_a_name_of_another_layout_is_not_known(name):
    assert rename(name) is None
