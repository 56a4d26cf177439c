"""Checks of lesson 5: the loss of own rows, a gather with a gradient, the error of a gradient, DDP's factor.

The gathers run in two real processes, and gradients are compared, not losses: a wrong gather has the right loss.
"""

from collections.abc import Callable, Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from core.objectives.infonce import InfoNCE
from workbench.checks.data_parallel_steps import STEPS, all_rows_loss, right_loss, rows_loss
from workbench.checks.gather_probe import contrast, gather_probe, objectives
from workbench.lessons.data_parallel import TAU, gradient_on_rank, whole_gradient
from workbench.lessons.feedback import Wrong, compare, right, same, tensor_like
from workbench.lessons.processes import run_on_ranks

WORLD = 2
EXACT = 1e-12


def unit(seed: int, *shape: int) -> Tensor:
    """Return random unit vectors, float64."""
    generator = torch.Generator().manual_seed(seed)
    return torch.nn.functional.normalize(torch.randn(*shape, generator=generator, dtype=torch.float64), dim=-1)


# 5.1


def own_rows_loss(answer: Callable[[Tensor, Tensor, int, float], Tensor], seed: int = 0) -> None:
    """Check the loss of one rank's rows against all columns: by hand, rank by rank, and against the trainer's."""
    by_hand(answer)
    world, n = 3, 4
    queries, targets = unit(seed, world * n, 6), unit(seed + 100, world * n, 6)
    parts = []
    for number in range(world):
        mine = slice(number * n, (number + 1) * n)
        found = called(answer, queries[mine], targets, number)
        compare(
            f"The loss of rank {number} of {world}",
            found,
            rows_loss(queries[mine] @ targets.T / TAU, number * n),
            loss_mistakes(queries[mine], targets, number),
        )
        parts.append(found)
    q, other = queries[:n], 2 * TAU
    compare(
        f"The loss at tau = {other}",
        answer(q, targets, 0, other),
        rows_loss(q @ targets.T / other, 0),
        {"Another tau gives the same loss: divide by the argument `tau`, not by the constant TAU.": parts[0]},
    )
    against_the_trainer(answer, queries, targets, torch.stack(parts).mean())
    right("5.1", f"The mean over {world} ranks is the trainer's loss of the whole batch, and so is its gradient.")


def by_hand(answer: Callable[[Tensor, Tensor, int, float], Tensor]) -> None:
    """Return two ranks of one row, four numbers: rank 1's right answer is column 1."""
    found = called(answer, torch.eye(2, dtype=torch.float64)[1:], torch.eye(2, dtype=torch.float64), 1)
    expected = torch.log1p(torch.exp(torch.tensor(-1 / TAU, dtype=torch.float64)))
    found = tensor_like("The loss", found, expected)
    if same(found, expected + 1 / TAU):
        raise Wrong(
            "Rank 1 takes column 0 for the right answer of its row 0, but that is rank 0's target. Rank r's row i "
            "belongs to column r * n + i: add the offset rank * n to the labels."
        )


def called(answer: Callable[[Tensor, Tensor, int, float], Tensor], q: Tensor, t: Tensor, number: int) -> Tensor:
    """Return the learner's loss of one rank.

    Raises:
        Wrong: a label lies beyond the last column, or the shapes do not fit.
    """
    try:
        return answer(q, t, number, TAU)
    except IndexError as error:
        raise Wrong(
            f"A label lies beyond the last column ({error}). With n = {len(q)} own rows the labels of rank {number} "
            "are rank * n .. rank * n + n - 1: multiply the rank by n, the own rows, not by N."
        ) from error


def loss_mistakes(q: Float[Tensor, "n d"], t: Float[Tensor, "total d"], number: int) -> dict[str, Tensor]:
    """From what each mistake is to the loss that it gives."""
    n, total = len(q), len(t)
    logits = q @ t.T / TAU
    mine = slice(number * n, (number + 1) * n)
    mean = rows_loss(logits, number * n)
    mistakes = {
        "Your labels start at `rank`, as if each rank owned one row. Rank r owns n rows: they start at rank * n.": (
            rows_loss(logits, min(number, total - n))
        ),
        "Your labels start at 0 on every rank. Rank r's targets are columns r * n .. r * n + n - 1: add rank * n.": (
            rows_loss(logits, 0)
        ),
        "Each query sees only this rank's own targets: n - 1 negatives. Use all N columns.": (
            rows_loss(logits[:, mine], 0)
        ),
        f"The loss is the sum over the rows, not their mean: {n} times too large. Divide by n, the own rows.": n * mean,
        "The loss is divided by N, the rows of all ranks. Divide by n, the own rows: DDP's mean does the rest.": (
            mean * n / total
        ),
        "The similarities are multiplied by tau. Divide by it: small tau, sharp softmax.": (
            rows_loss(logits * TAU * TAU, number * n)
        ),
        "The similarities are not divided by tau.": rows_loss(logits * TAU, number * n),
    }
    return {message: value for message, value in mistakes.items() if not same(value, mean)}


