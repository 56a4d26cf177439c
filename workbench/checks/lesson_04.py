"""Checks of lesson 4: a loss with a reward, its gradient without the stop, motion on the circle, a teacher as reward.

The right values come from `core.objectives.objective.row_terms` and `core.contrast.contrast`, which the trainer runs.
"""

from collections.abc import Callable
from dataclasses import replace

import torch
from jaxtyping import Float
from torch import Tensor

from core.contrast.contrast import value_and_gradient
from core.objectives.hardness import HardnessWeighted
from core.objectives.infonce import InfoNCE
from core.objectives.objective import row_terms
from workbench.checks.batches import batch_of, own_pairs, random_unit_vectors, scalar
from workbench.lessons.feedback import Wrong, compare, right, same

Matrix = Float[Tensor, "n n"]
ALPHA, TAU = 9.0, 0.02
CASES = ((ALPHA, TAU), (4.0, 0.1))


def cosines(seed: int, rows: int = 5) -> Matrix:
    """Return similarities of a batch: right answers somewhat above the rest, so that no softmax is saturated."""
    queries, targets = random_unit_vectors(rows, 3, seed), random_unit_vectors(rows, 3, seed + 1)
    return 0.6 * queries @ targets.T + 0.3 * torch.eye(rows, dtype=torch.float64)


def expected_loss(similarity: Matrix, reward: Matrix, alpha: float, tau: float) -> Tensor:
    """Return the mean of the trainer's row losses."""
    return row_terms(HardnessWeighted(alpha, tau), similarity, own_pairs(similarity), reward=reward).loss.mean()


def expected_gradient(similarity: Matrix, reward: Matrix, alpha: float, tau: float) -> Matrix:
    """d(mean loss)/d(similarity) by the trainer's closed form: no gradient through the reward."""
    terms = row_terms(HardnessWeighted(alpha, tau), similarity, own_pairs(similarity), reward=reward)
    return terms.gradient / len(similarity)


def on_negatives(gradient: Matrix, factor: float) -> Matrix:
    """Return a gradient whose negatives are multiplied."""
    return torch.where(own_pairs(gradient), gradient, factor * gradient)


def weighted_loss(answer: Callable[..., Tensor], seed: int = 0) -> None:
    """Check the loss with a reward: its value, then what gradient reaches the similarities and the reward.

    Raises:
        Wrong: loss or gradient is wrong; the message names the likely mistake.
    """
    name = "weighted_loss"
    similarity, reward = cosines(seed), cosines(seed + 10)
    for alpha, tau in CASES:
        found = scalar(name, answer(similarity, reward, alpha, tau), len(similarity))
        mistakes = mistaken_losses(similarity, reward, alpha, tau)
        compare(name, found, expected_loss(similarity, reward, alpha, tau), mistakes)
        own = scalar(name, answer(similarity, similarity, alpha, tau), len(similarity))
        compare(f"{name} with the policy as reward", own, expected_loss(similarity, similarity, alpha, tau), {})
    plain = row_terms(InfoNCE(TAU), similarity, own_pairs(similarity)).loss.mean()
    compare(f"{name} with alpha = 0, which is InfoNCE,", answer(similarity, reward, 0.0, TAU), plain, {})
    for alpha, tau in CASES:
        check_gradients(answer, similarity, alpha, tau)
    check_reward(answer, similarity, reward)
    right("4.1", "The loss is the trainer's, so is its gradient, and none of it reaches the reward.")


def mistaken_losses(similarity: Matrix, reward: Matrix, alpha: float, tau: float) -> dict[str, Tensor]:
    """Say what likely mistakes give for the loss."""
    off = ~own_pairs(similarity)

    def loss_of(logits: Matrix) -> Tensor:
        return (torch.logsumexp(logits, dim=1) - logits.diagonal()).mean()

    return {
        "the right answers are weighed too: alpha * reward belongs to negatives only. Set its diagonal to 0.": loss_of(
            similarity / tau + alpha * reward
        ),
        "alpha was applied after the temperature: the weight is e^(alpha * reward), with alpha times the cosine, not "
        "times reward / tau.": loss_of(similarity / tau + alpha * reward / tau * off),
        "the reward is not used: the weights come from the policy's similarities, whatever reward is given.": loss_of(
            similarity / tau + alpha * similarity * off
        ),
        "the reward stands in the logits in the policy's place. It only sets weights; the logits stay similarity / "
        "tau.": loss_of(reward / tau + alpha * reward * off),
        "the weights are added to the logits as they are. A factor w of e^(s/tau) becomes + log w in the logit, and "
        "log w is alpha * reward.": loss_of(similarity / tau + torch.exp(alpha * reward) * off),
    }


