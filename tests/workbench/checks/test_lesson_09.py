"""What the checks of lesson 9 say of answers that are no numbers at all, and that they leave a learner's stub alone."""

import pytest
import torch
from torch.nn.functional import normalize

from workbench.checks import lesson_09
from workbench.lessons.feedback import Wrong

CHECKS = (lesson_09.remove_gap, lesson_09.k_occurrence, lesson_09.effective_rank, lesson_09.neighbours_kept)


@pytest.mark.parametrize("check", CHECKS)
def test_a_stub_passes_through(check):
    def stub(*_):
        raise NotImplementedError("Exercise 9.1")

    with pytest.raises(NotImplementedError, match=r"Exercise 9\.1"):
        check(stub)


@pytest.mark.parametrize("check", CHECKS)
@pytest.mark.parametrize("answer", [None, "many", 3.5, torch.zeros(2, 3), torch.full((4,), torch.nan)])
def test_absurd_answers_get_a_readable_message(check, answer):
    with pytest.raises(Wrong, match=r"gave|shape|NaN|counts for"):
        check(lambda *_: answer)


def test_vectors_that_are_changed_in_place_are_told():
    def in_place(first, second):
        gap = first.mean(dim=0) - second.mean(dim=0)
        first -= gap / 2
        second += gap / 2
        return gap.norm(), normalize(first, dim=1), normalize(second, dim=1)

    with pytest.raises(Wrong, match="changes the vectors"):
        lesson_09.remove_gap(in_place)


def test_two_shells_have_a_gap_and_follow_the_seed():
    first, second = lesson_09.two_shells(3, 30, 20)
    assert (len(first), len(second)) == (30, 20)
    assert float((first.mean(dim=0) - second.mean(dim=0)).norm()) > 0.4
    assert not torch.equal(first, lesson_09.two_shells(4, 30, 20)[0])


def test_vectors_with_a_spectrum_have_it():
    spectrum = torch.tensor([3.0, 2.0, 0.5], dtype=torch.float64)
    assert torch.allclose(torch.linalg.svdvals(lesson_09.with_spectrum(spectrum, 0, 9)), spectrum)
