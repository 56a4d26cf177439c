"""What learners write in lesson 1, and what its checks have to say of it."""

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import cross_entropy, normalize

from workbench.checks import lesson_01 as check
from workbench.lessons.feedback import WrongAnswer

Similarities = Float[Tensor, "n n"]
Vectors = Float[Tensor, "n d"]


def dot_products(queries: Vectors, targets: Vectors) -> Tensor:
    """The vectors are not normalised."""
    return queries @ targets.T


def normalised_over_the_batch(queries: Vectors, targets: Vectors) -> Tensor:
    """Each coordinate is normalised over the batch (dim=0)."""
    return normalize(queries, dim=0) @ normalize(targets, dim=0).T


def one_side_normalised(queries: Vectors, targets: Vectors) -> Tensor:
    """The targets keep their lengths."""
    return normalize(queries, dim=1) @ targets.T


def transposed(queries: Vectors, targets: Vectors) -> Tensor:
    """Rows are targets."""
    return normalize(targets, dim=1) @ normalize(queries, dim=1).T


def over_columns(similarity: Similarities, tau: float) -> Tensor:
    """The softmax runs over the wrong axis."""
    logits = similarity / tau
    return (torch.logsumexp(logits, dim=0) - logits.diagonal()).mean()


def tau_multiplied(similarity: Similarities, tau: float) -> Tensor:
    """Similarities are multiplied by tau."""
    logits = similarity * tau
    return (torch.logsumexp(logits, dim=1) - logits.diagonal()).mean()


def mean_of_exponentials(similarity: Similarities, tau: float) -> Tensor:
    """The denominator is the mean of the exponentials."""
    logits = similarity / tau
    return -torch.log(torch.exp(logits).diagonal() / torch.exp(logits).mean(dim=1)).mean()


def exponentials_in_the_open(similarity: Similarities, tau: float) -> Tensor:
    """The formula letter by letter: e^(s/tau) overflows in float32."""
    exponentials = torch.exp(similarity / tau)
    return -torch.log(exponentials.diagonal() / exponentials.sum(dim=1)).mean()


def positive_left_out(similarity: Similarities, tau: float) -> Tensor:
    """The denominator is the sum over negatives alone."""
    logits = similarity / tau
    own = torch.eye(len(logits), dtype=torch.bool)
    return (torch.logsumexp(logits.masked_fill(own, -torch.inf), dim=1) - logits.diagonal()).mean()


def sum_of_losses(similarity: Similarities, tau: float) -> Tensor:
    """The losses of the queries are summed."""
    logits = similarity / tau
    return (torch.logsumexp(logits, dim=1) - logits.diagonal()).sum()


def one_loss_a_query(similarity: Similarities, tau: float) -> Tensor:
    """The mean is missing."""
    logits = similarity / tau
    return torch.logsumexp(logits, dim=1) - logits.diagonal()


def probability_without_logarithm(similarity: Similarities, tau: float) -> Tensor:
    """The logarithm is missing."""
    return -torch.softmax(similarity / tau, dim=1).diagonal().mean()


def tau_under_one_part(similarity: Similarities, tau: float) -> Tensor:
    """The diagonal is not divided by tau."""
    return (torch.logsumexp(similarity / tau, dim=1) - similarity.diagonal()).mean()


def mean_of_all_pairs(similarity: Similarities, tau: float) -> Tensor:
    """Every target counts as right."""
    return -torch.log_softmax(similarity / tau, dim=1).mean()


def softmax_twice(similarity: Similarities, tau: float) -> Tensor:
    """cross_entropy is given probabilities."""
    return cross_entropy(torch.softmax(similarity / tau, dim=1), torch.arange(len(similarity)))


def one_direction(similarity: Similarities, tau: float) -> Tensor:
    """Query to target alone."""
    return cross_entropy(similarity / tau, torch.arange(len(similarity)))


def the_other_direction(similarity: Similarities, tau: float) -> Tensor:
    """Target to query alone."""
    return cross_entropy(similarity.T / tau, torch.arange(len(similarity)))


def both_summed(similarity: Similarities, tau: float) -> Tensor:
    """The directions are summed, not averaged."""
    return one_direction(similarity, tau) + one_direction(similarity.T, tau)


def mean_matrix(similarity: Similarities, tau: float) -> Tensor:
    """The matrix is symmetrised and its rows' loss taken."""
    return one_direction((similarity + similarity.T) / 2, tau)


