"""Checks of lesson 1: cosines, InfoNCE in one direction and in both, and its gradient."""

from collections.abc import Callable, Mapping
from math import log

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import cross_entropy, normalize

from core.contrast.contrast import value_and_gradient
from core.objectives.infonce import InfoNCE
from core.objectives.objective import PairTerms, row_terms
from workbench.checks.batches import batch_of, negatives_of, own_pairs, random_unit_vectors, scalar, untouched
from workbench.lessons.feedback import Wrong, compare, right, same, tensor_like

Similarities = Float[Tensor, "n n"]
SMALL = torch.tensor([[0.70, 0.55, -0.10], [0.62, 0.66, 0.20], [0.05, 0.30, 0.50]], dtype=torch.float64)
"""Cosines of three queries (rows) and three targets, not symmetric, so that rows and columns cannot be confused."""
TAUS = (0.02, 0.1)


def cosine_similarity(answer: Callable[..., Tensor], seed: int = 0) -> None:
    """Check the matrix of cosines of two sets of vectors.

    Raises:
        Wrong: the matrix is wrong; the message names the likely mistake.
    """
    name, answer = "cosine_similarity", untouched(answer)
    queries = torch.tensor([[3.0, 4.0], [0.0, 2.0], [-1.0, 0.0]], dtype=torch.float64)
    targets = torch.tensor([[1.0, 0.0], [0.0, 5.0]], dtype=torch.float64)
    drawn = (random_unit_vectors(4, 3, seed) * 7, random_unit_vectors(5, 3, seed + 1) / 3)
    for first, second in ((queries, targets), drawn):
        expected = normalize(first, dim=1) @ normalize(second, dim=1).T
        found = answer(first, second)
        if isinstance(found, Tensor) and found.shape == expected.T.shape:
            raise Wrong(f"{name} has one row a target; rows are queries and columns are targets.")
        if isinstance(found, Tensor) and found.shape == expected.shape and bool(torch.isnan(found).any()):
            raise Wrong(
                f"{name} holds NaN: a norm of 0 was divided by. Norms are taken over each vector's own numbers."
            )
        compare(name, found, expected, mistaken_cosines(first, second))
    longer = answer(10 * queries, targets)
    compare(f"{name} of vectors ten times as long", longer, answer(queries, targets), {})
    right("1.1", "One row a query, values in [-1, 1], and the length of a vector does not matter.")


def row_loss(answer: Callable[..., Tensor], seed: int = 0) -> None:
    """Check InfoNCE from queries to targets.

    Raises:
        Wrong: the loss is wrong; the message names the likely mistake.
    """
    name, answer = "row_loss", untouched(answer)
    drawn = cosines(seed)
    for similarity in (SMALL, drawn):
        for tau in TAUS:
            found = scalar(name, answer(similarity, tau), len(similarity))
            expected = cross_entropy(similarity / tau, torch.arange(len(similarity)))
            compare(name, found, expected, mistaken_row_losses(similarity, tau))
    alike = torch.full((7, 7), 0.3, dtype=torch.float64)
    compare(
        f"{name} of seven targets that are all alike", answer(alike, 0.1), torch.tensor(log(7), dtype=torch.float64), {}
    )
    compare(f"{name} after adding 0.5 to every similarity", answer(drawn + 0.5, 0.1), answer(drawn, 0.1), {})
    check_range(name, answer, drawn)
    check_learning(name, answer, drawn)
    compare(f"{name} beside the trainer's", answer(drawn, 0.1), terms(drawn, 0.1).loss.mean(), {})
    directions = random_unit_vectors(400, 256, seed) @ random_unit_vectors(400, 256, seed + 1).T
    chance = float(answer(directions, 1.0))
    if abs(chance - log(400)) > 0.02:
        raise Wrong(f"400 random pairs at tau = 1 have the loss {chance:.3f}; chance is log 400 = {log(400):.3f}.")
    right("1.2", "Equal to the cross-entropy with diagonal labels, finite at tau = 0.01, and log N at chance.")


