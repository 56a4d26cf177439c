"""What learners answer in lesson 4, and what the checks have to say of it."""

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import cross_entropy

from workbench.checks import lesson_04
from workbench.lessons.feedback import WrongAnswer

Matrix = Float[Tensor, "n n"]


def cross(logits: Matrix) -> Tensor:
    """Cross-entropy with the right answers on the diagonal."""
    return cross_entropy(logits, torch.arange(len(logits)))


def negatives(matrix: Matrix) -> Matrix:
    """The matrix with zeros on the diagonal."""
    return matrix - torch.diag(matrix.diagonal())


def not_detached(similarity: Matrix, reward: Matrix, alpha: float, tau: float) -> Tensor:
    """The reward is not detached."""
    return cross(similarity / tau + alpha * negatives(reward))


def similarity_detached_too(similarity: Matrix, reward: Matrix, alpha: float, tau: float) -> Tensor:
    """The negatives' similarity is detached in the logits too, so nothing pushes them away."""
    own = torch.diag(similarity.diagonal())
    return cross((own + negatives(similarity).detach()) / tau + alpha * negatives(reward.detach()))


def positive_detached(similarity: Matrix, reward: Matrix, alpha: float, tau: float) -> Tensor:
    """The right answer's similarity is detached, so nothing pulls it closer."""
    own = torch.diag(similarity.diagonal().detach())
    return cross((own + negatives(similarity)) / tau + alpha * negatives(reward.detach()))


def everything_detached(similarity: Matrix, reward: Matrix, alpha: float, tau: float) -> Tensor:
    """All is detached, so that there is no gradient."""
    return cross(similarity.detach() / tau + alpha * negatives(reward.detach()))


def after_temperature(similarity: Matrix, reward: Matrix, alpha: float, tau: float) -> Tensor:
    """alpha multiplies reward / tau in place of the reward."""
    return cross(similarity / tau + alpha * negatives(reward.detach()) / tau)


def positive_weighed_too(similarity: Matrix, reward: Matrix, alpha: float, tau: float) -> Tensor:
    """The right answers get a weight as well."""
    return cross(similarity / tau + alpha * reward.detach())


def own_reward(similarity: Matrix, reward: Matrix, alpha: float, tau: float) -> Tensor:
    """Whatever reward is given, the policy's similarities set the weights."""
    return cross(similarity / tau + alpha * negatives(similarity.detach()))


def as_with_the_stop(similarity: Matrix, alpha: float, tau: float) -> Matrix:
    """The gradient with the stop: the weights' part is missing."""
    logits = similarity / tau + alpha * negatives(similarity)
    return (torch.softmax(logits, dim=1) - torch.eye(len(similarity), dtype=similarity.dtype)) / (len(similarity) * tau)


def factor_everywhere(similarity: Matrix, alpha: float, tau: float) -> Matrix:
    """The right answers are multiplied by 1 + alpha tau too."""
    return (1 + alpha * tau) * as_with_the_stop(similarity, alpha, tau)


def factor_of_alpha(similarity: Matrix, alpha: float, tau: float) -> Matrix:
    """The factor is 1 + alpha, as if the gradient were measured in units of s."""
    gradient = as_with_the_stop(similarity, alpha, tau)
    return gradient + alpha * negatives(gradient)


def probabilities_of_infonce(similarity: Matrix, alpha: float, tau: float) -> Matrix:
    """The softmax is InfoNCE's, without weights."""
    gradient = as_with_the_stop(similarity, 0.0, tau)
    return gradient + alpha * tau * negatives(gradient)


def without_the_mean(similarity: Matrix, alpha: float, tau: float) -> Matrix:
    """The mean over the rows is forgotten."""
    gradient = as_with_the_stop(similarity, alpha, tau) * len(similarity)
    return gradient + alpha * tau * negatives(gradient)


def uphill(angles: Float[Tensor, " 3"], alpha: float, tau: float, stop: bool) -> Float[Tensor, " 3"]:
    """The gradient in place of the step down."""
    leaf = angles.clone().requires_grad_()
    similarity = torch.cos(leaf[1:] - leaf[0])
    reward = similarity.detach() if stop else similarity
    logits = similarity / tau + alpha * reward * torch.tensor([0.0, 1.0])
    return torch.autograd.grad(torch.logsumexp(logits, dim=0) - logits[0], leaf)[0]


def exchanged(angles: Float[Tensor, " 3"], alpha: float, tau: float, stop: bool) -> Float[Tensor, " 3"]:
    """stop=True is the case without the stop."""
    return -uphill(angles, alpha, tau, not stop)


def always_stopped(angles: Float[Tensor, " 3"], alpha: float, tau: float, stop: bool) -> Float[Tensor, " 3"]:
    """The argument `stop` is not looked at."""
    return -uphill(angles, alpha, tau, True)


def negative_stands_still(angles: Float[Tensor, " 3"], alpha: float, tau: float, stop: bool) -> Float[Tensor, " 3"]:
    """The negative's similarity is detached altogether."""
    leaf = angles.clone().requires_grad_()
    own, other = torch.cos(leaf[1:] - leaf[0])
    other = other.detach()
    logits = torch.stack([own / tau, other / tau + alpha * other])
    return -torch.autograd.grad(torch.logsumexp(logits, dim=0) - logits[0], leaf)[0]


