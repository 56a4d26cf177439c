"""Folders as their authors publish them, tiny and made here: LLaVA-NeXT's `llava_qwen`, with random weights."""

import json
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor
from transformers import Qwen2Config, Qwen2Model, SiglipVisionConfig, SiglipVisionModel

from core.encoder.tiny.llava_onevision import initialize, trained_vocabulary

SPECIAL = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
PATTERN = {"bos_token": None, "errors": "replace", "model_max_length": 32768, "split_special_tokens": False}
WIDTH, VISION_WIDTH, SIDE, PATCH = 64, 144, 48, 8


def write_qwen_tokenizer(folder: Path) -> int:
    """Qwen2's files: vocab.json, merges.txt and tokenizer_config.json. Returns how many tokens there are."""
    folder.mkdir(parents=True, exist_ok=True)
    trained = json.loads(trained_vocabulary(SPECIAL).to_str())["model"]
    words = {word: number for word, number in trained["vocab"].items() if word not in SPECIAL}
    words = {word: number for number, word in enumerate(sorted(words, key=words.__getitem__))}
    (folder / "vocab.json").write_text(json.dumps(words))
    lines = ["#version: 0.2", *(" ".join(pair) for pair in trained["merges"])]
    (folder / "merges.txt").write_text("\n".join(lines) + "\n")
    added = {
        str(len(words) + number): {
            "content": token, "lstrip": False, "normalized": False, "rstrip": False, "single_word": False,
            "special": True,
        }
        for number, token in enumerate(SPECIAL)
    }  # fmt: skip
    config = PATTERN | {
        "add_prefix_space": False,
        "added_tokens_decoder": added,
        "additional_special_tokens": [*SPECIAL[1:]],
        "chat_template": "{% for message in messages %}{{ message['content'] }}{% endfor %}",
        "clean_up_tokenization_spaces": False,
        "eos_token": SPECIAL[2],
        "pad_token": SPECIAL[0],
        "tokenizer_class": "Qwen2Tokenizer",
        "unk_token": None,
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(config))
    return len(words) + len(SPECIAL)


def llava_config(vocabulary: int, **changes: object) -> dict[str, object]:
    """`config.json` with the entries of the published files."""
    return {
        "architectures": ["LlavaQwenForCausalLM"],
        "alpha": 9.0,
        "attention_dropout": 0.0,
        "bos_token_id": 0,
        "eos_token_id": 2,
        "hidden_act": "silu",
        "hidden_size": WIDTH,
        "image_aspect_ratio": "anyres_max_9",
        "image_crop_resolution": None,
        "image_grid_pinpoints": "(1x1),...,(2x2)",
        "image_split_resolution": None,
        "initializer_range": 0.02,
        "intermediate_size": 96,
        "logit_scale": 50.0,
        "max_position_embeddings": 32768,
        "max_window_layers": 2,
        "mm_hidden_size": VISION_WIDTH,
        "mm_newline_position": "one_token",
        "mm_patch_merge_type": "spatial_unpad",
        "mm_projector_lr": None,
        "mm_projector_type": "mlp2x_gelu",
        "mm_resampler_type": None,
        "mm_spatial_pool_mode": "bilinear",
        "mm_tunable_parts": "mm_mlp_adapter,mm_language_model",
        "mm_use_im_patch_token": False,
        "mm_use_im_start_end": False,
        "mm_vision_select_feature": "patch",
        "mm_vision_select_layer": -2,
        "mm_vision_tower": f"google/siglip-so400m-patch{PATCH}-{SIDE}",
        "mm_vision_tower_lr": 2e-06,
        "model_type": "llava_qwen",
        "num_attention_heads": 4,
        "num_hidden_layers": 2,
        "num_key_value_heads": 2,
        "pos_skipping_range": 4096,
        "rms_norm_eps": 1e-06,
        "rope_scaling": None,
        "rope_theta": 1000000.0,
        "sliding_window": 32768,
        "tie_word_embeddings": True,
        "tokenizer_model_max_length": 4096,
        "tokenizer_padding_side": "right",
        "torch_dtype": "bfloat16",
        "transformers_version": "4.40.0.dev0",
        "use_cache": True,
        "use_mm_proj": True,
        "use_pos_skipping": False,
        "use_sliding_window": False,
        "vision_tower_pretrained": None,
        "vocab_size": vocabulary,
    } | changes


