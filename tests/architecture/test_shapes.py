"""The shapes written in core's signatures are really checked while the tests run."""

import jaxtyping
import pytest
import torch

from core.encoder.pooling import last_token


def test_a_wrong_shape_is_caught():
    hidden = torch.zeros(2, 5, 3)
    assert last_token(hidden, torch.ones(2, 5, dtype=torch.long)).shape == (2, 3)
    with pytest.raises(jaxtyping.TypeCheckError, match="attention_mask"):
        last_token(hidden, torch.ones(2, 4, dtype=torch.long))


def test_a_wrong_dtype_is_caught():
    with pytest.raises(jaxtyping.TypeCheckError, match="hidden"):
        last_token(torch.zeros(2, 5, 3, dtype=torch.long), torch.ones(2, 5, dtype=torch.long))
