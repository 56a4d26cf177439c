"""sentence-transformers folders of multimodal models, such as those that core/export.py writes.

What is read: a Transformer, Pooling of the last token and, if there, Normalize, whose backbone is of a family that this
project supports and whose inputs go through the chat template; and two towers (the older CLIPModel, or a Transformer
that gives sentence vectors itself). Vectors come out scaled to length 1 whether or not the folder says Normalize, which
no cosine notices. Prompts that a user chooses by name are not part of the model; the default one is, and becomes part
of the chat template. Nothing is cut off at `max_seq_length`.
"""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from transformers import AutoImageProcessor, AutoTokenizer, LlavaModel, PreTrainedModel, PreTrainedTokenizerBase
from transformers.image_processing_utils import BaseImageProcessor

from core.checkpoint_export.chat_template import own_template
from core.checkpoint_export.one_crop import is_one_crop, to_onevision
from core.checkpoint_import.source import check_folder, entry, settings
from core.encoder.backbones.choose import ADAPTERS
from core.encoder.backbones.llava_onevision import LlavaOnevision
from core.encoder.backbones.two_towers import TwoTowers
from core.encoder.embedder import Embedder
from core.encoder.embedder_folder import LOAD_ERRORS, load_backbone
from core.files.atomic import whole_folder
from core.files.reading import parse_json

MODULES = "modules.json"
TRANSFORMER = "sentence_bert_config.json"
PACKAGE = "sentence_transformers."
SAME_HERE = ("sanitize_control_tokens", "restore_suffix")
"""Options of the chat template that make no difference here: text is never read as template, and nothing is cut."""
LEGACY_POOLING = "pooling_mode_"
HIDDEN = {"method": "forward", "method_output_name": "last_hidden_state"}


def recognises(folder: Path) -> bool:
    """Tell whether a folder is sentence-transformers'."""
    return (folder / MODULES).is_file()


def convert(source: Path, output: Path, base: Path | None) -> None:
    """Write the embedder's folder.

    Raises:
        ValueError: the folder asks for what an embedder does not do, or cannot be read. The message names the file,
            the entry and its value.
    """
    if base is not None:
        raise ValueError(f"base = {base} is of no use: {source} is a whole sentence-transformers model.")
    check_folder(source)
    modules = read_modules(source)
    folder = inside(source, modules[0][1])
    check_folder(folder)
    check_whole(folder)
    config = settings(folder)
    one_crop = is_one_crop(config)
    family = LlavaOnevision if one_crop else ADAPTERS.get(str(config.get("model_type")))
    if family is None:
        raise ValueError(
            f"{folder / 'config.json'}: model_type = {config.get('model_type')!r} is not supported; "
            f"{', '.join(ADAPTERS)} are."
        )
    towers = issubclass(family, TwoTowers)
    check_modules(source, modules, towers)
    backbone, tokenizer, image_processor = load(folder, config, load_llava if one_crop else load_backbone)
    if one_crop:
        backbone, tokenizer = to_onevision(backbone, tokenizer)
    elif not towers:
        tokenizer.chat_template = template(source, folder, tokenizer)
    embedder = Embedder(backbone, tokenizer, image_processor)
    with whole_folder(output) as partial:
        embedder.save(partial)


def read_modules(source: Path) -> list[tuple[str, str]]:
    """Return the modules' class names and folders, in order.

    Raises:
        ValueError: the file is damaged, lists none, or names code that is not sentence-transformers' own.
    """
    path = source / MODULES
    try:
        listed = parse_json(path.read_text())
        found = [(str(each["type"]), str(each["path"])) for each in listed]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{path}: cannot be read ({error!r}); it should list modules with type and path.") from error
    if not found:
        raise ValueError(f"{path}: lists no modules.")
    for kind, _ in found:
        if not kind.startswith(PACKAGE):
            raise ValueError(f"{path}: type = {kind!r} is code of the folder's author; no remote code is run.")
    return [(kind.rpartition(".")[2], folder) for kind, folder in found]


