"""What checks say: every way to be wrong has words, and the right answer passes."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from IPython.core.interactiveshell import InteractiveShell

from workbench.lessons.feedback import Wrong, compare, right, same, tensor_like

EXPECTED = torch.tensor([[1.0, 2.0], [3.0, -4.0]], dtype=torch.float64)


def said(found, expected=EXPECTED, mistakes=None, **options):
    with pytest.raises(Wrong) as error:
        compare("loss", found, expected, mistakes or {}, **options)
    return str(error.value)


def test_the_right_values_pass_also_with_a_graph():
    compare("loss", EXPECTED.clone(), EXPECTED, {"never said": EXPECTED})
    compare("loss", EXPECTED.clone().requires_grad_(), EXPECTED, {})
    compare("loss", EXPECTED + 1e-9, EXPECTED, {})


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (None, "loss gave None: the function has no `return`."),
        (1.5, "loss gave a float; a tensor of shape [2, 2] is expected."),
        ([1, 2], "loss gave a list; a tensor of shape [2, 2] is expected."),
        (torch.zeros(2), "loss has shape [2]; [2, 2] is expected."),
        (EXPECTED * math.nan, "loss holds NaN (4 of 4 values)."),
    ],
)
def test_what_is_no_such_tensor_is_told(found, words):
    assert said(found) == words


def test_a_known_mistake_is_named_before_anything_else():
    mistakes = {"the sign is wrong": -EXPECTED, "it is doubled": 2 * EXPECTED, "another shape": torch.zeros(3)}
    assert said(2 * EXPECTED, mistakes=mistakes) == "it is doubled"
    assert said(-EXPECTED, mistakes=mistakes) == "the sign is wrong"


def test_a_known_mistake_is_recognised_in_float32():
    assert said(2 * EXPECTED.float() / 3, EXPECTED / 3, {"it is doubled": 2 * EXPECTED.float() / 3}) == "it is doubled"


def test_an_unknown_mistake_is_placed():
    found = EXPECTED.clone()
    found[1, 0] = 2.5
    found[0, 1] = 2.1
    assert said(found) == "loss differs from the right values, most at [1, 0]: 2.5 in place of 3."
    found[1, 1] = -math.inf
    assert said(found).endswith("most at [1, 1]: -inf in place of -4.")


def test_a_single_number_has_no_place():
    two = torch.tensor(2.0, dtype=torch.float64)
    assert said(torch.tensor(1.5), two) == "loss differs from the right values, 1.5 in place of 2."


def test_a_small_difference_is_told_by_its_size():
    assert said(EXPECTED + 4e-7).endswith(", a difference of 4e-07.")


def test_lower_precision_is_told_as_such():
    third = EXPECTED / 3
    words = said(third.float(), third)
    assert words.startswith("loss is right but for rounding: its dtype is torch.float32, not torch.float64")
    assert "bfloat16" in said(third.bfloat16(), third)
    assert "rounding" not in said(third.float() * 1.2, third)
    compare("loss", third.float(), third, {}, tolerance=1e-6)


def test_truths_and_counts_are_compared_too():
    truths, counts = torch.tensor([True, False]), torch.tensor([3, 4])
    compare("mask", truths, truths, {})
    compare("counts", counts, counts, {})
    assert said(~truths, truths, {"inverted": ~truths}) == "inverted"
    assert said(torch.tensor([3, 5]), counts).endswith("most at [1]: 5 in place of 4.")


def test_infinite_values_are_equal_to_themselves_only():
    infinite = torch.tensor([math.inf, -math.inf, 1.0])
    assert same(infinite, infinite)
    assert not same(infinite, -infinite)
    assert not same(torch.tensor([math.inf, 0.0, 1.0]), infinite)
    assert same(torch.empty(0), torch.empty(0))


@given(st.floats(1e-6, 1e6), st.floats(1.5, 100))
def test_equality_is_relative_to_the_largest_value(scale, times):
    expected = EXPECTED * scale
    assert same(expected + 0.9e-8 * 4 * scale, expected)
    assert not same(expected + times * 1e-8 * 4 * scale, expected)


def test_a_tensor_like_the_expected_is_given_back():
    found = torch.ones(2, 2)
    assert tensor_like("x", found, EXPECTED) is found


def test_right_says_number_and_finding(capsys):
    right("3.1", "Rows sum to 0.")
    assert capsys.readouterr().out == "Exercise 3.1: right. Rows sum to 0.\n"


def test_a_notebook_shows_the_message_alone(capsys):
    shell = InteractiveShell.instance()
    try:
        shell.run_cell("from workbench.lessons.feedback import Wrong\nraise Wrong('the axis is wrong')")
    finally:
        InteractiveShell.clear_instance()
    shown = capsys.readouterr()
    assert "Not yet: the axis is wrong" in shown.out + shown.err
    assert "Traceback" not in shown.out + shown.err


def test_a_mistake_of_another_shape_is_passed_over():
    """One that would broadcast to the answer's values, and one that fits nothing."""
    mistakes = {"a single number": torch.tensor([3.0]), "too long": torch.zeros(5)}
    with pytest.raises(Wrong, match="differs from the right values"):
        compare("x", torch.tensor([3.0, 3.0]), torch.tensor([1.0, 2.0]), mistakes)
