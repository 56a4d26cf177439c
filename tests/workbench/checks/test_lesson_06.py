"""The diary of lesson 6's encoder: it knows which of its graphs are alive, and what one pass gives."""

import pytest
import torch

from workbench.checks import lesson_06 as check
from workbench.lessons.feedback import Wrong


def test_the_tower_knows_its_living_graphs():
    tower, chunk = check.Tower(0), check.items(0)[:3]
    with torch.no_grad():
        tower(chunk)
    assert not tower.alive
    vectors = tower(chunk)
    assert tower.alive
    vectors.sum().backward()
    assert not tower.alive
    held = tower(chunk)
    del held
    assert not tower.alive
    assert tower.alive_at_calls == [False] * 3


@pytest.mark.parametrize("seed", range(3))
def test_the_trainers_gradient_is_autograds(seed):
    tower, chunks = check.Tower(seed), list(check.items(seed).split(5))
    vectors, gradient = check.vectors_and_gradient(tower, chunks)
    torch.testing.assert_close(check.Contrasted(tower)(vectors), gradient, rtol=1e-12, atol=1e-15)
    joined = torch.cat([tower(chunk) for chunk in chunks])
    joined.backward(gradient)
    torch.testing.assert_close(tower.gradient(), check.one_pass(tower, chunks), rtol=1e-12, atol=1e-15)


def test_a_replayed_step_is_bit_for_bit_the_trainers():
    tower, chunks = check.Tower(0, dropout=0.5), list(check.items(0).split(5))
    torch.manual_seed(3)
    expected = check.one_pass(tower, chunks)
    torch.manual_seed(3)
    torch.testing.assert_close(check.by_core(tower, chunks), expected, rtol=1e-12, atol=1e-15)


def test_absurd_answers_get_readable_messages():
    for answer, words in (
        (lambda encode, chunks, gradient_of: None, "no `return`"),
        (lambda encode, chunks, gradient_of: 3, "gave a int"),
        (lambda encode, chunks, gradient_of: gradient_of([encode(chunk) for chunk in chunks]), "takes one tensor"),
    ):
        with pytest.raises(Wrong, match=words):
            check.cached_gradients(answer)
    with pytest.raises(Wrong, match="No weight has a gradient"):
        check.push(lambda encode, chunks, gradients: None)
    with pytest.raises(Wrong, match="second pass is missing"):
        check.cached_step(lambda encode, chunks, gradient_of: None)


def test_an_untouched_stub_says_so():
    def stub(*given):
        raise NotImplementedError("Exercise 6.1")

    for each in (check.cached_gradients, check.push, check.cached_step):
        with pytest.raises(NotImplementedError):
            each(stub)
