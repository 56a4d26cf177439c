"""Base models as they lie on the hub, in transformers' own layout, so that training can start from them.

Names of weights of transformers 4 and 5 are read, with or without the head for writing words.
"""

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from transformers import (
    AutoConfig,
    AutoImageProcessor,
    AutoTokenizer,
    PreTrainedConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)
from transformers.conversion_mapping import get_model_conversion_mapping
from transformers.core_model_loading import WeightRenaming, rename_source_key
from transformers.image_processing_utils import BaseImageProcessor

from core.checkpoint_import.source import check_folder, read_json, settings, stored_tensors
from core.checkpoint_import.tensor_account import Account, Left, Rename, account
from core.checkpoint_import.writing import empty_model, shapes, write_embedder, write_record
from core.encoder.backbones.choose import ADAPTERS, adapter_class
from core.encoder.embedder_folder import LOAD_ERRORS

LAYOUT = "transformers' own (a base model of the hub)"
LOOKED_FOR = f"config.json with model_type {', '.join(ADAPTERS)}"
HEADS = ("lm_head.weight", "language_model.lm_head.weight", "model.lm_head.weight")
NO_HEAD = Left("lm_head: vectors are read from the states before it")
TEMPLATE = "chat_template.json"
"""Where processors of transformers 4 kept the template that the tokenizer lacks."""


def recognises(folder: Path) -> bool:
    """Tell whether the folder holds a model of a supported family under transformers' names."""
    return settings(folder).get("model_type") in [*ADAPTERS]  # a list is compared: the entry may be anything


def convert(source: Path, output: Path, base: Path | None) -> None:
    """Write the model as an embedder with its own chat template into `output`; `base` must be None.

    Raises:
        ValueError: the folder must not be read, or its weights, tokenizer or image processor do not fit.
    """
    if base is not None:
        raise ValueError(f"base = {base}: {source} is a whole model and stands on no base; leave it out.")
    check_folder(source)
    config, accounted = read_model(source)
    write_embedder(output, config, read_tokenizer(source), read_image_processor(source), accounted)
    write_record(output, LAYOUT, source, accounted.left)


def read_model(folder: Path) -> tuple[PreTrainedConfig, Account]:
    """Return the config of a checked folder, and what becomes of its tensors.

    Raises:
        ValueError: the config cannot be read, or the tensors are not exactly the model's.
    """
    try:
        with warnings.catch_warnings():
            # Files of transformers 4 have entries by names that go; what is written here has the new ones.
            warnings.simplefilter("ignore", FutureWarning)
            config = AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    except LOAD_ERRORS as error:
        raise ValueError(f"{folder / 'config.json'}: cannot be read by transformers: {error}") from error
    if not isinstance(config, PreTrainedConfig):
        raise ValueError(f"{folder / 'config.json'}: describes no model.")
    try:
        adapter_class(config)
    except ValueError as error:
        raise ValueError(f"{folder / 'config.json'}: {error}") from error
    if getattr(config, "quantization_config", None):
        raise ValueError(f"{folder / 'config.json'}: quantization_config: get the model in its own precision.")
    model = empty_model(config)
    return config, account(folder, stored_tensors(folder), shapes(model), renaming(model))


def renaming(model: PreTrainedModel) -> Rename:
    """Say how transformers itself names the tensors of a file when it loads them into the model, as far as it renames.

    Its rules for Qwen2-VL and Qwen2.5-VL miss the tower of files that transformers 4.52 and later wrote
    (`model.visual`); a name that its rules lead nowhere is tried without `model.`.
    """
    rules: list[WeightRenaming] = []
    for rule in get_model_conversion_mapping(model):
        if not isinstance(rule, WeightRenaming):
            raise ValueError(
                f"{type(model).__name__}: transformers changes values, not only names, when it loads this model "
                f"({type(rule).__name__}); that is not converted here."
            )
        rules.append(rule)
    own: Mapping[str, Any] = model.state_dict()

    def rename(name: str) -> str | Left | None:
        if name in HEADS:
            return NO_HEAD
        renamed, _ = rename_source_key(name, rules, [], model.base_model_prefix, {**own})
        tried = (renamed, name.removeprefix("model."))
        return next((each for each in tried if each in own), None)

    return rename


def read_tokenizer(folder: Path) -> PreTrainedTokenizerBase:
    """Return the folder's tokenizer, with the chat template of its processor if it has none of its own.

    Raises:
        ValueError: it cannot be loaded, or has no token to pad with.
    """
    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    except LOAD_ERRORS as error:
        raise ValueError(f"{folder}: the tokenizer cannot be loaded: {error}") from error
    assert isinstance(tokenizer, PreTrainedTokenizerBase)
    if tokenizer.chat_template is None and (folder / TEMPLATE).is_file():
        tokenizer.chat_template = read_json(folder / TEMPLATE).get("chat_template")
    if tokenizer.pad_token_id is None:
        raise ValueError(f"{folder / 'tokenizer_config.json'}: pad_token is missing; batches are padded with it.")
    return tokenizer


def read_image_processor(folder: Path) -> BaseImageProcessor:
    """Return the folder's image processor.

    Raises:
        ValueError: it cannot be loaded.
    """
    try:
        processor = AutoImageProcessor.from_pretrained(
            folder, backend="pil", local_files_only=True, trust_remote_code=False
        )
    except LOAD_ERRORS as error:
        raise ValueError(f"{folder}: the image processor cannot be loaded: {error}") from error
    assert isinstance(processor, BaseImageProcessor)
    return processor