def check_gradients(answer: Callable[..., Tensor], similarity: Matrix, alpha: float, tau: float) -> None:
    """Return the gradient with the policy's own similarities as reward.

    Raises:
        Wrong: it is not the one of constant weights; the message says where it goes.
    """
    leaf = similarity.clone().requires_grad_()
    loss = answer(leaf, leaf, alpha, tau)
    if not loss.requires_grad:
        raise Wrong(
            "the loss is right, but it has no gradient at all: everything is detached, so nothing would be learnt. "
            "Detach the reward, not the similarity."
        )
    (found,) = torch.autograd.grad(loss, leaf)
    expected, own = expected_gradient(similarity, similarity, alpha, tau), own_pairs(similarity)
    ratio = 1 + alpha * tau
    if same(found, on_negatives(expected, ratio)):
        raise Wrong(
            f"your loss is right, but the gradients of the negatives are {ratio:.2f} times what they should be "
            "(1 + alpha * tau): the reward is not detached, so that the loss can also fall by lowering the weights. "
            "Use reward.detach()."
        )
    if bool((found[~own] == 0).all()):
        raise Wrong(
            "your loss is right, but no gradient flows through the negatives: their similarity is detached in the "
            "logits too, so that nothing pushes them away. Detach only the reward inside the weight."
        )
    if bool((found[own] == 0).all()):
        raise Wrong(
            "your loss is right, but no gradient flows through the right answers: nothing pulls them closer. Detach "
            "only the reward inside the weight."
        )
    compare("the gradient of weighted_loss by the similarities", found, expected, {})


def check_reward(answer: Callable[..., Tensor], similarity: Matrix, reward: Matrix) -> None:
    """Return a reward that is a tensor of its own must get no gradient.

    Raises:
        Wrong: it gets one.
    """
    leaf, source = similarity.clone().requires_grad_(), reward.clone().requires_grad_()
    answer(leaf, source, ALPHA, TAU).backward()
    if source.grad is not None and bool((source.grad != 0).any()):
        raise Wrong("a gradient reaches the reward, so that a reward model would be trained: use reward.detach().")


def gradient_without_stop(answer: Callable[..., Tensor], seed: int = 0) -> None:
    """Check d(mean loss)/dS where the reward is S itself and not detached.

    Raises:
        Wrong: the gradient is wrong; the message names the likely mistake.
    """
    name = "gradient_without_stop"
    for rows, (alpha, tau) in zip((6, 4), CASES[::-1], strict=True):
        similarity = cosines(seed, rows)
        by_autograd = gradient_by_autograd(similarity, alpha, tau)
        compare(name, answer(similarity, alpha, tau), by_autograd, mistaken_gradients(similarity, alpha, tau))
    similarity = cosines(seed)
    plain = expected_gradient(similarity, similarity, 0.0, TAU)
    compare(f"{name} with alpha = 0, where there is nothing to stop,", answer(similarity, 0.0, TAU), plain, {})
    right("4.2", "Equal to autograd in float64: 1 + alpha tau on negatives, right answers unchanged.")


def gradient_by_autograd(similarity: Matrix, alpha: float, tau: float) -> Matrix:
    """Return the gradient with nothing detached."""
    leaf = similarity.clone().requires_grad_()
    off = ~own_pairs(similarity)
    logits = leaf / tau + alpha * leaf * off
    loss = (torch.logsumexp(logits, dim=1) - logits.diagonal()).mean()
    return torch.autograd.grad(loss, leaf)[0]


