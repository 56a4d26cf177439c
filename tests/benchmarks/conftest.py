"""Benchmarks flush denormal numbers as the trainer does, for the whole process; other tests must not find it so."""

from collections.abc import Iterator

import pytest
import torch


@pytest.fixture(autouse=True)
def denormals_as_they_were() -> Iterator[None]:
    yield
    torch.set_flush_denormal(False)