def against_the_trainer(
    answer: Callable[[Tensor, Tensor, int, float], Tensor], queries: Tensor, targets: Tensor, loss: Tensor
) -> None:
    """Check that the mean over ranks equals the trainer's loss and gradient, in one direction and in both."""
    world, n = 3, len(queries) // 3
    trainer = contrast(InfoNCE(TAU, both_directions=False), queries, targets)
    compare("The mean over ranks", loss, trainer.loss, {}, EXACT)
    q, t = queries.clone().requires_grad_(), targets.clone().requires_grad_()
    halves = [
        answer(a[number * n : (number + 1) * n], b, number, TAU) for number in range(world) for a, b in ((q, t), (t, q))
    ]
    torch.stack(halves).mean().backward()
    both = contrast(InfoNCE(TAU), queries, targets)
    for name, found, expected in (("queries", q, both.query_gradients), ("targets", t, both.target_gradients)):
        if found.grad is None:
            raise Wrong(
                f"No gradient reaches the {name}. Keep the loss a tensor: no .item(), no .detach(), no float()."
            )
        compare(f"The gradient of the {name}", found.grad, expected, {}, EXACT)


# 5.2

NO_GRADIENT = (
    "Your gather's result has no gradient at all: dist.all_gather fills plain tensors. The loss is right, and no "
    "target ever learns from it. Write the backward, and call the Function with .apply."
)
OWN_SLOT = (
    "You put your own rows back into the gathered tensor, so they have a gradient - but only of your own loss. Your "
    "targets are negatives of the other ranks' queries too, and that part is lost. It takes a backward that sums."
)
NO_SUM = (
    "Your backward returns the own rows of this rank's gradient alone. The other ranks' losses depend on your rows "
    "too: first sum the gradient over ranks (dist.all_reduce), then take the own rows."
)
NO_SLICE = (
    "Your backward returns a gradient for all N rows. It must have the shape of the input: of the summed gradient, "
    "only this rank's own n rows."
)
AVERAGED = (
    "Your backward averages over ranks: the gradient is W times too small. The ranks' losses add up here, so sum; "
    "it is DDP that averages, later and once."
)
OTHER_ROWS = (
    "The sum is right, but you take another rank's rows of it. Rank r owns rows r * n .. r * n + n - 1, with this "
    "process's rank = dist.get_rank()."
)
SLICED_FIRST = (
    "You cut out each rank's own rows first and summed the pieces: that adds gradients of different rows. Sum all N "
    "rows over ranks (dist.all_reduce), then take the own rows of the sum."
)
ORDER = "Your gathered rows are not in the order of ranks: rank r's rows belong at r * n .. r * n + n - 1."
ALONE = (
    "Only this rank's own rows are there, the others are zero: dist.all_gather fills a list of W tensors; join them."
)


def gather(answer: Callable[[Tensor], Tensor], seed: int = 0) -> None:
    """Check a gather on two real processes: its rows, its backward as a linear map, and a whole training step."""
    n, d = 3, 5
    x, coefficients = unit(seed, WORLD * n, d), unit(seed + 1, WORLD, WORLD * n, d)
    ranks = run_on_ranks(gather_probe, WORLD, x, coefficients, unit(seed + 2, WORLD * n, d), gather=answer)
    if any("kind" in each for each in ranks):
        raise Wrong("Your gather returned no tensor. It must return the rows of all ranks as one (N, d) tensor.")
    for number, each in enumerate(ranks):
        zero = torch.zeros_like(x)
        zero[number * n : (number + 1) * n] = x[number * n : (number + 1) * n]
        orders = {ORDER: x.roll(n, 0), ORDER + " ": x.view(WORLD, n, d).transpose(0, 1).reshape(-1, d), ALONE: zero}
        compare(f"What rank {number} gathered", each["rows"], x, {k.strip(): v for k, v in orders.items()}, EXACT)
    if any("invalid" in each for each in ranks):
        raise Wrong(NO_SLICE)
    if not all(bool(each["carries"]) for each in ranks):
        raise Wrong(NO_GRADIENT)
    for number, each in enumerate(ranks):
        check_backward(number, each, coefficients, n)
    check_step(ranks, x, unit(seed + 2, WORLD * n, d))
    right(
        "5.2",
        "On 2 processes the gradient equals the trainer's (relative 1e-12), with InfoNCE and with LLaVE's weights.",
    )


