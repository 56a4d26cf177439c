"""Write the embedder's folder around converted weights."""

import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import PIL.Image
import torch
from transformers import AutoModel, PreTrainedConfig, PreTrainedModel, PreTrainedTokenizerBase
from transformers.core_model_loading import revert_weight_conversion
from transformers.image_processing_utils import BaseImageProcessor

from core.checkpoint_import.stream import write_shards
from core.checkpoint_import.tensor_account import Account, Tensor, TensorShape
from core.data.images.image_files import BytesImage
from core.data.records import Image, Item, Text
from core.encoder.embedder import Embedder
from core.encoder.embedder_folder import LOAD_ERRORS

RECORD = "conversion.json"
"""What was made of which folder, and which of its tensors were left out, for people to read."""


def empty_model(config: PreTrainedConfig, dtype: torch.dtype = torch.float32) -> PreTrainedModel:
    """Return the model of a config on the meta device: names and shapes without values.

    Raises:
        ValueError: no model can be built by the config's numbers and names.
    """
    try:
        with torch.device("meta"):
            return AutoModel.from_config(config, dtype=dtype)
    except LOAD_ERRORS as error:
        raise ValueError(f"config.json: no model can be built by it ({type(error).__name__}: {error}).") from error


def shapes(model: PreTrainedModel) -> dict[str, TensorShape]:
    """Return the shape of each tensor of a model that is saved."""
    return {name: tuple(value.shape) for name, value in model.state_dict().items()}


def saved_names(model: PreTrainedModel) -> dict[str, str]:
    """Return the name that `save_pretrained` gives each tensor of a model, which may differ from the module's."""
    state = model.state_dict(keep_vars=True)
    own = {id(value): name for name, value in state.items()}
    return {own[id(value)]: name for name, value in revert_weight_conversion(model, dict(state)).items()}


def write_embedder(
    folder: Path,
    config: PreTrainedConfig,
    tokenizer: PreTrainedTokenizerBase,
    image_processor: BaseImageProcessor,
    accounted: Account,
) -> None:
    """Write what `Embedder.load` reads: the description as `Embedder.save` writes it, the weights as they come.

    Raises:
        ValueError: the model's family is not supported, its prompt cannot be used, or a tensor's values are damaged.
    """
    model = empty_model(config, accounted.dtype)
    embedder = Embedder(model, tokenizer, image_processor)
    rehearse(embedder)
    embedder.describe(folder)
    names = saved_names(model)
    write_shards([Tensor(names[each.name], each.shape, each.source) for each in accounted.tensors], folder)


def rehearse(embedder: Embedder) -> None:
    """Put a text and a picture with a text into the model's form, so that a prompt that cannot be used shows now.

    Raises:
        ValueError: the tokenizer has no chat template, or one that does not place the parts of an item.
    """
    stream = io.BytesIO()
    PIL.Image.new("RGB", (60, 40)).save(stream, "PNG")
    words, picture = Text("a"), Image(BytesImage(stream.getvalue()))  # pyright: ignore[reportArgumentType]
    try:
        for item in (Item((words,)), Item((picture, words)), Item((picture,))):
            embedder.prepare(item)
    except ValueError as error:
        raise ValueError(f"The checkpoint's tokenizer and image processor cannot be used: {error}") from error


def write_record(folder: Path, layout: str, source: Path, left: Mapping[str, Sequence[str]], **more: Any) -> None:  # noqa: ANN401
    """Say beside the weights where they come from and which tensors were left out by which rule."""
    record = {"layout": layout, "source": source.name, "left_out": {rule: list(names) for rule, names in left.items()}}
    (folder / RECORD).write_text(json.dumps(record | more, indent=2) + "\n")
