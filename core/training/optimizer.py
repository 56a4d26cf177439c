"""AdamW, and the learning rate's schedule."""

import math
from collections.abc import Callable, Mapping

import torch
from torch import nn

from core.config.settings import OptimizerSettings
from core.parallel.fsdp import is_part


def adamw(model: nn.Module, settings: OptimizerSettings) -> torch.optim.AdamW:
    """AdamW over the trainable weights; only matrices decay, as is usual (biases and norms do not)."""
    trained = [weight for weight in model.parameters() if weight.requires_grad]
    matrices = [weight for weight in trained if weight.dim() >= 2]
    vectors = [weight for weight in trained if weight.dim() < 2]
    # torch batches the weights of a group, but not sharded ones with whole ones.
    groups = [
        {"params": [weight for weight in weights if is_part(weight) == part], "weight_decay": decay}
        for weights, decay in ((matrices, settings.weight_decay), (vectors, 0.0))
        for part in sorted({is_part(weight) for weight in weights})
    ]
    return torch.optim.AdamW(groups, lr=settings.learning_rate, betas=(settings.beta1, settings.beta2))


def learning_rate(settings: OptimizerSettings, step: int, steps: int) -> float:
    """Compute the rate of a step, counted from 0: a linear rise over the warm-up, then a decay to `final`."""
    warmup = settings.warmup * steps if settings.warmup_steps is None else settings.warmup_steps
    if step < warmup:
        return settings.learning_rate * (step + 1) / (warmup + 1)
    progress = min(1.0, (step - warmup) / max(1.0, steps - 1 - warmup))
    return settings.learning_rate * (settings.final + (1 - settings.final) * DECAY[settings.schedule](progress))


DECAY: Mapping[str, Callable[[float], float]] = {
    "cosine": lambda progress: (1 + math.cos(math.pi * progress)) / 2,
    "linear": lambda progress: 1 - progress,
    "constant": lambda progress: 1.0,
}
"""What is left of the way from the peak down to `final`, by the share of the steps after the warm-up that is done."""


def set_learning_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """Use one rate for every weight."""
    for group in optimizer.param_groups:
        group["lr"] = rate