def check_backward(number: int, found: dict[str, Tensor], coefficients: Float[Tensor, "world total d"], n: int) -> None:
    """Return the gradient of sum_r <C_r, gather(x)> by the own rows is the own rows of sum_r C_r."""
    total, mine = coefficients.sum(0), slice(number * n, (number + 1) * n)
    other = slice((1 - number) * n, (2 - number) * n)
    compare(
        f"The gradient of rank {number}'s rows",
        found["gradient"],
        total[mine],
        {
            (NO_SUM if bool(found["custom"]) else OWN_SLOT): coefficients[number, mine],
            AVERAGED: total[mine] / WORLD,
            OTHER_ROWS: total[other],
            SLICED_FIRST: torch.stack([each[rank * n :][:n] for rank, each in enumerate(coefficients)]).sum(0),
            "Your backward sums, but gives the other ranks' part alone: the own loss counts too.": (
                total[mine] - coefficients[number, mine]
            ),
        },
        EXACT,
    )


def check_step(ranks: Sequence[dict[str, Tensor]], queries: Tensor, targets: Tensor) -> None:
    """With local losses averaged over ranks, the gradients of both sides are the trainer's, in one process and here."""
    for name, objective in objectives().items():
        whole = contrast(objective, queries, targets)
        for side, expected in (("queries", whole.query_gradients), ("targets", whole.target_gradients)):
            found = torch.cat([each[f"{name}/{side}"] for each in ranks]) / WORLD
            compare(f"With {name}, the gradient of the {side}", found, expected, {}, EXACT)
            trainers = torch.cat([each[f"{name}/{side}/trainer"] for each in ranks])
            compare(f"With {name} over {WORLD} processes, the gradient of the {side}", found, trainers, {}, EXACT)


# 5.3


def gradient_error(answer: Callable[..., float], seed: int = 0) -> None:
    """Check a measure of gradients on steps whose errors are known: 0, 1/2, 1, 2, and one that differs by rank."""
    n, inputs, d = 4, 6, 5
    queries, targets, weight = (
        unit(seed, WORLD * n, inputs),
        unit(seed + 1, WORLD * n, inputs),
        unit(seed + 2, inputs, d),
    )
    whole = whole_gradient(weight, queries, targets)
    for step, words in STEPS.items():
        found = answer(step, weight, queries, targets)
        if isinstance(found, Tensor) and found.numel() == 1:
            found = float(found)
        if isinstance(found, bool) or not isinstance(found, int | float):
            raise Wrong(f"gradient_error gave a {type(found).__name__}; one number is expected.")
        ranks = run_on_ranks(gradient_on_rank, WORLD, weight, queries, targets, step=step)
        expected, mistakes = errors(ranks, whole["gradient"], whole["loss"])
        if abs(found - expected) <= EXACT:
            continue
        compare(f"The error of a step {words}", as_tensor(found), as_tensor(expected), mistakes, 1e-9)
    right(
        "5.3",
        "It finds no error (below 1e-12) in the right step, and exactly 1/2, 1 and 2 where the gradient is so far off.",
    )


def as_tensor(value: float) -> Tensor:
    """Return a float64 number."""
    return torch.tensor(float(value), dtype=torch.float64)