def info_nce(answer: Callable[..., Tensor], seed: int = 0) -> None:
    """Check the mean of both directions.

    Raises:
        Wrong: the loss is wrong; the message names the likely mistake.
    """
    name, answer = "info_nce", untouched(answer)
    for similarity in (SMALL, cosines(seed)):
        rows, columns = (cross_entropy(each / 0.1, torch.arange(len(each))) for each in (similarity, similarity.T))
        mistakes = {
            "this is one direction alone, query -> target; add target -> query (the softmax over each column) and take "
            "the mean.": rows,
            "this is one direction alone, target -> query; add query -> target (the softmax over each row) and take "
            "the mean.": columns,
            "the two directions are summed; the loss is their mean.": rows + columns,
            "this is one softmax over rows of the symmetrised matrix; the loss is the mean of two losses, not the loss "
            "of the mean matrix.": cross_entropy((similarity + similarity.T) / 0.2, torch.arange(len(similarity))),
        }
        compare(name, scalar(name, answer(similarity, 0.1), len(similarity)), (rows + columns) / 2, mistakes)
    check_range(name, answer, cosines(seed))
    queries, targets = random_unit_vectors(8, 16, seed), random_unit_vectors(8, 16, seed + 1)
    trained = value_and_gradient(InfoNCE(0.05), batch_of(queries, targets))
    compare(f"{name} beside the trainer's", answer(queries @ targets.T, 0.05), trained.loss, {})
    right("1.3", "The mean of both directions, and the number that the trainer logs.")


def row_gradient(answer: Callable[..., Tensor], seed: int = 0) -> None:
    """Check dL/dS = (P - I) / (N tau) of the direction query -> target.

    Raises:
        Wrong: the gradient is wrong; the message names the likely mistake.
    """
    name, answer = "row_gradient", untouched(answer)
    for similarity in (SMALL, cosines(seed)):
        for tau in TAUS:
            free = similarity.clone().requires_grad_()
            (expected,) = torch.autograd.grad(cross_entropy(free / tau, torch.arange(len(free))), free)
            compare(name, answer(similarity, tau), expected, mistaken_gradients(similarity, tau))
    drawn = cosines(seed)
    found = tensor_like(name, answer(drawn, 0.05), drawn)
    compare(f"the sums of rows of {name}", 1 + found.sum(dim=1), torch.ones(len(drawn)).double(), {})
    compare(f"{name} beside the trainer's", found, terms(drawn, 0.05).gradient / len(drawn), {})
    queries, targets = random_unit_vectors(8, 16, seed), random_unit_vectors(8, 16, seed + 1)
    trained = value_and_gradient(InfoNCE(0.05, both_directions=False), batch_of(queries, targets))
    carried = answer(queries @ targets.T, 0.05) @ targets
    compare(f"{name} times the targets, beside the trainer's,", carried, trained.query_gradients, {})
    right("1.4", "Equal to float64 autograd; rows sum to 0; carried to the vectors it is the trainer's gradient.")


def cosines(seed: int) -> Similarities:
    """Return cosines of six queries with targets of which the right ones tend to be nearer; not symmetric."""
    queries = random_unit_vectors(6, 5, seed)
    return queries @ normalize(queries + random_unit_vectors(6, 5, seed + 1), dim=1).T


def terms(similarity: Similarities, tau: float) -> PairTerms:
    """Say what the trainer's objective does to each pair."""
    return row_terms(InfoNCE(tau), similarity, own_pairs(similarity))


def check_range(name: str, answer: Callable[..., Tensor], similarity: Similarities) -> None:
    """Check that the loss stays finite, and right, where e^(s/tau) overflows in float32 or underflows.

    Raises:
        Wrong: it does not.
    """
    sharp = similarity.float()
    sharp = sharp.masked_fill(own_pairs(sharp), 1.0)
    sharp[0, 0] = -1.0
    if not torch.isfinite(answer(sharp, 0.01)):
        raise Wrong(
            f"{name} is inf or NaN in float32 at tau = 0.01, where e^(s/tau) reaches e^100 and float32 ends at e^88. "
            "log(sum(exp(x))) is torch.logsumexp(x, dim), which subtracts the largest x before it takes exponentials."
        )


def check_learning(name: str, answer: Callable[..., Tensor], similarity: Similarities) -> None:
    """Check that a gradient reaches the similarities.

    Raises:
        Wrong: none does.
    """
    if not answer(similarity.clone().requires_grad_(), 0.1).requires_grad:
        raise Wrong(f"{name} has no gradient: it went through .item(), .detach(), numpy or argmax on the way.")


