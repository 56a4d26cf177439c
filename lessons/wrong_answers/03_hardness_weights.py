"""What learners write in lesson 3, and what its checks have to say of it."""

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import cross_entropy

from workbench.checks import lesson_03 as check
from workbench.lessons.feedback import WrongAnswer

Similarities = Float[Tensor, "n n"]


def own(similarity: Similarities) -> Tensor:
    return torch.eye(len(similarity), dtype=torch.bool)


def offset_logits(similarity: Similarities, alpha: float, tau: float) -> Similarities:
    return similarity / tau + alpha * similarity.detach().masked_fill(own(similarity), 0)


def positive_weighted_too(similarity: Similarities, alpha: float) -> Similarities:
    """The positives on the diagonal are weighted like negatives."""
    return torch.exp(alpha * similarity.detach())


def positive_left_out(similarity: Similarities, alpha: float) -> Similarities:
    """The positives weigh 0 and drop out of the denominator."""
    return torch.exp(alpha * similarity.detach()).masked_fill(own(similarity), 0)


def mean_one(similarity: Similarities, alpha: float) -> Similarities:
    """Each row's weights are divided by their mean, as in HCL."""
    weights = torch.exp(alpha * similarity.detach()).masked_fill(own(similarity), 0)
    average = weights.sum(dim=1, keepdim=True) / (len(weights) - 1)
    return (weights / average).masked_fill(own(similarity), 1)


def logarithms(similarity: Similarities, alpha: float) -> Similarities:
    """The exponential is forgotten."""
    return (alpha * similarity.detach()).masked_fill(own(similarity), 0)


def alpha_by_logit(similarity: Similarities, alpha: float) -> Similarities:
    """alpha multiplies the logit s / tau instead of the cosine."""
    return torch.exp(alpha * similarity.detach() / 0.02).masked_fill(own(similarity), 1)


def not_detached(similarity: Similarities, alpha: float) -> Similarities:
    """The weights are not detached from the graph."""
    return torch.exp(alpha * similarity).masked_fill(own(similarity), 1)


def diagonal_in_place(similarity: Similarities, alpha: float) -> Similarities:
    """detach() shares memory, so filling the diagonal in place destroys the similarities."""
    return torch.exp(alpha * similarity.detach().fill_diagonal_(0))


def after_the_softmax(similarity: Similarities, alpha: float, tau: float) -> Tensor:
    """The weights multiply the probabilities, after the softmax."""
    weights = torch.exp(alpha * similarity.detach()).masked_fill(own(similarity), 1)
    return -torch.log((weights * torch.softmax(similarity / tau, dim=1)).diagonal()).mean()


def positive_has_the_offset(similarity: Similarities, alpha: float, tau: float) -> Tensor:
    """The offset stands on the diagonal too."""
    return cross_entropy(similarity / tau + alpha * similarity.detach(), torch.arange(len(similarity)))


def offset_by_tau(similarity: Similarities, alpha: float, tau: float) -> Tensor:
    """The offset is alpha s / tau."""
    offset = alpha * similarity.detach().masked_fill(own(similarity), 0)
    return cross_entropy((similarity + offset) / tau, torch.arange(len(similarity)))


def log_of_exp(similarity: Similarities, alpha: float, tau: float) -> Tensor:
    """log(exp(alpha s)), as in the published code: it overflows in float16."""
    offset = torch.log(torch.exp(alpha * similarity.detach())).masked_fill(own(similarity), 0)
    return cross_entropy(similarity / tau + offset, torch.arange(len(similarity)))


def open_exponentials(similarity: Similarities, alpha: float, tau: float) -> Tensor:
    """The paper's formula letter by letter: e^(s/tau) overflows in float32."""
    weights = torch.exp(alpha * similarity.detach()).masked_fill(own(similarity), 1)
    mass = weights * torch.exp(similarity / tau)
    return -torch.log(mass.diagonal() / mass.sum(dim=1)).mean()


def weight_not_detached(similarity: Similarities, alpha: float, tau: float) -> Tensor:
    """The value is right, but a gradient flows through the weight."""
    offset = alpha * similarity.masked_fill(own(similarity), 0)
    return cross_entropy(similarity / tau + offset, torch.arange(len(similarity)))


def weighted_logit(similarity: Similarities, alpha: float, tau: float) -> Tensor:
    """The weight multiplies the logit in place of its exponential."""
    weights = torch.exp(alpha * similarity.detach()).masked_fill(own(similarity), 1)
    return cross_entropy(weights * similarity / tau, torch.arange(len(similarity)))


def normalised_in_the_loss(similarity: Similarities, alpha: float, tau: float) -> Tensor:
    """The weights of a row are divided by their mean, as in HCL."""
    log_weight = torch.log(mean_one(similarity, alpha))
    return cross_entropy(similarity / tau + log_weight, torch.arange(len(similarity)))


def one_loss_a_query(similarity: Similarities, alpha: float, tau: float) -> Tensor:
    """The mean over the queries is missing."""
    return cross_entropy(
        offset_logits(similarity, alpha, tau), torch.arange(len(similarity)), reduction="none"
    )  # fmt: skip


def without_tau(similarity: Similarities, alpha: float, tau: float) -> Similarities:
    """The slope 1/tau of the logits is forgotten."""
    p = torch.softmax(offset_logits(similarity, alpha, tau), dim=1)
    return (p - torch.eye(len(p))) / len(p)


