"""Checks of lesson 3: weights of negatives, the loss in log space, its gradient, and the margin it asks for.

Whatever the trainer also computes is compared with the trainer's own functions; the batch of three is small enough
to follow by hand.
"""

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import cross_entropy

from core.contrast.contrast import value_and_gradient
from core.objectives.hardness import HardnessWeighted
from core.objectives.infonce import InfoNCE
from core.objectives.objective import PairTerms, row_terms
from workbench.checks.batches import batch_of, negatives_of, own_pairs, random_unit_vectors, scalar, untouched
from workbench.lessons.feedback import Wrong, compare, right, tensor_like

Similarities = Float[Tensor, "n n"]
SMALL = torch.tensor([[0.70, 0.55, -0.10], [0.62, 0.66, 0.20], [0.05, 0.30, 0.50]], dtype=torch.float64)
"""Cosines of three queries (rows) and three targets: an easy row, a nearly lost one, and one between them. With two
targets a row would have one negative, and weights divided by their mean would all be 1."""
ALPHA, TAU = 9.0, 0.02
STRONG = 20.0
"""An alpha at which e^(alpha s) leaves float16's range."""


def hardness_weights(answer: Callable[..., Tensor], seed: int = 0) -> None:
    """Check w_ij = e^(alpha s_ij) for negatives, 1 for positives, constant for the backward pass.

    Raises:
        Wrong: the weights are wrong; the message names the likely mistake.
    """
    answer = untouched(answer)
    for similarity, alpha in ((SMALL, ALPHA), (cosines(seed), 4.0)):
        expected = terms(similarity, alpha, TAU).weight
        compare("hardness_weights", answer(similarity, alpha), expected, mistaken_weights(similarity, alpha))
    compare("hardness_weights with alpha = 0", answer(SMALL, 0.0), torch.ones_like(SMALL), {})
    if answer(SMALL.clone().requires_grad_(), ALPHA).requires_grad:
        raise Wrong(
            "the weights are right, but a gradient would flow through them: they are not detached. The paper's weight "
            "is a constant of the backward pass; compute it from similarity.detach()."
        )
    right("3.1", "Positives weigh 1, a negative e^(alpha s), alpha = 0 leaves InfoNCE, and no gradient flows through.")


def hardness_loss(answer: Callable[..., Tensor], seed: int = 0) -> None:
    """Check the weighted loss: its value, its range of numbers, its gradient, and the trainer's value.

    Raises:
        Wrong: the loss is wrong; the message names the likely mistake.
    """
    answer = untouched(answer)
    name = "hardness_loss"
    for similarity, alpha, tau in ((SMALL, ALPHA, TAU), (cosines(seed), 4.0, 0.1)):
        found = scalar(name, answer(similarity, alpha, tau), len(similarity))
        compare(name, found, terms(similarity, alpha, tau).loss.mean(), mistaken_losses(similarity, alpha, tau))
    plain = row_terms(InfoNCE(TAU), SMALL, own_pairs(SMALL)).loss.mean()
    compare(f"{name} with alpha = 0, which is lesson 1's loss,", answer(SMALL, 0.0, TAU), plain, {})
    check_range(answer, seed)
    check_backward(answer)
    queries, targets = random_unit_vectors(8, 16, seed), random_unit_vectors(8, 16, seed + 1)
    trained = value_and_gradient(HardnessWeighted(ALPHA, TAU, both_directions=False), batch_of(queries, targets))
    compare(f"{name} beside the trainer's", answer(queries @ targets.T, ALPHA, TAU), trained.loss, {})
    right(
        "3.2", "Equal to the weighted form and to the trainer's loss, finite in float16, and lesson 1's at alpha = 0."
    )