def errors(
    ranks: Sequence[dict[str, Tensor]], whole: Float[Tensor, "inputs d"], loss: Tensor
) -> tuple[float, dict[str, Tensor]]:
    """Return the relative error of the averaged gradient, and from each mistake's message to what it gives."""
    gradients, losses = [each["gradient"] for each in ranks], [each["loss"] for each in ranks]
    mean, total = torch.stack(gradients).mean(0), torch.stack(gradients).sum(0)
    expected = float((mean - whole).norm() / whole.norm())
    cosine = torch.cosine_similarity(mean.flatten(), whole.flatten(), dim=0)
    wrong = {
        "You compare losses. An impostor has the right loss: compare gradients.": (
            (torch.stack(losses).mean() - loss).abs() / loss.abs()
        ),
        "You compare one rank's gradient. DDP averages the gradients of all ranks before the weights move.": (
            (gradients[0] - whole).norm() / whole.norm()
        ),
        "You add the ranks' gradients. DDP averages them: divide by the number of ranks.": (
            (total - whole).norm() / whole.norm()
        ),
        "You average the ranks' errors. No rank's gradient is right alone: average the gradients, then compare.": (
            torch.stack([(each - whole).norm() / whole.norm() for each in gradients]).mean()
        ),
        "Your mean has no `dim`: it makes one number of all entries. Take torch.stack(...).mean(dim=0), over ranks.": (
            (mean.mean() - whole).norm() / whole.norm()
        ),
        "The error is not relative: divide by the norm of the right gradient.": (mean - whole).norm(),
        "You divide by the norm of the found gradient. Divide by the right one's: it does not depend on the mistake.": (
            (mean - whole).norm() / mean.norm()
        ),
        "You compare directions alone (a cosine): half the gradient would pass. Take |difference| / |right|.": (
            1 - cosine
        ),
        "You compare lengths alone: a wrong direction would pass. Take |difference| / |right|.": (
            (mean.norm() - whole.norm()).abs() / whole.norm()
        ),
    }
    return expected, {message: value for message, value in wrong.items() if abs(float(value) - expected) > 1e-9}


# 5.4


def loss_factor(answer: Callable[[str, str, int], float], seed: int = 0) -> None:
    """Check the factor of each rank's loss for what a rank computes and how gradients are combined."""
    cases = [(rows, combine, world) for rows in ("own", "all") for combine in ("mean", "sum") for world in (1, 2, 8)]
    found = []
    for case in cases:
        factor = answer(*case)
        if isinstance(factor, bool) or not isinstance(factor, int | float):
            raise Wrong(f"loss_factor{case} gave a {type(factor).__name__}; a number is expected.")
        found.append(float(factor))
    given = torch.tensor(found, dtype=torch.float64)
    right_ones = factors(cases, lambda rows, combine, world: world ** ((rows == "all") - (combine == "sum")))
    compare(
        f"loss_factor (furthest off for {cases[int((given - right_ones).abs().argmax())]})",
        given,
        right_ones,
        {
            "You forget that with all rows each rank's backward reaches only its own rows' vectors: the mean over "
            "ranks then divides by W what nobody multiplied. all + mean needs W.": (
                factors(cases, lambda rows, combine, world: world ** -(combine == "sum"))
            ),
            "You forget how gradients are combined: `sum` is W times `mean`, so its factor is W times smaller.": (
                factors(cases, lambda rows, combine, world: world ** (rows == "all"))
            ),
            "The two factors for `own` and `all` are exchanged: own rows + mean is what needs no factor.": (
                factors(cases, lambda rows, combine, world: world ** ((rows == "own") - (combine == "sum")))
            ),
            "mean and sum are exchanged: own rows + mean needs no factor, own rows + sum needs 1 / W.": (
                factors(cases, lambda rows, combine, world: world ** ((rows == "all") - (combine == "mean")))
            ),
            "You wrote 2 for the number of ranks; it is the argument `world`.": (
                factors(cases, lambda rows, combine, world: 2 ** ((rows == "all") - (combine == "sum")))
            ),
            "The factors are upside down: the loss is multiplied by them.": (
                factors(cases, lambda rows, combine, world: world ** ((combine == "sum") - (rows == "all")))
            ),
            "A factor of 1 everywhere is right for own rows + mean and all rows + sum; the other two are off by W.": (
                factors(cases, lambda rows, combine, world: 1.0)
            ),
        },
    )
    in_processes(answer, seed)
    right("5.4", "In 2 processes all four ways then give the gradient of one process.")


def factors(cases: Sequence[tuple[str, str, int]], rule: Callable[[str, str, int], float]) -> Float[Tensor, " cases"]:
    """Return a rule's factors."""
    return torch.tensor([float(rule(*case)) for case in cases], dtype=torch.float64)


def in_processes(answer: Callable[[str, str, int], float], seed: int) -> None:
    """Return the four ways with the learner's factors, on real processes."""
    queries, targets, weight = unit(seed, 8, 6), unit(seed + 1, 8, 6), unit(seed + 2, 6, 5)
    whole = whole_gradient(weight, queries, targets)["gradient"]
    for rows, step in (("own", right_loss), ("all", all_rows_loss)):
        ranks = run_on_ranks(gradient_on_rank, WORLD, weight, queries, targets, step=step)
        total = torch.stack([each["gradient"] for each in ranks]).sum(0)
        for combine, gradient in (("mean", total / WORLD), ("sum", total)):
            factor = float(answer(rows, combine, WORLD))
            compare(f"The gradient of {rows} rows with {combine}", factor * gradient, whole, {}, EXACT)