def language_model(config: dict[str, object]) -> Qwen2Model:
    """Qwen2 of a `llava_qwen` config."""
    names = ("vocab_size", "hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads",
             "num_key_value_heads", "rms_norm_eps", "max_position_embeddings")  # fmt: skip
    rope = {"rope_type": "default", "rope_theta": config["rope_theta"]}
    return Qwen2Model(Qwen2Config(**{name: config[name] for name in names}, rope_parameters=rope)).eval()


def vision_tower(layers: int, width: int = VISION_WIDTH, inner: int = 160, side: int = SIDE, patch: int = PATCH):
    """SigLIP as it is before LLaVA takes its last layer away."""
    config = SiglipVisionConfig(
        hidden_size=width, intermediate_size=inner, num_hidden_layers=layers, num_attention_heads=width // 72,
        image_size=side, patch_size=patch, vision_use_head=False,
    )  # fmt: skip
    return SiglipVisionModel(config).eval()


def llava_weights(language: Qwen2Model, tower: SiglipVisionModel, kept_layers: int) -> dict[str, Tensor]:
    """The tensors of a `llava_qwen` file: the language model's, the shortened tower's, the projector's, the newline."""
    width, vision = language.config.hidden_size, tower.config.hidden_size
    device = language.embed_tokens.weight.device
    weights = {f"model.{name}": value for name, value in language.state_dict().items()}
    for name, value in tower.state_dict().items():
        layer = name.split(".")[2] if name.startswith("encoder.layers.") else "0"
        if int(layer) < kept_layers:
            weights[f"model.vision_tower.vision_tower.vision_model.{name}"] = value
    for index, inputs in ((0, vision), (2, width)):
        weights[f"model.mm_projector.{index}.weight"] = torch.randn(width, inputs, device=device) * inputs**-0.5
        weights[f"model.mm_projector.{index}.bias"] = torch.randn(width, device=device) * 0.1
    weights["model.image_newline"] = torch.randn(width, device=device)
    return weights


def write_sharded(weights: dict[str, Tensor], folder: Path, shards: int = 1) -> None:
    """Write weights as one file, or several with their index."""
    if shards == 1:
        save_file(weights, folder / "model.safetensors", {"format": "pt"})
        return
    placed: dict[str, str] = {}
    for number in range(shards):
        name = f"model-{number + 1:05}-of-{shards:05}.safetensors"
        part = {each: weights[each] for each in sorted(weights)[number::shards]}
        save_file(part, folder / name, {"format": "pt"})
        placed |= dict.fromkeys(part, name)
    index = {"metadata": {"total_size": sum(each.nbytes for each in weights.values())}, "weight_map": placed}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))


def write_llave(folder: Path, shards: int = 1, dtype: torch.dtype = torch.float32, **changes: object):
    """A tiny LLaVE in its published layout. Returns the language model, the whole tower and the file's tensors."""
    vocabulary = write_qwen_tokenizer(folder)
    config = llava_config(vocabulary + 10, **changes)
    (folder / "config.json").write_text(json.dumps(config))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(5)
        language, tower = language_model(config), vision_tower(layers=3)
        initialize(language)
        initialize(tower)
        weights = llava_weights(language, tower, kept_layers=2)
        for module in (language, tower):
            for name, weight in module.named_parameters():
                if "norm" in name or name.endswith("bias"):
                    weight.data += 0.1 * torch.randn_like(weight)
    weights = {name: value.to(dtype).clone().contiguous() for name, value in weights.items()}
    write_sharded(weights, folder, shards)
    return language, tower, weights