def inside(source: Path, name: str) -> Path:
    """Return a module's folder.

    Raises:
        ValueError: it lies outside the model's folder, or is missing.
    """
    folder = (source / name).resolve()
    if not folder.is_relative_to(source.resolve()):
        raise ValueError(f"{source / MODULES}: path = {name!r} leaves the folder.")
    if not folder.is_dir():
        raise ValueError(f"{source / MODULES}: path = {name!r} names a folder that is missing.")
    return source / name


def check_modules(source: Path, modules: list[tuple[str, str]], towers: bool) -> None:
    """Raise ValueError, naming what is unsupported, unless the modules do what an embedder does."""
    kinds = [kind for kind, _ in modules]
    wanted = (("Transformer", "CLIPModel"),) if towers else (("Transformer",), ("Pooling",))
    for place, kind in enumerate(kinds):
        allowed = wanted[place] if place < len(wanted) else ("Normalize",)
        if kind not in allowed or kinds.count(kind) > 1:
            raise ValueError(
                f"{source / MODULES}: module {place} is {kind}; supported are {' or '.join(wanted[0])}, "
                f"{'' if towers else 'Pooling, '}and Normalize or nothing behind it. A vector that {kind} changes is "
                "not one that an embedder gives."
            )
    if len(kinds) < len(wanted):
        raise ValueError(f"{source / MODULES}: no Pooling; the last token's vector is what an embedder reads.")
    if not towers:
        check_pooling(inside(source, modules[1][1]) / "config.json")
        check_modalities(inside(source, modules[0][1]) / TRANSFORMER)


def check_pooling(path: Path) -> None:
    """Raise ValueError unless the last token alone is read."""
    config = settings(path.parent)
    older = {name for name, value in config.items() if name.startswith(LEGACY_POOLING) and value}
    mode = config.get("pooling_mode", sorted(older))
    if mode not in ("lasttoken", ["lasttoken"], [f"{LEGACY_POOLING}lasttoken"]):
        raise ValueError(f"{path}: pooling_mode = {mode!r} is not supported; an embedder reads the last token.")


def check_modalities(path: Path) -> None:
    """Raise ValueError unless inputs go through the chat template and the last hidden states come out."""
    config = settings(path.parent, path.name)
    task = config.get("transformer_task", "feature-extraction")
    if task != "feature-extraction":
        raise ValueError(f"{path}: transformer_task = {task!r} is not supported; feature-extraction is.")
    modalities = config.get("modality_config", {})
    if "message" not in modalities:
        raise ValueError(
            f"{path}: modality_config has no 'message', so that texts are embedded without a chat template; an "
            "embedder of a language model always has one."
        )
    if modalities["message"].get("format", "structured") != "structured":
        raise ValueError(
            f"{path}: modality_config.message.format = {modalities['message']['format']!r}; supported is 'structured'."
        )
    for name, each in modalities.items():
        found = {key: each.get(key) for key in HIDDEN}
        if found != HIDDEN:
            raise ValueError(f"{path}: modality_config.{name} = {found}; supported is {HIDDEN}.")


def check_whole(folder: Path) -> None:
    """Raise ValueError if the weights are a LoRA adapter."""
    path = folder / "adapter_config.json"
    if path.is_file():
        raise ValueError(f"{path}: the model is a LoRA adapter; merge it in sentence-transformers and save it whole.")


def load_llava(folder: Path, dtype: torch.dtype) -> PreTrainedModel:
    """Read LLaVA 1.5, every weight of it, which is no family of this project's.

    Raises:
        ValueError: weights are missing or of another shape.
    """
    options: dict[str, Any] = {"use_safetensors": True, "local_files_only": True, "output_loading_info": True}
    loaded: Any = LlavaModel.from_pretrained(folder, dtype=dtype, **options)
    backbone, report = loaded
    if report["missing_keys"]:
        raise ValueError(f"weights are missing: {', '.join(sorted(report['missing_keys'])[:5])}.")
    return backbone


