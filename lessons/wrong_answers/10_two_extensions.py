"""Wrong answers to lesson 10 that learners give, each with what its check has to say of it."""

import math
from typing import Any, TypeAlias

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from workbench.checks import lesson_10
from workbench.lessons.feedback import WrongAnswer

Context: TypeAlias = Any  # what torch hands from forward to backward


def relative_to_the_column(similarity: Tensor, beta: float, temperature: float) -> Tensor:
    """`similarity.diagonal()` without a second axis: each negative is compared with the positive of its column."""
    p = torch.softmax(similarity / temperature, dim=1)
    return p * torch.exp(beta * (similarity - similarity.diagonal()))


def absolute_hardness(similarity: Tensor, beta: float, temperature: float) -> Tensor:
    """Absolute in place of relative hardness: LLaVE's weight, not EGA's."""
    p = torch.softmax(similarity / temperature, dim=1)
    own = torch.eye(len(similarity), dtype=torch.bool)
    return p * torch.exp(beta * similarity).masked_fill(own, 1)


def positive_amplified(similarity: Tensor, beta: float, temperature: float) -> Tensor:
    """The positive is amplified with its negatives."""
    return torch.softmax(similarity / temperature, dim=1) * torch.exp(beta * similarity)


def renormalised(similarity: Tensor, beta: float, temperature: float) -> Tensor:
    """The rows are normalised again after the amplification."""
    p = torch.softmax(similarity / temperature, dim=1)
    amplified = p * torch.exp(beta * (similarity - similarity.diagonal()[:, None]))
    return amplified / amplified.sum(dim=1, keepdim=True)


def hardness_over_temperature(similarity: Tensor, beta: float, temperature: float) -> Tensor:
    """The hardness is measured on logits, s / tau, in place of cosines."""
    logits = similarity / temperature
    return torch.softmax(logits, dim=1) * torch.exp(beta * (logits - logits.diagonal()[:, None]))


def right_probabilities(similarity: Tensor, beta: float, temperature: float) -> Tensor:
    """Pbar, for the wrong losses below."""
    p = torch.softmax(similarity / temperature, dim=1)
    return p * torch.exp(beta * (similarity - similarity.diagonal()[:, None]))


def infonce(similarity: Tensor, temperature: float) -> Tensor:
    """The loss of lesson 1, for the wrong losses below."""
    return cross_entropy(similarity / temperature, torch.arange(len(similarity)))


def with_gradient(value: Tensor, similarity: Tensor, gradient: Tensor) -> Tensor:
    """A number with the value of one thing and the gradient of another, for the wrong losses below."""
    surrogate = (gradient * similarity).sum()
    return value.detach() + surrogate - surrogate.detach()


def amplified_value(similarity: Tensor, beta: float, temperature: float) -> Tensor:
    """The amplification is put into the loss itself, as an offset of the logits."""
    offset = beta * (similarity - similarity.diagonal()[:, None]).detach()
    return cross_entropy(similarity / temperature + offset, torch.arange(len(similarity)))


def bare_surrogate(similarity: Tensor, beta: float, temperature: float) -> Tensor:
    """The surrogate alone: its gradient is right and its value means nothing."""
    n = len(similarity)
    gradient = (right_probabilities(similarity, beta, temperature) - torch.eye(n)) / (n * temperature)
    return (gradient.detach() * similarity).sum()


def without_one_over_n(similarity: Tensor, beta: float, temperature: float) -> Tensor:
    """The gradient of the sum over queries, though the loss is their mean."""
    gradient = (right_probabilities(similarity, beta, temperature) - torch.eye(len(similarity))) / temperature
    return with_gradient(infonce(similarity, temperature), similarity, gradient.detach())


def without_the_identity(similarity: Tensor, beta: float, temperature: float) -> Tensor:
    """The identity is forgotten: nothing pulls the positives together."""
    gradient = right_probabilities(similarity, beta, temperature) / (len(similarity) * temperature)
    return with_gradient(infonce(similarity, temperature), similarity, gradient.detach())


def through_the_weights(similarity: Tensor, beta: float, temperature: float) -> Tensor:
    """Pbar is not detached, so a gradient flows through it as well."""
    n = len(similarity)
    gradient = (right_probabilities(similarity, beta, temperature) - torch.eye(n)) / (n * temperature)
    return with_gradient(infonce(similarity, temperature), similarity, gradient)


class Deaf(torch.autograd.Function):
    """A backward pass that does not listen to what comes after the loss."""

    @staticmethod
    def forward(ctx: Context, similarity: Tensor, beta: float, temperature: float) -> Tensor:
        ctx.save_for_backward(similarity)
        ctx.beta, ctx.temperature = beta, temperature
        return infonce(similarity, temperature)

    @staticmethod
    def backward(ctx: Context, *grad_outputs: Tensor) -> tuple[Tensor, None, None]:
        (similarity,) = ctx.saved_tensors
        n = len(similarity)
        return (
            (right_probabilities(similarity, ctx.beta, ctx.temperature) - torch.eye(n)) / (n * ctx.temperature),
            None,
            None,
        )


def ignores_grad_output(similarity: Tensor, beta: float, temperature: float) -> Tensor:
    """`backward` returns its matrix without multiplying it by grad_output."""
    return Deaf.apply(similarity, beta, temperature)  # pyright: ignore[reportReturnType]