def without_tau(similarity: Similarities, tau: float) -> Similarities:
    """The slope 1/tau of the logits is forgotten."""
    p = torch.softmax(similarity / tau, dim=1)
    return (p - torch.eye(len(p))) / len(p)


def without_identity(similarity: Similarities, tau: float) -> Similarities:
    """The -1 of the positive is forgotten."""
    p = torch.softmax(similarity / tau, dim=1)
    return p / (len(p) * tau)


def without_mean(similarity: Similarities, tau: float) -> Similarities:
    """The 1/N of the mean is forgotten."""
    p = torch.softmax(similarity / tau, dim=1)
    return (p - torch.eye(len(p))) / tau


def by_logits(similarity: Similarities, tau: float) -> Similarities:
    """The derivative of one query's loss by its logits."""
    p = torch.softmax(similarity / tau, dim=1)
    return p - torch.eye(len(p))


def sign_turned(similarity: Similarities, tau: float) -> Similarities:
    """The direction in which the loss falls, not its gradient."""
    p = torch.softmax(similarity / tau, dim=1)
    return (torch.eye(len(p)) - p) / (len(p) * tau)


def softmax_of_columns(similarity: Similarities, tau: float) -> Similarities:
    """P is the softmax over the wrong axis."""
    p = torch.softmax(similarity / tau, dim=0)
    return (p - torch.eye(len(p))) / (len(p) * tau)


def of_both_directions(similarity: Similarities, tau: float) -> Similarities:
    """The gradient of exercise 1.3 in place of 1.2's."""
    p, turned = (torch.softmax(similarity / tau, dim=dim) for dim in (1, 0))
    return ((p + turned) / 2 - torch.eye(len(p))) / (len(p) * tau)


WRONG_ANSWERS: tuple[WrongAnswer, ...] = (
    WrongAnswer("1.1", check.cosine_similarity, dot_products, "plain dot products"),
    WrongAnswer("1.1", check.cosine_similarity, normalised_over_the_batch, "normalised over the batch"),
    WrongAnswer("1.1", check.cosine_similarity, one_side_normalised, "only the queries are normalised"),
    WrongAnswer("1.1", check.cosine_similarity, transposed, "one row a target"),
    WrongAnswer("1.2", check.row_loss, over_columns, "over columns"),
    WrongAnswer("1.2", check.row_loss, tau_multiplied, "tau multiplies"),
    WrongAnswer("1.2", check.row_loss, mean_of_exponentials, "too small by log N"),
    WrongAnswer("1.2", check.row_loss, exponentials_in_the_open, "torch.logsumexp"),
    WrongAnswer("1.2", check.row_loss, positive_left_out, "missing in the denominator"),
    WrongAnswer("1.2", check.row_loss, sum_of_losses, "summed over the queries"),
    WrongAnswer("1.2", check.row_loss, one_loss_a_query, "one a query"),
    WrongAnswer("1.2", check.row_loss, probability_without_logarithm, "logarithm is missing"),
    WrongAnswer("1.2", check.row_loss, tau_under_one_part, "not divided by tau"),
    WrongAnswer("1.2", check.row_loss, mean_of_all_pairs, "the mean over all pairs"),
    WrongAnswer("1.2", check.row_loss, softmax_twice, "two softmaxes"),
    WrongAnswer("1.3", check.info_nce, one_direction, "one direction alone, query -> target"),
    WrongAnswer("1.3", check.info_nce, the_other_direction, "one direction alone, target -> query"),
    WrongAnswer("1.3", check.info_nce, both_summed, "summed"),
    WrongAnswer("1.3", check.info_nce, mean_matrix, "symmetrised matrix"),
    WrongAnswer("1.4", check.row_gradient, without_tau, "1/tau is missing"),
    WrongAnswer("1.4", check.row_gradient, without_identity, "-I is missing"),
    WrongAnswer("1.4", check.row_gradient, without_mean, "1/N is missing"),
    WrongAnswer("1.4", check.row_gradient, by_logits, "1/N and 1/tau are missing"),
    WrongAnswer("1.4", check.row_gradient, sign_turned, "sign is the other way round"),
    WrongAnswer("1.4", check.row_gradient, softmax_of_columns, "softmax over columns"),
    WrongAnswer("1.4", check.row_gradient, of_both_directions, "gradient of both directions"),
)
