"""LLaVE's loss as its authors published it, in our words: the baseline of `contrast.py`.

Both N x N logit matrices are built whole, each with its weights and their temporaries, and autograd goes back through
them. Written from a description of the code (papers.md 1.3, arXiv 2503.04812 section 3.3), without its gathering.
"""

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import cross_entropy


def published_loss(queries: Float[Tensor, "n d"], targets: Float[Tensor, "n d"], alpha: float, scale: float) -> Tensor:
    """The mean of both directions' weighted cross-entropies; scale is 1 / tau."""
    forth = one_direction(queries @ targets.T, alpha, scale)
    back = one_direction(targets @ queries.T, alpha, scale)
    return (forth + back) / 2


def one_direction(similarity: Float[Tensor, "n n"], alpha: float, scale: float) -> Tensor:
    """Row i's right column is i. The weight enters as log(exp(.)), as published."""
    labels = torch.arange(len(similarity), device=similarity.device)
    weights = torch.exp(alpha * similarity.detach())
    weights.scatter_(1, labels[:, None], 1.0)
    return cross_entropy(scale * similarity + torch.log(weights), labels)


def published_gradients(
    queries: Float[Tensor, "n d"], targets: Float[Tensor, "n d"], alpha: float, scale: float
) -> tuple[Tensor, Float[Tensor, "n d"], Float[Tensor, "n d"]]:
    """The loss and its gradients by autograd."""
    queries, targets = queries.detach().requires_grad_(), targets.detach().requires_grad_()
    loss = published_loss(queries, targets, alpha, scale)
    loss.backward()
    assert queries.grad is not None
    assert targets.grad is not None
    return loss.detach(), queries.grad, targets.grad