def first_frames(total: int, wanted: int) -> list[int]:
    """The first frames of the clip."""
    return list(range(min(wanted, total)))


def beyond_the_end(total: int, wanted: int) -> list[int]:
    """np.linspace up to `total`, which is one beyond the last frame."""
    return list(range(total)) if total <= wanted else [int(each) for each in np.linspace(0, total, wanted)]


def duplicates(total: int, wanted: int) -> list[int]:
    """A short clip is not treated apart: its frames come several times."""
    return [int(each) for each in np.linspace(0, total - 1, wanted)]


def reversed_frames(total: int, wanted: int) -> list[int]:
    """From the last frame to the first."""
    return (
        list(range(total))[::-1] if total <= wanted else [int(each) for each in np.linspace(0, total - 1, wanted)][::-1]
    )


def every_kth(total: int, wanted: int) -> list[int]:
    """Every (total / wanted)-th frame, which never reaches the end of the clip."""
    return list(range(total)) if total <= wanted else [place * total // wanted for place in range(wanted)]


def no_pooling(budget: int, side: int, others: int) -> int:
    """Every patch of a frame is counted, though frames are pooled 2 x 2."""
    return max(0, (budget - others - 1) // side**2)


def rounded_down(budget: int, side: int, others: int) -> int:
    """An odd side is rounded down when it is halved."""
    return max(0, (budget - others - 1) // (side // 2) ** 2)


def no_newline(budget: int, side: int, others: int) -> int:
    """The newline that ends the clip is forgotten."""
    return max(0, (budget - others) // math.ceil(side / 2) ** 2)


def newline_a_frame(budget: int, side: int, others: int) -> int:
    """Every frame gets a newline, as every still picture does."""
    return max(0, (budget - others) // (math.ceil(side / 2) ** 2 + 1))


def negative_frames(budget: int, side: int, others: int) -> int:
    """Where nothing fits, the formula says less than none."""
    return (budget - others - 1) // math.ceil(side / 2) ** 2


def without_exp(similarity: Tensor, beta: float, temperature: float) -> Tensor:
    """The factor is a line in place of the exponential."""
    distance = similarity - similarity.diagonal()[:, None]
    return torch.softmax(similarity / temperature, dim=1) * (1 + beta * distance)


def amplified_only(similarity: Tensor, beta: float, temperature: float) -> Tensor:
    """Negatives below the positive keep their p."""
    distance = (similarity - similarity.diagonal()[:, None]).clamp(min=0)
    return torch.softmax(similarity / temperature, dim=1) * torch.exp(beta * distance)


WRONG_ANSWERS = (
    WrongAnswer("10.1", lesson_10.amplified_probabilities, relative_to_the_column, "positive of the column's query"),
    WrongAnswer("10.1", lesson_10.amplified_probabilities, absolute_hardness, "hardness is absolute here"),
    WrongAnswer("10.1", lesson_10.amplified_probabilities, positive_amplified, "on the diagonal is amplified too"),
    WrongAnswer("10.1", lesson_10.amplified_probabilities, renormalised, "normalised again"),
    WrongAnswer("10.1", lesson_10.amplified_probabilities, hardness_over_temperature, "divided by the temperature"),
    WrongAnswer("10.1", lesson_10.amplified_probabilities, without_exp, "Take .exp()"),
    WrongAnswer("10.1", lesson_10.amplified_probabilities, amplified_only, "leave out the clamp"),
    WrongAnswer("10.2", lesson_10.amplified_infonce, amplified_value, "with p and not Pbar"),
    WrongAnswer("10.2", lesson_10.amplified_infonce, bare_surrogate, "surrogate's own value means nothing"),
    WrongAnswer("10.2", lesson_10.amplified_infonce, without_one_over_n, "so divide by N"),
    WrongAnswer("10.2", lesson_10.amplified_infonce, without_the_identity, "the identity is missing"),
    WrongAnswer("10.2", lesson_10.amplified_infonce, through_the_weights, "flows through Pbar as well"),
    WrongAnswer("10.2", lesson_10.amplified_infonce, ignores_grad_output, "not for 3 * loss"),
    WrongAnswer("10.3", lesson_10.frame_positions, first_frames, "these are the first frames"),
    WrongAnswer("10.3", lesson_10.frame_positions, beyond_the_end, "one too far"),
    WrongAnswer("10.3", lesson_10.frame_positions, duplicates, "some frames come twice"),
    WrongAnswer("10.3", lesson_10.frame_positions, reversed_frames, "the order of time is reversed"),
    WrongAnswer("10.3", lesson_10.frame_positions, every_kth, "the last frame is left out"),
    WrongAnswer("10.4", lesson_10.frames_that_fit, no_pooling, "every patch is counted"),
    WrongAnswer("10.4", lesson_10.frames_that_fit, rounded_down, "rounded up when it is halved"),
    WrongAnswer("10.4", lesson_10.frames_that_fit, no_newline, "ends the clip is not counted"),
    WrongAnswer("10.4", lesson_10.frames_that_fit, newline_a_frame, "each frame gets its own newline"),
    WrongAnswer("10.4", lesson_10.frames_that_fit, negative_frames, "fewer than no frames"),
)
