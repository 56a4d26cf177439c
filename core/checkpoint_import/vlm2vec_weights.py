"""Rename a LoRA adapter's tensors: from peft's names for Qwen2VLForConditionalGeneration to the model's own."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from transformers import PreTrainedModel

from core.checkpoint_import.hugging_face import renaming
from core.checkpoint_import.source import Stored
from core.checkpoint_import.tensor_account import Account, Left, Rename, TensorShape, account
from core.encoder.lora import PREFIX, targets_pattern

ADAPTED = re.compile(
    re.escape(PREFIX) + r"(?P<module>.+)\.(?P<piece>lora_A|lora_B|lora_magnitude_vector)(\.default)?(\.weight)?"
)
SAVED = {
    "lora_A": "lora_A.weight",
    "lora_B": "lora_B.weight",
    "lora_magnitude_vector": "lora_magnitude_vector",
}


def account_adapter(
    folder: Path, stored: Mapping[str, Stored], model: PreTrainedModel, rank: int, targets: object, dora: bool
) -> Account:
    """Say where each of an adapter's tensors goes, by the names that `load_adapter` reads.

    targets: the adapter's target_modules; where these are plain names, every layer of the model that has one of them
    must be there, and otherwise what the file has.

    Raises:
        ValueError: a tensor is unknown, missing or of another shape than the base and the rank say.
    """
    weight_of = renaming(model)
    layers = {
        name.removesuffix(".weight"): tuple(value.shape)
        for name, value in model.state_dict().items()
        if name.endswith(".weight") and value.dim() == 2
    }
    adapted = [name for name in layers if layer_is_target(name, targets)] or modules_of(stored, weight_of)
    wanted: dict[str, TensorShape] = {}
    for module in adapted:
        if module not in layers:
            continue  # the file's own name for it is reported as unknown
        outputs, inputs = layers[module]
        wanted[f"{PREFIX}{module}.{SAVED['lora_A']}"] = (rank, inputs)
        wanted[f"{PREFIX}{module}.{SAVED['lora_B']}"] = (outputs, rank)
        if dora:
            wanted[f"{PREFIX}{module}.{SAVED['lora_magnitude_vector']}"] = (outputs,)
    return account(folder, stored, wanted, lambda name: rename(name, weight_of))


def rename(name: str, weight_of: Rename) -> str | Left | None:
    """Say where a tensor of a published adapter goes."""
    found = ADAPTED.fullmatch(name)
    module = module_of(found["module"], weight_of) if found else None
    return f"{PREFIX}{module}.{SAVED[found['piece']]}" if found and module else None


def module_of(published: str, weight_of: Rename) -> str | None:
    """Return the model's name for an adapted layer."""
    weight = weight_of(f"{published}.weight")
    return weight.removesuffix(".weight") if isinstance(weight, str) else None


def modules_of(stored: Mapping[str, Stored], weight_of: Rename) -> list[str]:
    """Return the layers that a file adapts, by the model's names."""
    found = (ADAPTED.fullmatch(name) for name in stored)
    modules = (module_of(each["module"], weight_of) for each in found if each)
    return list(dict.fromkeys(each for each in modules if each))


def layer_is_target(name: str, targets: object) -> bool:
    """Tell whether a layer bears one of the names in a list of target modules, as peft matches them."""
    return isinstance(targets, Sequence) and not isinstance(targets, str) and name.rpartition(".")[2] in targets


def written_targets(adapted: Sequence[str], model: PreTrainedModel) -> str | list[str]:
    """Write target_modules: the project's own pattern where it says the same, else every layer's name."""
    modules = [name for name, _ in model.named_modules()]
    ends = dict.fromkeys(name.rpartition(".")[2] for name in modules if name in adapted)  # in the model's order
    pattern = targets_pattern([*ends])
    matched = {name for name in modules if re.fullmatch(pattern, name)}
    return pattern if matched == {*adapted} else sorted(adapted)
