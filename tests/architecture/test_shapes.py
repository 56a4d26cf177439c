"""The shapes written in core's signatures are really checked while the tests run."""

import jaxtyping
import pytest
import torch

from core.objectives.filters import like_own_target


def test_a_wrong_shape_is_caught():
    assert like_own_target(torch.zeros(2, 3), torch.zeros(5, 3), 0.5).shape == (2, 5)
    with pytest.raises(jaxtyping.TypeCheckError, match="targets"):
        like_own_target(torch.zeros(2, 3), torch.zeros(5, 4), 0.5)


def test_a_wrong_dtype_is_caught():
    with pytest.raises(jaxtyping.TypeCheckError, match="own"):
        like_own_target(torch.zeros(2, 3, dtype=torch.long), torch.zeros(5, 3), 0.5)
