"""LoRA adapters: added to the language model, saved without it, loaded onto it, folded into it."""

import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from peft import LoraConfig, get_peft_model_state_dict, inject_adapter_in_model, set_peft_model_state_dict
from peft.tuners.lora import LoraLayer
from peft.tuners.tuners_utils import BaseTunerLayer
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

WEIGHTS = "adapter_model.safetensors"
CONFIG = "adapter_config.json"
TRAINED = "trained.safetensors"
"""Weights that trained beside the adapter, such as the projector's; absent if there are none."""
PREFIX = "base_model.model."  # of every name in a file that peft writes
NAME = "default"
BASE_KEPT = (None, True, False, "gaussian", "eva", "orthogonal", "mica")
"""What init_lora_weights may be: ways to begin that leave the base's weights as they are. PiSSA, OLoRA, CorDA, LoftQ
and LoRA-GA take out of the base what they put into the adapter, and the file holds no such base."""


def lora_config(model: nn.Module) -> LoraConfig | None:
    """Return the adapter's settings, or None for a model without one."""
    return getattr(model, "peft_config", {}).get(NAME)


def refuse_changed_base(path: Path, began: object) -> None:
    """Check how an adapter began (init_lora_weights of its config).

    Raises:
        ValueError: in a way that changed the base's weights, or that is not known.
    """
    if (began.lower() if isinstance(began, str) else began) in BASE_KEPT:
        return
    raise ValueError(
        f"{path}: init_lora_weights = {began!r} began by changing the weights of the base, which are not in the "
        "adapter's folder: on the base as published it computes something else. Merge it where it was trained "
        "(peft's merge_and_unload) and convert the whole model, or save it by peft's save_pretrained with "
        "path_initial_model_for_weight_conversion, which makes a plain adapter of it."
    )


def add_lora(model: nn.Module, config: LoraConfig) -> None:
    """Put a fresh adapter on the model, which computes the same as before, and freeze everything else."""
    inject_adapter_in_model(config, model)
    for name, weight in model.named_parameters():
        # Adapters in half precision would lose their small steps.
        if is_lora(name) and weight.dtype in (torch.float16, torch.bfloat16):
            weight.data = weight.data.float()


def is_lora(name: str) -> bool:
    """Tell whether a weight belongs to an adapter, by its name."""
    return ".lora_" in name


def targets_pattern(targets: Sequence[str], within: str = "language_model") -> str:
    """Return the regular expression that peft matches names of modules with: these, within the module of that name."""
    return rf"(.*\.)?{re.escape(within)}\..*\.({'|'.join(map(re.escape, targets))})"


def save_lora(model: nn.Module, folder: Path) -> None:
    """Write the adapter's weights in peft's layout, and what trained beside it."""
    state = get_peft_model_state_dict(model, save_embedding_layers=False)
    save_tensors({f"{PREFIX}{name}": weight for name, weight in state.items()}, folder / WEIGHTS)
    trained = {name: weight for name, weight in beside(model).items() if weight.requires_grad}
    if trained:
        save_tensors(trained, folder / TRAINED)


def load_lora(model: nn.Module, folder: Path) -> None:
    """Put the adapter of a folder on its base.

    Raises:
        ValueError: a file is missing or damaged, or does not fit the base.
    """
    saved = load_tensors(folder / WEIGHTS)
    try:
        config = LoraConfig.from_pretrained(str(folder))
        assert isinstance(config, LoraConfig)
        refuse_changed_base(folder / CONFIG, config.init_lora_weights)
        add_lora(model, config)
    except (OSError, TypeError, KeyError, ValueError) as error:
        raise ValueError(f"{folder / CONFIG}: the adapter does not fit its base: {error}") from error
    state = {name.removeprefix(PREFIX): weight for name, weight in saved.items()}
    check_same(folder / WEIGHTS, state, get_peft_model_state_dict(model, save_embedding_layers=False))
    set_peft_model_state_dict(model, state)
    if (folder / TRAINED).exists():
        trained, own = load_tensors(folder / TRAINED), beside(model)
        check_same(folder / TRAINED, trained, {name: own[name] for name in trained if name in own})
        for name, weight in trained.items():
            own[name].data.copy_(weight)
            own[name].requires_grad_()


def beside(model: nn.Module) -> dict[str, nn.Parameter]:
    """Return the model's weights that are no adapter's, by their names."""
    return {name: weight for name, weight in model.named_parameters() if not is_lora(name)}


def check_same(path: Path, saved: Mapping[str, Tensor], own: Mapping[str, Tensor]) -> None:
    """Raise ValueError, naming the file, unless it holds the weights that the model has, in their shapes."""
    wrong = sorted({*saved} ^ {*own} | {name for name in {*saved} & {*own} if saved[name].shape != own[name].shape})
    if wrong:
        raise ValueError(
            f"{path}: {len(wrong)} weights are missing, unknown to the base or of another shape: "
            f"{', '.join(wrong[:5])}. Use the base that the adapter was trained on."
        )


def merge_layers(model: nn.Module) -> None:
    """Fold the adapter into the weights it stands on; the model then has the base's own modules."""
    for name, module in [(n, m) for n, m in model.named_modules() if isinstance(m, BaseTunerLayer)]:
        assert isinstance(module, LoraLayer)
        module.merge(safe_merge=True)
        parent, _, leaf = name.rpartition(".")
        setattr(model.get_submodule(parent), leaf, module.get_base_layer())
    del model.peft_config


def save_tensors(tensors: Mapping[str, Tensor], path: Path) -> None:
    """Write safetensors with the metadata that transformers and peft expect."""
    save_file({name: each.detach().cpu().contiguous() for name, each in tensors.items()}, path, {"format": "pt"})


def load_tensors(path: Path) -> dict[str, Tensor]:
    """Read safetensors.

    Raises:
        ValueError: the file is missing or damaged; the message names it.
    """
    try:
        return load_file(path)
    except (OSError, SafetensorError) as error:
        raise ValueError(f"{path}: the adapter's weights cannot be loaded: {error}") from error


def base_reference(base: Path, folder: Path, relative: bool = False) -> str:
    """Say how a checkpoint names its base: relative if both lie in one run's folder, so that they can move together.

    relative: in any case, so that no folder of this machine is named.
    """
    base, folder = base.resolve(), folder.resolve()
    together = relative or base.is_relative_to(folder.parent.parent)
    return os.path.relpath(base, folder) if together else str(base)