def mistaken_gradients(similarity: Matrix, alpha: float, tau: float) -> dict[str, Tensor]:
    """Say what likely mistakes give."""
    stopped = expected_gradient(similarity, similarity, alpha, tau)
    plain = expected_gradient(similarity, similarity, 0.0, tau)
    correct = on_negatives(stopped, 1 + alpha * tau)
    return {
        "this is the gradient with the stop: (P - I) / (n tau). Without it the negatives' similarities also act "
        "through the weights; their logit is s (1/tau + alpha).": stopped,
        "the right answers are multiplied too. Their logit is s / tau with or without the stop: only negatives carry "
        "a weight.": (1 + alpha * tau) * stopped,
        "the factor is not 1 + alpha: a negative's logit is s (1/tau + alpha), and compared with the 1/tau of the "
        "stopped gradient that is 1 + alpha * tau.": on_negatives(stopped, 1 + alpha),
        "the factor is not 1 + alpha / tau: a negative's logit is s (1/tau + alpha), and compared with the 1/tau of "
        "the stopped gradient that is 1 + alpha * tau.": on_negatives(stopped, 1 + alpha / tau),
        "the probabilities are InfoNCE's. The softmax is over s/tau + alpha s for negatives: the weights are in it, "
        "with the stop and without.": on_negatives(plain, 1 + alpha * tau),
        "the mean over the rows is missing: divide by n.": correct * len(similarity),
        "the sign is turned: the loss falls when a right answer comes nearer, so the diagonal is negative.": -correct,
    }


def speeds(answer: Callable[..., Tensor], seed: int = 0) -> None:
    """Check -dloss/dangle of a query, its right answer and one negative on the circle.

    Raises:
        Wrong: a speed is wrong; the message names the likely mistake.
    """
    name = "speeds"
    drawn = torch.Generator().manual_seed(seed)
    angles = torch.tensor([0.2, 0.9, -0.4], dtype=torch.float64)
    angles = angles + 0.1 * torch.rand(3, generator=drawn, dtype=torch.float64)
    alpha, tau = 4.0, 0.3
    for stop in (True, False):
        found = answer(angles.clone(), alpha, tau, stop)
        expected = right_speeds(angles, alpha, tau, stop)
        where = f"{name} with{'' if stop else 'out'} the stop-gradient"
        compare(where, found, expected, mistaken_speeds(angles, alpha, tau, stop))
    twin = torch.tensor([0.0, 0.7, 0.7], dtype=torch.float64)
    still = answer(twin.clone(), ALPHA, TAU, True)
    if abs(float(still[0])) > 1e-6:
        raise Wrong("with the stop-gradient a negative in the right answer's place must leave the query where it is.")
    right("4.3", "Equal to the trainer's gradient on the circle; the three speeds always sum to 0.")


def right_speeds(angles: Float[Tensor, " 3"], alpha: float, tau: float, stop: bool) -> Float[Tensor, " 3"]:
    """From the trainer's gradient by the two cosines and the chain rule."""
    apart = angles[1:] - angles[0]
    by_cosine = circle_gradient(angles, alpha, tau, stop)
    turn = by_cosine * torch.sin(apart)
    return torch.cat([-turn.sum()[None], turn])


def circle_gradient(angles: Float[Tensor, " 3"], alpha: float, tau: float, stop: bool) -> Float[Tensor, " 2"]:
    """dloss by the cosines of the right answer and of the negative."""
    similarity = torch.cos(angles[1:] - angles[0])[None]
    positive = torch.tensor([[True, False]])
    (gradient,) = row_terms(HardnessWeighted(alpha, tau), similarity, positive).gradient
    return gradient * torch.tensor([1.0, 1.0 if stop else 1 + alpha * tau], dtype=gradient.dtype)