def check_range(answer: Callable[..., Tensor], seed: int) -> None:
    """Check that the loss stays finite where e^(s/tau) overflows in float32, or e^(alpha s) in float16.

    Raises:
        Wrong: it overflows.
    """
    similarity = cosines(seed)
    similarity.fill_diagonal_(1.0)
    if not torch.isfinite(answer(similarity.float(), ALPHA, 0.01)):
        raise Wrong(
            "the loss is inf or NaN in float32 at tau = 0.01, where e^(s/tau) reaches e^100. Keep to logits: "
            "torch.logsumexp or cross_entropy subtract the largest before they take exponentials."
        )
    similarity[0, 1] = 0.9
    if not torch.isfinite(answer(similarity.half(), STRONG, 0.1)):
        raise Wrong(
            f"the loss is inf or NaN in float16 at alpha = {STRONG:g}: e^({STRONG:g} * 0.9) is 65 million, and "
            "float16 ends at 65504. log(exp(x)) is x: add alpha * s to the logit and never form the weight."
        )


def check_backward(answer: Callable[..., Tensor]) -> None:
    """Check that the gradient of the loss treats the weight as a constant.

    Raises:
        Wrong: it does not, or there is no gradient.
    """
    similarity = SMALL.clone().requires_grad_()
    loss = answer(similarity, ALPHA, TAU)
    if not loss.requires_grad:
        raise Wrong("the loss has no gradient: all of the similarity was detached; only that in the weight should be.")
    (found,) = torch.autograd.grad(loss, similarity)
    expected = gradient(SMALL, ALPHA, TAU)
    factor = 1 + ALPHA * TAU
    attached = torch.where(own_pairs(SMALL), expected, expected * factor)
    compare(
        "the gradient of hardness_loss",
        found,
        expected,
        {
            f"your loss is right, but every negative's gradient is {factor:.2f} times too large (1 + alpha tau): the "
            "weight is not detached. Use similarity.detach() in the term with alpha.": attached,
        },
    )


def hardness_gradient(answer: Callable[..., Tensor], seed: int = 0) -> None:
    """Check dL/dS = (P~ - I) / (N tau).

    Raises:
        Wrong: the gradient is wrong; the message names the likely mistake.
    """
    answer = untouched(answer)
    name = "hardness_gradient"
    for similarity, alpha, tau in ((SMALL, ALPHA, TAU), (cosines(seed), 4.0, 0.1)):
        found, expected = answer(similarity, alpha, tau), gradient(similarity, alpha, tau)
        compare(name, found, expected, mistaken_gradients(similarity, alpha, tau))
    free = cosines(seed).requires_grad_()
    (by_autograd,) = torch.autograd.grad(offset_loss(free, ALPHA, TAU), free)
    compare(f"{name} beside float64 autograd", answer(free.detach(), ALPHA, TAU), by_autograd, {})
    queries, targets = random_unit_vectors(8, 16, seed), random_unit_vectors(8, 16, seed + 1)
    trained = value_and_gradient(HardnessWeighted(ALPHA, TAU, both_directions=False), batch_of(queries, targets))
    found = tensor_like(name, answer(queries @ targets.T, ALPHA, TAU), queries @ targets.T)
    compare(f"{name} times the targets, beside the trainer's,", found @ targets, trained.query_gradients, {})
    right("3.3", "Equal to float64 autograd, and carried to the queries' vectors it is the trainer's own gradient.")


