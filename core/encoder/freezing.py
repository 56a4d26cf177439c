"""Choose what trains: freeze parts, add LoRA, checkpoint activations, compile blocks, pack sequences."""

import re
from collections.abc import Sequence
from typing import Literal

from peft import LoraConfig
from peft.tuners.lora import LoraLayer
from torch import nn

from core.config.model_settings import TrainableSettings
from core.encoder.attention import attend_widened, attends_by_flash
from core.encoder.backbones.adapter import ModelPart
from core.encoder.embedder import Embedder
from core.encoder.lora import add_lora, is_lora, lora_config, merge_layers, targets_pattern


def make_trainable(embedder: Embedder, settings: TrainableSettings) -> None:
    """Set up an embedder for training. Names of weights stay, but for those that LoRA stands on.

    Raises:
        ValueError: the adapters' targets are not in the model, or it has other adapters already.
    """
    model, adapter = embedder.backbone, embedder.backbone_adapter
    frozen: set[ModelPart] = {*settings.freeze}
    if settings.lora_rank:
        with_lora(embedder, settings)
    elif lora_config(model) is not None:
        raise ValueError("The model has a LoRA adapter: set model.trainable.lora_rank to go on with it, or merge it.")
    for name, weight in model.named_parameters():
        part = adapter.part_of(name)
        lora = part == "language" and settings.lora_rank > 0
        weight.requires_grad_(name not in adapter.unused and (is_lora(name) if lora else part not in frozen))
    # With LoRA the language model itself is in training mode: the adapters' dropout acts there.
    if settings.lora_rank:
        frozen.discard("language")
    embedder.frozen = frozenset(frozen)
    if settings.activation_checkpointing:
        model.activation_checkpointing_enable({"use_reentrant": False})
        model.disable_input_require_grads()  # only the reentrant kind needs a gradient of the words' embeddings
    if settings.compile_blocks:
        for block in adapter.blocks(model):
            block.compile(dynamic=True)
    embedder.train(embedder.training)


def with_lora(embedder: Embedder, settings: TrainableSettings) -> None:
    """Give the language model its LoRA adapter, or check that the one it has is the one asked for.

    Raises:
        ValueError: a target is not in the model, or it has another adapter.
    """
    backbone, adapter = embedder.backbone, embedder.backbone_adapter
    targets = lora_targets(adapter.blocks(backbone), settings.lora_targets)
    wanted = LoraConfig(
        r=settings.lora_rank,
        lora_alpha=settings.lora_alpha,  # pyright: ignore[reportArgumentType]
        lora_dropout=settings.lora_dropout,
        target_modules=targets_pattern(targets, adapter.language_name),
        use_dora=settings.dora,
        init_lora_weights="gaussian" if settings.lora_init == "gaussian" else True,
    )
    present = lora_config(backbone)
    if present is None:
        add_lora(backbone, wanted)
        return
    for name in ("r", "lora_alpha", "use_dora"):
        if getattr(present, name) != getattr(wanted, name):
            raise ValueError(
                f"The model's LoRA adapter has {name} = {getattr(present, name)!r}, the settings ask for "
                f"{getattr(wanted, name)!r}; use the adapter's, or merge it first."
            )
    adapted = {name for name, each in backbone.named_modules() if isinstance(each, LoraLayer)}
    asked = {name for name, _ in backbone.named_modules() if re.fullmatch(str(wanted.target_modules), name)}
    if adapted != asked:
        one = min(adapted ^ asked)
        raise ValueError(
            f"The model's LoRA adapter stands on {len(adapted)} layers, model.trainable.lora_targets asks for "
            f"{len(asked)}; {one} is {'only in the adapter' if one in adapted else 'not in the adapter'}. Use the "
            "adapter's targets, or merge it first."
        )


def lora_targets(blocks: nn.ModuleList, wanted: Sequence[str]) -> list[str]:
    """Get the names of the linear layers that get adapters: those wanted, or every one in the language model's blocks.

    Raises:
        ValueError: a name that is wanted is no linear layer of the blocks; the message lists what there is.
    """
    paths = [f".{name}" for name, each in blocks.named_modules() if isinstance(each, nn.Linear)]
    linear = [path.removesuffix(".base_layer").rpartition(".")[2] for path in paths if not is_lora(path)]
    unknown = [name for name in wanted if name not in linear]
    if unknown:
        raise ValueError(
            f"model.trainable.lora_targets has {unknown[0]!r}; the linear layers are {', '.join(sorted({*linear}))}."
        )
    return [*wanted] or [*dict.fromkeys(linear)]


def set_attention(embedder: Embedder, packing: Literal["auto", "never", "always"]) -> None:
    """Choose how an embedder attends, once it is on its device.

    "auto" packs with flash attention and on CPUs. Packed without flash attention, the language model attends by our
    own function; it must not be run over padded sequences after that.
    """
    adapter, backbone, cpu = embedder.backbone_adapter, embedder.backbone, embedder.device.type == "cpu"
    flash = attends_by_flash(adapter.language_model(backbone))
    embedder.packing = packing == "always" or (packing == "auto" and (flash or cpu))
    if embedder.packing:
        adapter.attend_packed(backbone)
    if cpu:
        attend_widened(embedder.backbone)


def merge_lora(embedder: Embedder) -> None:
    """Fold the LoRA adapter into the weights: an embedder like any other, saved whole.

    Raises:
        ValueError: there is no adapter.
    """
    if lora_config(embedder.backbone) is None:
        raise ValueError("The embedder has no LoRA adapter to merge.")
    merge_layers(embedder.backbone)
    embedder.base = None
