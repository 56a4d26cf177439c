"""Gradients as one vector, compared."""

import pytest
import torch
from torch import nn

from workbench.measures.weight_gradients import agreement, relative_error, taken_gradient


def test_taken_gradient_takes():
    layer = nn.Linear(2, 1)
    layer(torch.tensor([[3.0, 5.0]])).sum().backward()
    found = taken_gradient(layer)
    assert found.tolist() == [3.0, 5.0, 1.0]
    assert found.dtype == torch.float64
    assert layer.weight.grad is None
    with pytest.raises(ValueError, match="call backward first"):
        taken_gradient(layer)


def test_agreement_and_error():
    one, other = torch.tensor([3.0, 4.0]).double(), torch.tensor([4.0, -3.0]).double()
    assert agreement(one, one) == pytest.approx((1, 1))
    assert agreement(2 * one, one) == pytest.approx((1, 2))
    assert agreement(one, other) == pytest.approx((0, 1))
    assert relative_error(one, other) == pytest.approx(2**0.5)
    assert relative_error(3 * one, one) == pytest.approx(2)
