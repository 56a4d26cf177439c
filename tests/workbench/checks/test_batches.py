"""What checks are made on."""

import pytest
import torch

from workbench.checks.batches import batch_of, negatives_of, random_unit_vectors, scalar, untouched
from workbench.lessons.feedback import Wrong


def test_vectors_are_units_and_follow_the_seed():
    first, again, other = (random_unit_vectors(6, 4, seed) for seed in (3, 3, 4))
    torch.testing.assert_close(first.norm(dim=1), torch.ones(6, dtype=torch.float64))
    assert torch.equal(first, again)
    assert not torch.allclose(first, other)


def test_negatives_are_what_is_off_the_diagonal():
    values = torch.arange(9.0).reshape(3, 3)
    assert negatives_of(values).tolist() == [[1, 2], [3, 5], [6, 7]]


def test_no_two_items_of_a_batch_are_the_same():
    batch = batch_of(random_unit_vectors(3, 4, 0), random_unit_vectors(3, 4, 1))
    assert len({*batch.query_ids.tolist(), *batch.target_ids.tolist()}) == 6


def test_a_loss_is_one_number():
    assert scalar("loss", torch.tensor(1.0), 3) == 1.0
    with pytest.raises(Wrong, match="3 numbers"):
        scalar("loss", torch.ones(3), 3)
    with pytest.raises(Wrong, match="Python float"):
        scalar("loss", 1.0, 3)


def test_changes_in_place_are_found_and_stay_in_the_copy():
    given = torch.ones(2, 2)
    assert untouched(lambda x, k: k * x)(given, 3).sum() == 12
    with pytest.raises(Wrong, match="changes the tensor"):
        untouched(lambda x: x.detach().fill_diagonal_(0))(given)
    assert torch.equal(given, torch.ones(2, 2))


def test_gradients_pass_through_the_copies():
    free = torch.ones(2, requires_grad=True)
    (gradient,) = torch.autograd.grad(untouched(lambda x: (3 * x).sum())(free), free)
    assert gradient.tolist() == [3, 3]