def mistaken_cosines(queries: Float[Tensor, "m d"], targets: Float[Tensor, "n d"]) -> Mapping[str, Tensor]:
    """Return values of likely mistakes."""
    plain = queries @ targets.T
    lengths = queries.norm(dim=1)[:, None] * targets.norm(dim=1)[None, :]
    return {
        "these are plain dot products: divide every vector by its length (its 2-norm) first.": plain,
        "the vectors are normalised over the batch (dim=0), one coordinate at a time; normalise each vector over its "
        "own numbers (dim=1).": normalize(queries, dim=0) @ normalize(targets, dim=0).T,
        "only the queries are normalised; the targets have lengths too.": normalize(queries, dim=1) @ targets.T,
        "only the targets are normalised; the queries have lengths too.": queries @ normalize(targets, dim=1).T,
        "this divides by the squared lengths; the length is the root of the sum of squares.": plain / lengths.square(),
        "the vectors are divided by the sum of their absolute numbers (the 1-norm); a cosine needs the "
        "2-norm.": normalize(queries, p=1, dim=1) @ normalize(targets, p=1, dim=1).T,
    }


def mistaken_row_losses(similarity: Similarities, tau: float) -> Mapping[str, Tensor]:
    """Return values of likely mistakes."""
    labels, count = torch.arange(len(similarity)), len(similarity)
    logits = similarity / tau
    expected = cross_entropy(logits, labels)
    held = torch.softmax(logits, dim=1).diagonal()
    others = torch.logsumexp(negatives_of(logits), dim=1)
    return {
        "the softmax runs over columns (dim=0): each target chooses among queries. Here each query, a row, chooses "
        "among its targets: dim=1.": cross_entropy(logits.T, labels),
        "tau multiplies; similarities are *divided* by it, so that a small tau makes large differences.": cross_entropy(
            similarity * tau, labels
        ),
        "tau is not used.": cross_entropy(similarity, labels),
        "the loss is summed over the queries; take the mean.": expected * count,
        "the mean of the exponentials stands where their sum belongs: the loss is too small by log N.": expected
        - log(count),
        "the positive is missing in the denominator: it is the sum over *all* targets, the right one too.": (
            others - logits.diagonal()
        ).mean(),
        "the right target's logit is not divided by tau: both parts are of s / tau.": (
            torch.logsumexp(logits, dim=1) - similarity.diagonal()
        ).mean(),
        "this is the mean over all pairs; each query's loss is -log p of its right target alone, the diagonal.": (
            -torch.log_softmax(logits, dim=1).mean()
        ),
        "two softmaxes: cross_entropy takes one itself. Give it the logits, not probabilities.": cross_entropy(
            torch.softmax(logits, dim=1), labels
        ),
        "the logarithm is missing: this is a mean of probabilities.": held.mean(),
        "the logarithm is missing: this is minus a mean of probabilities.": -held.mean(),
        "the logarithm is missing: this is a mean of 1 - p.": 1 - held.mean(),
        "this is the logarithm of the mean probability; take the mean of the logarithms.": -torch.log(held.mean()),
        "the sign is the other way round: log p is negative, and the loss is minus log p.": -expected,
    }


def mistaken_gradients(similarity: Similarities, tau: float) -> Mapping[str, Tensor]:
    """Return values of likely mistakes."""
    unit, count = torch.eye(len(similarity), dtype=similarity.dtype), len(similarity)
    held, columns = (torch.softmax(similarity / tau, dim=dim) for dim in (1, 0))
    expected = (held - unit) / (count * tau)
    return {
        "1/tau is missing: the logit is s / tau, so every derivative by s has a 1/tau in front.": expected * tau,
        "-I is missing: the positive's logit also stands in the numerator, which gives -1 on the diagonal.": held
        / (count * tau),
        "1/N is missing: the loss is the mean over the queries, so each has one N-th of the say.": expected * count,
        "1/N and 1/tau are missing: this is P - I, the derivative of one query's loss by its logits.": held - unit,
        "tau multiplies; the slope of s / tau is 1/tau.": expected * tau * tau,
        "the sign is the other way round: a loss falls when a positive's similarity rises.": -expected,
        "P is the softmax over columns (dim=0); each row is one query's softmax: dim=1.": (columns - unit)
        / (count * tau),
        "this is the gradient of both directions, info_nce; asked is that of row_loss: rows alone.": (
            (held + columns) / 2 - unit
        )
        / (count * tau),
        "P is the softmax of s; the softmax is that of s / tau.": (torch.softmax(similarity, dim=1) - unit)
        / (count * tau),
    }


def largest_difference(found: Tensor, expected: Tensor) -> str:
    """Say how near two tensors are, in words: exact, equal up to rounding, or the largest difference."""
    found, expected = found.detach(), expected.detach()
    if torch.equal(found, expected):
        return "exactly equal"
    difference = float((found - expected).abs().max())
    return f"{'equal up to rounding' if same(found, expected) else 'DIFFERENT'}, largest difference {difference:.1e}"
