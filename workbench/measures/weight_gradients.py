"""The gradients of a model's weights as one vector, and how like another's they are."""

import torch
from jaxtyping import Float
from torch import Tensor, nn


def taken_gradient(model: nn.Module) -> Float[Tensor, " weights"]:
    """Return the gradients of all weights that have one, behind one another in float64; the model's own are cleared.

    Raises:
        ValueError: no weight has a gradient.
    """
    found = [weight.grad.flatten().double() for weight in model.parameters() if weight.grad is not None]
    if not found:
        raise ValueError("No weight of the model has a gradient; call backward first.")
    model.zero_grad(set_to_none=True)
    return torch.cat(found)


def relative_error(found: Float[Tensor, " weights"], expected: Float[Tensor, " weights"]) -> float:
    """|found - expected| / |expected|."""
    return float((found - expected).norm() / expected.norm())


def agreement(found: Float[Tensor, " weights"], expected: Float[Tensor, " weights"]) -> tuple[float, float]:
    """Cosine of two gradients, and the length of the first as a share of the second's."""
    lengths = float(found.norm()), float(expected.norm())
    return float(found @ expected) / (lengths[0] * lengths[1]), lengths[0] / lengths[1]