def without_mean(similarity: Similarities, alpha: float, tau: float) -> Similarities:
    """The 1/N of the mean is forgotten."""
    p = torch.softmax(offset_logits(similarity, alpha, tau), dim=1)
    return (p - torch.eye(len(p))) / tau


def without_identity(similarity: Similarities, alpha: float, tau: float) -> Similarities:
    """The -1 of the positive is forgotten."""
    p = torch.softmax(offset_logits(similarity, alpha, tau), dim=1)
    return p / (len(p) * tau)


def weights_after_normalising(similarity: Similarities, alpha: float, tau: float) -> Similarities:
    """InfoNCE's probabilities times the weights, without a new normalisation."""
    weights = torch.exp(alpha * similarity).masked_fill(own(similarity), 1)
    p = weights * torch.softmax(similarity / tau, dim=1)
    return (p - torch.eye(len(p))) / (len(p) * tau)


def through_the_weight(similarity: Similarities, alpha: float, tau: float) -> Similarities:
    """The weight is differentiated like everything else."""
    p = torch.softmax(offset_logits(similarity, alpha, tau), dim=1)
    slope = torch.where(own(p), 1 / tau, 1 / tau + alpha)
    return slope * (p - torch.eye(len(p))) / len(p)


def unweighted_gradient(similarity: Similarities, alpha: float, tau: float) -> Similarities:
    """Lesson 1's gradient: the offset is forgotten."""
    p = torch.softmax(similarity / tau, dim=1)
    return (p - torch.eye(len(p))) / (len(p) * tau)


def added_margin(negative: Float[Tensor, " k"], alpha: float, tau: float) -> Float[Tensor, " k"]:
    """The margin is added instead of multiplied."""
    return negative + alpha * tau


def tau_forgotten(negative: Float[Tensor, " k"], alpha: float, tau: float) -> Float[Tensor, " k"]:
    """tau is lost when the equation is multiplied by it."""
    return (1 + alpha) * negative


def the_other_way_round(negative: Float[Tensor, " k"], alpha: float, tau: float) -> Float[Tensor, " k"]:
    """The negative that ties with a given positive."""
    return negative / (1 + alpha * tau)


def no_margin(negative: Float[Tensor, " k"], alpha: float, tau: float) -> Float[Tensor, " k"]:
    """Equal cosines are taken for a tie, as in InfoNCE."""
    return negative


def cut_off(negative: Float[Tensor, " k"], alpha: float, tau: float) -> Float[Tensor, " k"]:
    """Held inside the range of a cosine."""
    return (negative * (1 + alpha * tau)).clamp(-1, 1)


WRONG_ANSWERS: tuple[WrongAnswer, ...] = (
    WrongAnswer("3.1", check.hardness_weights, positive_weighted_too, "positives on the diagonal are weighted too"),
    WrongAnswer("3.1", check.hardness_weights, positive_left_out, "weigh 0"),
    WrongAnswer("3.1", check.hardness_weights, mean_one, "divided by their mean"),
    WrongAnswer("3.1", check.hardness_weights, logarithms, "logarithms of the weights"),
    WrongAnswer("3.1", check.hardness_weights, alpha_by_logit, "alpha multiplies s / tau"),
    WrongAnswer("3.1", check.hardness_weights, not_detached, "not detached"),
    WrongAnswer("3.1", check.hardness_weights, diagonal_in_place, "changes the tensor it was given"),
    WrongAnswer("3.2", check.hardness_loss, after_the_softmax, "after the softmax"),
    WrongAnswer("3.2", check.hardness_loss, positive_has_the_offset, "the positive's logit has the offset too"),
    WrongAnswer("3.2", check.hardness_loss, offset_by_tau, "alpha is divided by tau"),
    WrongAnswer("3.2", check.hardness_loss, log_of_exp, "float16 ends at 65504"),
    WrongAnswer("3.2", check.hardness_loss, open_exponentials, "float32 at tau = 0.01"),
    WrongAnswer("3.2", check.hardness_loss, weight_not_detached, "1.18 times too large"),
    WrongAnswer("3.2", check.hardness_loss, weighted_logit, "multiplies the logit"),
    WrongAnswer("3.2", check.hardness_loss, normalised_in_the_loss, "divided by their mean"),
    WrongAnswer("3.2", check.hardness_loss, one_loss_a_query, "one a query"),
    WrongAnswer("3.3", check.hardness_gradient, without_tau, "1/tau is missing"),
    WrongAnswer("3.3", check.hardness_gradient, without_mean, "1/N is missing"),
    WrongAnswer("3.3", check.hardness_gradient, without_identity, "the identity is missing"),
    WrongAnswer("3.3", check.hardness_gradient, weights_after_normalising, "not normalised again"),
    WrongAnswer("3.3", check.hardness_gradient, through_the_weight, "1 + alpha tau times too large"),
    WrongAnswer("3.3", check.hardness_gradient, unweighted_gradient, "without weights"),
    WrongAnswer("3.4", check.tie, added_margin, "margin is added"),
    WrongAnswer("3.4", check.tie, tau_forgotten, "tau is missing"),
    WrongAnswer("3.4", check.tie, the_other_way_round, "the other way round"),
    WrongAnswer("3.4", check.tie, no_margin, "equal cosines tie only"),
    WrongAnswer("3.4", check.tie, cut_off, "cut off at 1"),
)
