"""VLM2Vec's LoRA adapters (V1 and V2) on Qwen2-VL and Qwen2.5-VL, as peft saves them."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from peft import LoraConfig
from transformers import PreTrainedModel

from core.checkpoint_import.hugging_face import read_image_processor, read_model, read_tokenizer
from core.checkpoint_import.source import check_folder, entry, read_json, settings, tensors_of
from core.checkpoint_import.stream import write_shard
from core.checkpoint_import.tensor_account import Account
from core.checkpoint_import.vlm2vec_weights import account_adapter, written_targets
from core.checkpoint_import.writing import empty_model, write_embedder, write_record
from core.encoder.embedder import Embedder
from core.encoder.lora import CONFIG, NAME, PREFIX, WEIGHTS, refuse_changed_base

LAYOUT = "VLM2Vec (LoRA on Qwen2-VL)"
LOOKED_FOR = f"{CONFIG} whose base_model_name_or_path names a Qwen2-VL or Qwen2.5-VL"
QWEN = re.compile(r"qwen2(\.5|_5)?[-_]?vl", re.IGNORECASE)
BASES = ("qwen2_vl", "qwen2_5_vl")
BASE = "base"
"""Folder of the base within the output: the base model under VLM2Vec's prompt."""
MIN_PIXELS, MAX_PIXELS = 4 * 28 * 28, 1280 * 28 * 28
"""The defaults that VLM2Vec's loader gives its image processor."""

# No chat template at all: the picture's own token where the data has its mark, a newline, and the words; a clip is
# followed by a space. The vector is read at the last word's token. V1 and V2 do the same.
CHAT_TEMPLATE = (
    "{% for message in messages %}{% for part in message['content'] %}"
    "{% if part['type'] == 'image' %}<|image_pad|>{% if not loop.last %}{{ '\n' }}{% endif %}"
    "{% elif part['type'] == 'video' %}<|video_pad|>{% if not loop.last %}{{ ' ' }}{% endif %}"
    "{% else %}{{ part['text'] }}{% endif %}"
    "{% endfor %}{% endfor %}"
)
KEPT = ("r", "lora_alpha", "lora_dropout", "use_dora", "use_rslora")
UNIMPORTANT = (
    "auto_mapping", "base_model_name_or_path", "corda_config", "eva_config", "inference_mode", "init_lora_weights",
    "loftq_config", "megatron_config", "megatron_core", "peft_type", "peft_version", "qalora_group_size", "revision",
    "runtime_config", "target_modules", "task_type",
)  # fmt: skip
"""Entries that say where an adapter comes from or how it began, but not what it computes."""


def recognises(folder: Path) -> bool:
    """Tell whether the folder holds an adapter on a Qwen2-VL or Qwen2.5-VL."""
    base = settings(folder, CONFIG).get("base_model_name_or_path")
    known = isinstance(base, str) and bool(QWEN.search(base))
    return known or ((folder / CONFIG).is_file() and settings(folder).get("model_type") in BASES)


def convert(source: Path, output: Path, base: Path | None) -> None:
    """Write the adapter into `output`, and the base under VLM2Vec's prompt into a folder within.

    base: the folder of the base model, in transformers' layout or an embedder's.

    Raises:
        ValueError: there is no base, it is another model than the adapter's, or a folder must not be read.
    """
    check_folder(source)
    config = read_json(source / CONFIG)
    if base is None:
        named = config.get("base_model_name_or_path")
        raise ValueError(f"{source} is an adapter: name the folder of its base ({named}) by --base.")
    check_folder(base)
    model_config, whole = read_model(base)
    if model_config.model_type not in BASES:
        raise ValueError(f"base = {base}: model_type {model_config.model_type!r}; VLM2Vec stands on {BASES}.")
    if not (source / WEIGHTS).is_file():
        raise ValueError(f"{source / WEIGHTS}: the adapter's weights are missing; only safetensors are read.")
    model = empty_model(model_config, whole.dtype)
    stored = tensors_of(source / WEIGHTS)
    check_kinds(source / CONFIG, config)
    check_targets(source / CONFIG, config.get("target_modules"))
    rank, dora = int(entry(config, "r", source, CONFIG)), bool(config.get("use_dora"))
    adapter = account_adapter(source, stored, model, rank, config.get("target_modules"), dora)
    if not adapter.tensors:
        raise ValueError(f"{source / WEIGHTS}: holds no layer of an adapter; get the file again.")
    lora = lora_config(source, config, model, adapter)

    tokenizer: Any = read_tokenizer(base)
    tokenizer.chat_template = CHAT_TEMPLATE
    image_processor: Any = read_image_processor(base)
    image_processor.size = {"shortest_edge": MIN_PIXELS, "longest_edge": MAX_PIXELS}
    (output / BASE).mkdir()
    write_embedder(output / BASE, model_config, tokenizer, image_processor, whole)
    embedder = Embedder(model, tokenizer, image_processor)
    model.peft_config = {NAME: lora}  # pyright: ignore[reportAttributeAccessIssue]
    embedder.base = output / BASE
    embedder.describe(output)
    write_shard(adapter.tensors, output / WEIGHTS)
    write_record(output, LAYOUT, source, {**whole.left, **adapter.left}, base=base.name)


def check_kinds(path: Path, config: Mapping[str, Any]) -> None:
    """Raise ValueError unless the numbers and switches of an adapter's settings are such."""
    kinds = {"r": int, "lora_alpha": (int, float), "lora_dropout": (int, float), "use_dora": bool, "use_rslora": bool}
    for name, kind in kinds.items():
        value = config.get(name)
        if value is not None and (not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool)):
            raise ValueError(f"{path}: {name} = {str(value)[:80]!r} is no {'switch' if kind is bool else 'number'}.")


def check_targets(path: Path, targets: object) -> None:
    """Raise ValueError unless target_modules is a pattern or a list of names."""
    if isinstance(targets, list) and all(isinstance(each, str) for each in targets):
        return
    try:
        re.compile(targets if isinstance(targets, str) else "(")
    except re.error as error:
        raise ValueError(f"{path}: target_modules = {str(targets)[:80]!r} is neither names nor a pattern.") from error


def lora_config(folder: Path, config: Mapping[str, Any], model: PreTrainedModel, adapter: Account) -> LoraConfig:
    """Return the adapter's settings by the model's names.

    Raises:
        ValueError: the adapter is no LoRA, changed its base when it began, or computes what is not carried over.
    """
    if config.get("peft_type", "LORA") != "LORA":
        raise ValueError(f"{folder / CONFIG}: peft_type = {config['peft_type']!r}; only LORA is converted.")
    refuse_changed_base(folder / CONFIG, config.get("init_lora_weights"))
    usual = LoraConfig()
    for name, value in config.items():
        if name not in KEPT + UNIMPORTANT and value and value != getattr(usual, name, None):
            raise ValueError(f"{folder / CONFIG}: {name} = {value!r} changes what the adapter computes; not converted.")
    adapted = {tensor.name.removeprefix(PREFIX).partition(".lora_")[0] for tensor in adapter.tensors}
    return LoraConfig(
        **{name: config[name] for name in KEPT if name in config},
        target_modules=written_targets(sorted(adapted), model),
    )
