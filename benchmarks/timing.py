"""Timing of rivals in one run: they take turns, so that what disturbs the machine disturbs them alike.

    round 0: A B C    round 1: C B A    round 2: A B C    ...

A ratio is taken within each round and its median reported with a bootstrap interval; a mean over the run of one
side, set against a mean over another run of the other, would measure the neighbours of the process.
"""

import gc
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch

RESAMPLES = 2000


@dataclass(frozen=True)
class Spread:
    """The middle of some values, and the quartiles below and above it."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> "Spread":
        """Median and quartiles.

        Raises:
            ValueError: no values.
        """
        if not values:
            raise ValueError("Spread.of needs at least one value.")
        low, median, high = np.quantile(np.asarray(values, dtype=float), (0.25, 0.5, 0.75)).tolist()
        return cls(median, low, high)


@dataclass(frozen=True)
class Ratio:
    """How many times one side takes another's time: the median over rounds, and a 95 % bootstrap interval of it."""

    median: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.median:.2f} [{self.low:.2f}, {self.high:.2f}]"


def ratio(theirs: Sequence[float], ours: Sequence[float]) -> Ratio:
    """theirs / ours, paired by round: above 1, ours is faster.

    Raises:
        ValueError: the sides have no rounds, or different numbers of them.
    """
    if len(theirs) != len(ours) or not ours:
        raise ValueError(f"A ratio pairs rounds, but there are {len(theirs)} of one side and {len(ours)} of the other.")
    paired = np.asarray(theirs, dtype=float) / np.asarray(ours, dtype=float)
    draws = np.random.default_rng(0).choice(paired, (RESAMPLES, len(paired)))
    low, high = np.quantile(np.median(draws, axis=1), (0.025, 0.975)).tolist()
    return Ratio(float(np.median(paired)), low, high)


def take_turns(sides: Mapping[str, Callable[[int], object]], rounds: int, warmup: int = 1) -> dict[str, list[float]]:
    """Seconds of each side in each round; every side is given the number of the round, warm-up rounds included.

    Work on a GPU is waited for. The order turns round from one round to the next.

    Raises:
        ValueError: fewer than one round.
    """
    if rounds < 1:
        raise ValueError(f"rounds = {rounds} is below 1.")
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    for number in range(warmup + rounds):
        names = list(sides) if number % 2 == 0 else list(sides)[::-1]
        for name in names:
            taken = timed(lambda name=name, number=number: sides[name](number))
            if number >= warmup:
                seconds[name].append(taken)
    return seconds


def timed(call: Callable[[], object]) -> float:
    """Seconds of one call; the garbage of earlier ones is collected first."""
    gc.collect()
    wait_for_device()
    started = time.perf_counter()
    call()
    wait_for_device()
    return time.perf_counter() - started


def wait_for_device() -> None:
    """Wait until the GPU, if there is one, has done what it was given."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()