def load(
    folder: Path, config: Mapping[str, Any], load_weights: Callable[[Path, torch.dtype], PreTrainedModel]
) -> tuple[PreTrainedModel, PreTrainedTokenizerBase, BaseImageProcessor]:
    """Return the backbone in its stored type, the tokenizer, and the Pillow image processor.

    Raises:
        ValueError: something is missing or damaged.
    """
    dtype = getattr(torch, str(config.get("dtype") or config.get("torch_dtype") or "float32"), None)
    if not isinstance(dtype, torch.dtype):
        raise ValueError(f"{folder / 'config.json'}: dtype = {config.get('dtype')!r} is no type of torch.")
    try:
        backbone = load_weights(folder, dtype)
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
        image_processor = AutoImageProcessor.from_pretrained(folder, backend="pil", local_files_only=True)
    except (ImportError, *LOAD_ERRORS) as error:
        raise ValueError(f"{folder}: the model cannot be loaded: {error}") from error
    return backbone, tokenizer, image_processor


def template(source: Path, folder: Path, tokenizer: PreTrainedTokenizerBase) -> str:
    """Return the chat template, with everything that sentence-transformers hands it written into it.

    Raises:
        ValueError: there is none, or several, or the folder asks for more than a template can say.
    """
    found = tokenizer.chat_template or settings(folder, "chat_template.json").get("chat_template")
    if not isinstance(found, str):
        raise ValueError(f"{folder}: {'no' if not found else 'several'} chat template(s); an embedder needs one.")
    own = own_template(found)
    options = settings(folder, TRANSFORMER).get("processing_kwargs", {})
    adds = options.get("text", {}).get("add_special_tokens", True)
    if adds and tokenizer("")["input_ids"] and not starts_itself(tokenizer, own):
        raise ValueError(
            f"{folder}: the tokenizer adds special tokens around the chat template, which an embedder does not; set "
            f"processing_kwargs.text.add_special_tokens = false in {TRANSFORMER} if the model was trained without."
        )
    for name, value in options.get("chat_template", {}).items():
        if name in SAME_HERE:
            continue
        if not isinstance(value, bool | int | float | str):
            raise ValueError(
                f"{folder / TRANSFORMER}: processing_kwargs.chat_template.{name} = {value!r} is not supported; "
                "yes-or-no, numbers and strings are."
            )
        own = f"{{%- set {name} = {literal(value)} -%}}{own}"
    return with_default_prompt(source, own, spaced=own_template(found) != found)


def starts_itself(tokenizer: PreTrainedTokenizerBase, chat_template: str) -> bool:
    """Tell whether the template writes the beginning token, which then is not added."""
    begin = tokenizer.bos_token
    return bool(begin) and (str(begin) in chat_template or "bos_token" in chat_template)


def with_default_prompt(source: Path, chat_template: str, spaced: bool) -> str:
    """Return the template with the default prompt as the system's turn in front, as sentence-transformers puts it.

    spaced: the folder's template puts a space before each text, this one included.
    """
    path = "config_sentence_transformers.json"
    config = settings(source, path)
    name = config.get("default_prompt_name")
    if name is None:
        return chat_template
    prompt = entry(config.get("prompts", {}), name, source, f"{path}: prompts")
    if not prompt:
        return chat_template
    prompt = f" {prompt}" if spaced and not prompt.startswith(" ") else prompt
    turn = f"{{'role': 'system', 'content': [{{'type': 'text', 'text': {literal(prompt)}}}]}}"
    return f"{{%- set messages = [{turn}] + messages -%}}{chat_template}"


def literal(value: bool | int | float | str) -> str:
    """Return a value as a Jinja template spells it."""
    return json.dumps(value)