def mistaken_speeds(angles: Float[Tensor, " 3"], alpha: float, tau: float, stop: bool) -> dict[str, Tensor]:
    """Say what likely mistakes give."""
    correct = right_speeds(angles, alpha, tau, stop)
    pulled = circle_gradient(angles, alpha, tau, stop) * torch.tensor([1.0, 0.0], dtype=torch.float64)
    turn = pulled * torch.sin(angles[1:] - angles[0])
    return {
        "these are the gradients, which point uphill. Training goes down: return minus the gradient.": -correct,
        (
            "with stop=True the reward has to be detached, and is not: either the two cases are exchanged, or there is "
            "no detach() at all."
            if stop
            else "with stop=False the reward is detached too: the argument `stop` is not used."
        ): right_speeds(angles, alpha, tau, not stop),
        "nothing moves the negative: its similarity is detached in the logit too. Detach only the one in the "
        "reward.": torch.cat([-turn.sum()[None], turn]),
        "alpha was divided by tau: the reward is alpha times the cosine.": right_speeds(angles, alpha / tau, tau, stop),
        "the query stands still: the cosines must come from the differences angles[1:] - angles[0], so that the "
        "query's angle takes part.": correct * torch.tensor([0.0, 1.0, 1.0], dtype=torch.float64),
        "the reward is missing: these are InfoNCE's speeds, alpha = 0.": right_speeds(angles, 0.0, tau, stop),
    }


def teacher_loss(answer: Callable[..., Tensor], seed: int = 0) -> None:
    """Check the loss whose weights come from a teacher's vectors.

    Raises:
        Wrong: loss or gradient is wrong; the message names the likely mistake.
    """
    name = "teacher_loss"
    vectors = [random_unit_vectors(6, size, seed + number) for number, size in enumerate((4, 4, 7, 7))]
    queries, targets, teacher_queries, teacher_targets = vectors
    similarity, reward = queries @ targets.T, teacher_queries @ teacher_targets.T
    batch = replace(batch_of(queries, targets), reward_queries=teacher_queries, reward_targets=teacher_targets)
    for alpha, tau in CASES:
        trainer = value_and_gradient(HardnessWeighted(alpha, tau, both_directions=False), batch)
        found = scalar(name, answer(*vectors, alpha, tau), len(queries))
        compare(name, found, trainer.loss, mistaken_teachers(similarity, reward, alpha, tau))
        check_teacher_gradient(answer, vectors, alpha, tau, trainer.query_gradients)
    right("4.4", "Loss and gradient are the trainer's with a frozen reward, and none reaches the teacher.")


def mistaken_teachers(similarity: Matrix, reward: Matrix, alpha: float, tau: float) -> dict[str, Tensor]:
    """Say what likely mistakes give."""
    return {
        "the teacher's similarity stands in the logits in place of the policy's: the policy would learn nothing. The "
        "teacher only sets weights.": expected_loss(reward, reward, alpha, tau),
        "the teacher is exchanged with the policy: the logits are the policy's, the reward is the teacher's.": (
            expected_loss(reward, similarity, alpha, tau)
        ),
        "the weights come from the policy itself; the teacher is not used.": expected_loss(
            similarity, similarity, alpha, tau
        ),
        "alpha is applied after the temperature: the reward is the teacher's cosine, not its cosine / tau.": (
            expected_loss(similarity, reward / tau, alpha, tau)
        ),
        "the weights are missing: this is InfoNCE.": expected_loss(similarity, reward, 0.0, tau),
        "the reward's rows and columns are exchanged: row i are the teacher's similarities of query i, "
        "teacher_queries @ teacher_targets.T.": expected_loss(similarity, reward.T, alpha, tau),
    }


def check_teacher_gradient(
    answer: Callable[..., Tensor], vectors: list[Tensor], alpha: float, tau: float, expected: Tensor
) -> None:
    """Check that the policy's gradient is the trainer's and the teacher has none.

    Raises:
        Wrong: it is not so.
    """
    leaves = [each.clone().requires_grad_() for each in vectors]
    loss = answer(*leaves, alpha, tau)
    if not loss.requires_grad:
        raise Wrong("the loss is right, but it has no gradient at all: the policy's vectors are detached.")
    loss.backward()
    grads = [torch.zeros_like(leaf) if leaf.grad is None else leaf.grad for leaf in leaves]
    if any(bool((gradient != 0).any()) for gradient in grads[2:]):
        largest = max(float(gradient.abs().max()) for gradient in grads[2:])
        raise Wrong(
            f"your loss is right, but a gradient (up to {largest:.2g}) flows into the teacher, which would be trained "
            "to give low weights. Detach the teacher's similarities."
        )
    compare("the gradient of teacher_loss by the policy's queries", grads[0], expected, {})
