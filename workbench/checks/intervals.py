"""Bootstrap intervals as the checks compute them, with enough samples to tell mistakes apart."""

import math
from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

RESAMPLES = 10_000
Interval = tuple[float, float]


def shown(ends: Interval) -> str:
    """Return an interval in words."""
    return f"{ends[0]:.3f} to {ends[1]:.3f}"


def standard_error(groups: Sequence[Tensor]) -> float:
    """Return of the mean of the groups' means, by the formula."""
    return math.sqrt(sum(float(each.var(correction=0)) / len(each) for each in groups)) / len(groups)


def distance(first: Interval, second: Interval) -> float:
    """Return the larger difference of two ends."""
    return max(abs(one - other) for one, other in zip(first, second, strict=True))


def resampled(groups: Sequence[Tensor], seed: int, draws: int | None = None) -> Float[Tensor, " resamples"]:
    """Return the means of the groups' means over samples of the queries; `draws` of each group are the mistake."""
    generator = torch.Generator().manual_seed(1000 + seed)
    sizes = [(RESAMPLES, draws or len(each)) for each in groups]
    drawn = [
        each[torch.randint(len(each), size, generator=generator)].mean(dim=1)
        for each, size in zip(groups, sizes, strict=True)
    ]
    return torch.stack(drawn).mean(dim=0)


def percentiles(values: Tensor, tail: float) -> Interval:
    """Return the ends that leave so much on either side."""
    low, high = torch.quantile(values, torch.tensor([tail, 1 - tail]).double()).tolist()
    return low, high


def redrawn_datasets(groups: Sequence[Tensor], seed: int) -> Float[Tensor, " resamples"]:
    """Return the means when data sets are drawn with replacement, the mistake."""
    generator = torch.Generator().manual_seed(2000 + seed)
    own = torch.stack([each.mean() for each in groups])
    return own[torch.randint(len(own), (RESAMPLES, len(own)), generator=generator)].mean(dim=1)