def tie(answer: Callable[..., Tensor], seed: int = 0) -> None:
    """Check the positive's cosine at which one negative holds half of the row.

    Raises:
        Wrong: the cosine is wrong; the message names the likely mistake.
    """
    answer = untouched(answer)
    drawn = 0.1 + 0.7 * torch.rand(4, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    for negative, alpha, tau in ((torch.tensor([0.5]).double(), ALPHA, TAU), (drawn, 3.0, 0.05)):
        compare("tie", answer(negative, alpha, tau), (1 + alpha * tau) * negative, mistaken_ties(negative, alpha, tau))
    compare("tie with alpha = 0", answer(drawn, 0.0, TAU), drawn, {})
    high = torch.full((2,), 0.8, dtype=torch.float64)
    steep = answer(high, ALPHA, 0.2)
    if isinstance(steep, Tensor) and bool((steep - 1).abs().max() < 1e-6):
        raise Wrong("tie was cut off at 1. Give what the equation gives, also where no cosine can be so large.")
    compare("tie at tau = 0.2", steep, (1 + ALPHA * 0.2) * high, {})
    pools = torch.stack([answer(drawn, ALPHA, TAU), drawn], dim=1)
    own = torch.tensor([[True, False]]).expand(len(drawn), 2)
    held = row_terms(HardnessWeighted(ALPHA, TAU), pools, own).probability[:, 0]
    compare("the trainer's p~ of a positive at your tie", held, torch.full_like(held, 0.5), {})
    right(
        "3.4", "At your tie the trainer's objective gives the positive one half; the margin is alpha tau of the cosine."
    )


def cosines(seed: int) -> Similarities:
    """Return cosines of five queries and targets whose positives are mostly ahead, with no two alike."""
    queries = random_unit_vectors(5, 6, seed)
    return queries @ torch.nn.functional.normalize(queries + random_unit_vectors(5, 6, seed + 1), dim=1).T


def terms(similarity: Similarities, alpha: float, tau: float) -> PairTerms:
    """Say what the trainer's objective does to each pair."""
    return row_terms(HardnessWeighted(alpha, tau), similarity, own_pairs(similarity))


def gradient(similarity: Similarities, alpha: float, tau: float) -> Similarities:
    """Return the trainer's dL/dS of the mean over rows."""
    return terms(similarity, alpha, tau).gradient / len(similarity)


def offset_loss(similarity: Similarities, alpha: float, tau: float) -> Tensor:
    """InfoNCE with the logit offset, for autograd."""
    offset = alpha * similarity.detach().masked_fill(own_pairs(similarity), 0)
    return cross_entropy(similarity / tau + offset, torch.arange(len(similarity)))


def mistaken_weights(similarity: Similarities, alpha: float) -> dict[str, Tensor]:
    """Return values of likely mistakes."""
    own, everywhere = own_pairs(similarity), torch.exp(alpha * similarity)
    weights = everywhere.masked_fill(own, 1)
    average = negatives_of(everywhere).mean(dim=1, keepdim=True)
    return {
        "the positives on the diagonal are weighted too; only negatives are weighed, a positive's weight is 1. "
        "(masked_fill with the diagonal's mask sets them.)": everywhere,
        "the positives on the diagonal weigh 0, which takes them out of the denominator; their weight is "
        "1.": weights.masked_fill(own, 0),
        "the weights of each row are divided by their mean, as HCL and HN-NCE do. LLaVE's are not normalised: that a "
        "row of similar negatives weighs more as a whole is what they are for.": (everywhere / average).masked_fill(
            own, 1
        ),
        "these are the logarithms of the weights, alpha * s; the weight is their "
        "exponential.": torch.log(weights),
        "alpha multiplies s / tau here (with tau = 0.02); in the paper it multiplies the raw cosine: "
        "e^(alpha s).": torch.exp(alpha * similarity / TAU).masked_fill(own, 1),
        "the weight grows in a straight line, 1 + alpha s; it is the exponential e^(alpha s)": (
            1 + alpha * similarity
        ).masked_fill(own, 1),
    }  # fmt: skip


def mistaken_losses(similarity: Similarities, alpha: float, tau: float) -> dict[str, Tensor]:
    """Return values of likely mistakes."""
    own, labels = own_pairs(similarity), torch.arange(len(similarity))
    weight = terms(similarity, alpha, tau).weight
    plain = similarity / tau
    right_logits = plain + torch.log(weight)
    return {
        "your loss is that of InfoNCE, whatever alpha: a weight that multiplies probabilities after the softmax never "
        "reaches the positive's. It belongs into the denominator, before the division.": cross_entropy(plain, labels),
        "the positive's logit has the offset too, so this is InfoNCE at the lower temperature tau / (1 + alpha tau). "
        "Set the offset to 0 on the diagonal.": cross_entropy(plain + alpha * similarity, labels),
        "alpha is divided by tau: the offset is alpha * s, of the raw cosine, beside s / tau.": cross_entropy(
            plain + (alpha * plain).masked_fill(own, 0), labels
        ),
        "the loss is summed over the queries; take the mean.": cross_entropy(right_logits, labels, reduction="sum"),
        "the weight multiplies the logit s / tau; it multiplies the exponential e^(s/tau), so its *logarithm* is "
        "added to the logit.": cross_entropy(plain * weight, labels),
        "the weights of each row are divided by their mean, as in HCL; LLaVE's are not "
        "normalised.": cross_entropy(right_logits - normaliser(weight), labels),
        "this is the direction target -> query: the softmax runs over columns. Each query (row) is to choose among "
        "its targets.": cross_entropy(
            plain.T + (alpha * similarity.T).masked_fill(own, 0), labels
        ),
        "the logits are not divided by tau.": cross_entropy(similarity + torch.log(weight), labels),
    }  # fmt: skip


def normaliser(weight: Similarities) -> Similarities:
    """log of the mean weight of each row's negatives, 0 for the positive."""
    average = negatives_of(weight).mean(dim=1, keepdim=True)
    return torch.log(average).expand_as(weight).masked_fill(own_pairs(weight), 0)


def mistaken_gradients(similarity: Similarities, alpha: float, tau: float) -> dict[str, Tensor]:
    """Return values of likely mistakes."""
    own = own_pairs(similarity)
    unit, count = own.to(similarity.dtype), len(similarity)
    found = terms(similarity, alpha, tau)
    plain = torch.softmax(similarity / tau, dim=1)
    expected = found.gradient / count
    return {
        "1/N is missing: the loss is the mean over the queries.": found.gradient,
        "1/tau is missing: the logit is s / tau, and its slope 1/tau comes out in front.": expected * tau,
        "the identity is missing: the positive's logit also stands in the numerator, which gives "
        "-1 on the diagonal.": found.probability / (count * tau),
        "the sign is the other way round: a loss falls when a positive's similarity rises.": -expected,
        "this is InfoNCE's P, without weights: put the offset alpha * s into the softmax.": (plain - unit)
        / (count * tau),
        "every negative's gradient is 1 + alpha tau times too large: as if the weight were not a constant. The slope "
        "of a negative's logit is 1/tau, not 1/tau + alpha.": torch.where(own, expected, expected * (1 + alpha * tau)),
        "P is weighted but not normalised again: the rows of P~ - I do not sum to 0. P~ is the softmax of the offset "
        "logits. (Unnormalised, it is an explicit gradient amplifier; lesson 10.)": (plain * found.weight - unit)
        / (count * tau),
        "the positive's logit has the offset too; the offset is 0 on the diagonal.": (
            torch.softmax(similarity * (1 / tau + alpha), dim=1) - unit
        )
        / (count * tau),
    }


def mistaken_ties(negative: Float[Tensor, " k"], alpha: float, tau: float) -> dict[str, Tensor]:
    """Return values of likely mistakes."""
    return {
        "equal cosines tie only when the positive is weighted too (or alpha = 0); here the negative has "
        "alpha * s more.": negative,
        "this margin is added, alpha tau whatever the cosine. Multiply the equation "
        "s_positive / tau = s_negative / tau + alpha s_negative by tau.": negative + alpha * tau,
        "tau is missing: after multiplying by tau, alpha s_negative becomes alpha tau s_negative.": negative
        * (1 + alpha),
        "alpha is divided by tau; multiplying the equation by tau multiplies alpha by it.": negative
        * (1 + alpha / tau),
        "this is the other way round: the negative's cosine that ties with a given positive.": negative
        / (1 + alpha * tau),
        "the sign of the margin is the other way round: the weight helps the negative, so the positive has to be "
        "ahead.": negative * (1 - alpha * tau),
    }
