"""Every objective written a second time, one anchor at a time, as its paper prints it; autograd gives the gradient.

Independent of core: plain sums of exponentials in float64. `p` is the positive's similarity, `s` the negatives',
`rp` and `r` the reward's, `own` marks the anchor's own explicit negatives.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Anchor:
    p: Tensor
    s: Tensor
    rp: Tensor
    r: Tensor
    own: Tensor


def infonce(a: Anchor, tau: float) -> Tensor:
    return -torch.log(torch.exp(a.p / tau) / (torch.exp(a.p / tau) + torch.exp(a.s / tau).sum()))


def llave(a: Anchor, alpha: float, tau: float, explicit: bool = False) -> Tensor:
    weight = torch.exp(alpha * a.r.detach() * (a.own if explicit else 1))
    return -torch.log(torch.exp(a.p / tau) / (torch.exp(a.p / tau) + (weight * torch.exp(a.s / tau)).sum()))


def relative(a: Anchor, beta: float, tau: float) -> Tensor:
    weight = torch.exp(beta * (a.r - a.rp).detach())
    return -torch.log(torch.exp(a.p / tau) / (torch.exp(a.p / tau) + (weight * torch.exp(a.s / tau)).sum()))


def amplifier(a: Anchor, beta: float, tau: float) -> Tensor:
    """The value of InfoNCE with the gradient of sum_j sg((Pbar - I)_j / tau) s_j."""
    total = torch.exp(a.p / tau) + torch.exp(a.s / tau).sum()
    amplified = torch.exp(a.s / tau) / total * torch.exp(beta * (a.r - a.rp))
    g_negatives, g_positive = amplified.detach() / tau, (torch.exp(a.p / tau) / total - 1).detach() / tau
    surrogate = (g_negatives * a.s).sum() + g_positive * a.p
    return infonce(a, tau).detach() + surrogate - surrogate.detach()


def focal(a: Anchor, margin: float, tau: float) -> Tensor:
    own = torch.exp(a.p**2 / tau)
    return -torch.log(own / (own + torch.exp(a.s * (a.s + margin) / tau).sum()))


def siglip(a: Anchor, tau: float, bias: float) -> Tensor:
    right = -torch.log(torch.sigmoid(a.p / tau + bias))
    return right - torch.log(torch.sigmoid(-(a.s / tau + bias))).sum()


def debiased(a: Anchor, prior: float, tau: float) -> Tensor:
    return hard_debiased(a, 0.0, prior, tau)


def hard_debiased(a: Anchor, beta: float, prior: float, tau: float) -> Tensor:
    n, own = len(a.s), torch.exp(a.p / tau)
    weight = torch.exp(beta * a.s / tau)
    weight = weight / weight.mean() if n else weight
    mass = (weight * torch.exp(a.s / tau)).sum()
    floor = torch.tensor(n, dtype=torch.float64) * torch.exp(torch.tensor(-1 / tau, dtype=torch.float64))
    mass = torch.maximum((mass - prior * n * own) / (1 - prior), floor)
    return -torch.log(own / (own + mass))


def anchors(similarity: Tensor, reward: Tensor, negative: Tensor, own: Tensor | None = None) -> list[Anchor]:
    """Row i with its positive in column i and the negatives that the mask marks."""
    own = torch.zeros_like(negative) if own is None else own
    return [
        Anchor(similarity[i, i], similarity[i, negative[i]], reward[i, i], reward[i, negative[i]], own[i, negative[i]])
        for i in range(len(similarity))
    ]


def mean_loss(equation: Callable[[Anchor], Tensor], of: list[Anchor]) -> Tensor:
    return torch.stack([equation(each) for each in of]).mean()
