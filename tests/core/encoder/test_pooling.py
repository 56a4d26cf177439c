"""Reading the last attended token."""

import pytest
import torch

from core.encoder.pooling import last_places, unit


@pytest.mark.parametrize(("mask", "last"), [
    ([1, 1, 1, 1], 3), ([1, 1, 0, 0], 1), ([0, 0, 1, 1], 3), ([1, 0, 0, 0], 0), ([0, 1, 0, 0], 1), ([1, 0, 1, 0], 2),
])  # fmt: skip
def test_the_last_attended_token_is_read_on_either_side_of_the_padding(mask, last):
    assert last_places(torch.tensor([[1, 1, 1, 0], mask])).tolist() == [2, last]


def test_a_row_without_a_token_is_named():
    with pytest.raises(ValueError, match="row 1 attends to no token"):
        last_places(torch.tensor([[1, 0], [0, 0], [0, 0]]))


def test_rows_are_scaled_to_length_one_in_at_least_float32():
    vectors = torch.tensor([[3.0, 4.0], [0.0, -2.0]])
    assert torch.allclose(unit(vectors), torch.tensor([[0.6, 0.8], [0.0, -1.0]]))
    assert unit(vectors.bfloat16()).dtype == unit(vectors.half()).dtype == torch.float32
    assert unit(vectors.double()).dtype == torch.float64
    assert torch.equal(unit(torch.zeros(1, 2)), torch.zeros(1, 2))


def test_lengths_too_large_for_half_precision_do_not_overflow():
    torch.testing.assert_close(unit(torch.full((1, 4), 6e4, dtype=torch.float16)), torch.full((1, 4), 0.5))