def query_stands_still(angles: Float[Tensor, " 3"], alpha: float, tau: float, stop: bool) -> Float[Tensor, " 3"]:
    """The query's angle is a constant of the cosines."""
    return -uphill(angles, alpha, tau, stop) * torch.tensor([0.0, 1.0, 1.0])


def without_the_reward(angles: Float[Tensor, " 3"], alpha: float, tau: float, stop: bool) -> Float[Tensor, " 3"]:
    """The reward is left out: InfoNCE."""
    return -uphill(angles, 0.0, tau, stop)


def teacher_is_trained(
    queries: Matrix, targets: Matrix, teacher_queries: Matrix, teacher_targets: Matrix, alpha: float, tau: float
) -> Tensor:
    """The teacher's similarities are not detached."""
    return not_detached(queries @ targets.T, teacher_queries @ teacher_targets.T, alpha, tau)


def teacher_in_the_logits(
    queries: Matrix, targets: Matrix, teacher_queries: Matrix, teacher_targets: Matrix, alpha: float, tau: float
) -> Tensor:
    """The teacher's similarities take the policy's place in the logits."""
    similarity = teacher_queries @ teacher_targets.T
    return not_detached(similarity, similarity.detach(), alpha, tau)


def teacher_not_used(
    queries: Matrix, targets: Matrix, teacher_queries: Matrix, teacher_targets: Matrix, alpha: float, tau: float
) -> Tensor:
    """The policy is its own reward."""
    similarity = queries @ targets.T
    return not_detached(similarity, similarity.detach(), alpha, tau)


def teacher_after_temperature(
    queries: Matrix, targets: Matrix, teacher_queries: Matrix, teacher_targets: Matrix, alpha: float, tau: float
) -> Tensor:
    """The teacher's similarities are divided by the temperature."""
    return not_detached(queries @ targets.T, (teacher_queries @ teacher_targets.T).detach() / tau, alpha, tau)


def teacher_turned(
    queries: Matrix, targets: Matrix, teacher_queries: Matrix, teacher_targets: Matrix, alpha: float, tau: float
) -> Tensor:
    """The teacher's rows are targets and its columns queries."""
    return not_detached(queries @ targets.T, (teacher_targets @ teacher_queries.T).detach(), alpha, tau)


WRONG_ANSWERS = (
    WrongAnswer("4.1", lesson_04.weighted_loss, not_detached, "the reward is not detached"),
    WrongAnswer("4.1", lesson_04.weighted_loss, similarity_detached_too, "no gradient flows through the negatives"),
    WrongAnswer("4.1", lesson_04.weighted_loss, positive_detached, "no gradient flows through the right answers"),
    WrongAnswer("4.1", lesson_04.weighted_loss, everything_detached, "no gradient at all"),
    WrongAnswer("4.1", lesson_04.weighted_loss, after_temperature, "applied after the temperature"),
    WrongAnswer("4.1", lesson_04.weighted_loss, positive_weighed_too, "the right answers are weighed too"),
    WrongAnswer("4.1", lesson_04.weighted_loss, own_reward, "the reward is not used"),
    WrongAnswer("4.2", lesson_04.gradient_without_stop, as_with_the_stop, "the gradient with the stop"),
    WrongAnswer("4.2", lesson_04.gradient_without_stop, factor_everywhere, "the right answers are multiplied too"),
    WrongAnswer("4.2", lesson_04.gradient_without_stop, factor_of_alpha, "the factor is not 1 + alpha:"),
    WrongAnswer("4.2", lesson_04.gradient_without_stop, probabilities_of_infonce, "the probabilities are InfoNCE's"),
    WrongAnswer("4.2", lesson_04.gradient_without_stop, without_the_mean, "the mean over the rows is missing"),
    WrongAnswer("4.3", lesson_04.speeds, uphill, "point uphill"),
    WrongAnswer("4.3", lesson_04.speeds, exchanged, "the two cases are exchanged"),
    WrongAnswer("4.3", lesson_04.speeds, always_stopped, "`stop` is not used"),
    WrongAnswer("4.3", lesson_04.speeds, negative_stands_still, "nothing moves the negative"),
    WrongAnswer("4.3", lesson_04.speeds, query_stands_still, "the query stands still"),
    WrongAnswer("4.3", lesson_04.speeds, without_the_reward, "the reward is missing"),
    WrongAnswer("4.4", lesson_04.teacher_loss, teacher_is_trained, "flows into the teacher"),
    WrongAnswer("4.4", lesson_04.teacher_loss, teacher_in_the_logits, "in place of the policy's"),
    WrongAnswer("4.4", lesson_04.teacher_loss, teacher_not_used, "the teacher is not used"),
    WrongAnswer("4.4", lesson_04.teacher_loss, teacher_after_temperature, "applied after the temperature"),
    WrongAnswer("4.4", lesson_04.teacher_loss, teacher_turned, "rows and columns are exchanged"),
)
