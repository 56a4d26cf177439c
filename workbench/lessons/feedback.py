"""What a check says: right, or which mistake the answer looks like."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

TOLERANCE = 1e-8
"""Largest difference, relative to the largest right value, of float64 answers that are called equal."""

ROUNDED = 1e-2
"""Largest relative difference that a lower precision than float64 is held responsible for."""


class Wrong(AssertionError):
    """The answer to an exercise is wrong; the message names the likely mistake."""

    def _render_traceback_(self) -> list[str]:
        """Say what a notebook shows: the message alone, since the check's own frames would not help a learner."""
        return [f"Not yet: {self}"]


@dataclass(frozen=True)
class WrongAnswer:
    """An answer that learners give, and what its check has to say of it.

    exercise: such as "3.1". check: the check function. answer: what the learner would pass to it; its docstring says
    what the mistake is, and its source is shown to instructors. message: words that the check's message must hold.
    """

    exercise: str
    check: Callable[..., None]
    answer: Callable[..., Any]
    message: str


def right(exercise: str, found: str) -> None:
    """Tell the learner that an exercise is solved, and what the check has shown."""
    print(f"Exercise {exercise}: right. {found}")


def tensor_like(name: str, found: object, expected: Tensor) -> Tensor:
    """Return the learner's result, once it is a tensor of the right shape without NaN.

    Raises:
        Wrong: it is nothing, no tensor, of another shape, or has values that are not numbers.
    """
    if found is None:
        raise Wrong(f"{name} gave None: the function has no `return`.")
    if not isinstance(found, Tensor):
        raise Wrong(f"{name} gave a {type(found).__name__}; a tensor of shape {list(expected.shape)} is expected.")
    if found.shape != expected.shape:
        raise Wrong(f"{name} has shape {list(found.shape)}; {list(expected.shape)} is expected.")
    if bool(torch.isnan(found).any()):
        raise Wrong(f"{name} holds NaN ({int(torch.isnan(found).sum())} of {found.numel()} values).")
    return found


def same(found: Tensor, expected: Tensor, tolerance: float = TOLERANCE) -> bool:
    """Tell whether two tensors of one shape are equal up to `tolerance` times the largest expected value."""
    found, expected = found.double(), expected.double()
    if not bool((torch.isfinite(found) == torch.isfinite(expected)).all()):
        return False
    finite = torch.isfinite(expected)
    if not bool((found[~finite] == expected[~finite]).all()):
        return False
    scale = max(float(expected[finite].abs().amax()) if bool(finite.any()) else 0.0, 1e-30)
    return not bool(((found - expected)[finite].abs() > tolerance * scale).any())


def compare(
    name: str,
    found: object,
    expected: Float[Tensor, "*shape"],
    mistakes: Mapping[str, Tensor],
    tolerance: float = TOLERANCE,
) -> None:
    """Accept what equals the right values; otherwise name the mistake whose values it has.

    name: what is compared, as the learner calls it. mistakes: from the message to the values that the mistake gives.

    Raises:
        Wrong: the values differ; the message is the mistake's, or says where the first large difference is.
    """
    answer = tensor_like(name, found, expected).detach()
    values, right_values = answer.double(), expected.detach().double()
    if same(values, right_values, tolerance):
        return
    for message, wrong in mistakes.items():
        if wrong.shape == values.shape and same(values, wrong.detach(), tolerance):
            raise Wrong(message)
    if answer.is_floating_point() and answer.dtype != expected.dtype and same(values, right_values, ROUNDED):
        raise Wrong(
            f"{name} is right but for rounding: its dtype is {answer.dtype}, not {expected.dtype} as the input's. Make "
            "new tensors like the input (torch.zeros_like, x.new_zeros, dtype=x.dtype); no .float() and no .half()."
        )
    raise Wrong(f"{name} differs from the right values, {largest_difference(values, right_values)}.")


def largest_difference(values: Float[Tensor, "*shape"], expected: Float[Tensor, "*shape"]) -> str:
    """Say where two tensors differ most, and how; a small difference is told by its size."""
    worst = int((values - expected).abs().nan_to_num(torch.inf).argmax())
    place = [int(each) for each in torch.unravel_index(torch.tensor(worst), expected.shape)]
    found, right_value = float(values.flatten()[worst]), float(expected.flatten()[worst])
    told = f"{found:.6g} in place of {right_value:.6g}"
    where = f"most at {place}: {told}" if place else told
    return where if f"{found:.6g}" != f"{right_value:.6g}" else f"{where}, a difference of {found - right_value:.2g}"
