"""What learners write in lesson 5, and what its checks say of it."""

from collections.abc import Callable

import torch
import torch.distributed as dist
from torch import Tensor
from torch.autograd.function import FunctionCtx
from torch.nn.functional import cross_entropy

from workbench.checks import lesson_05
from workbench.lessons.data_parallel import TAU, gradient_on_rank, whole_gradient
from workbench.lessons.feedback import WrongAnswer
from workbench.lessons.processes import run_on_ranks

Step = Callable[[Tensor, Tensor], Tensor]


def no_offset(queries: Tensor, all_targets: Tensor, rank: int, tau: float = 0.05) -> Tensor:
    """The labels start at 0 on every rank."""
    return cross_entropy(queries @ all_targets.T / tau, torch.arange(len(queries)))


def rank_as_offset(queries: Tensor, all_targets: Tensor, rank: int, tau: float = 0.05) -> Tensor:
    """The offset is the rank itself, as if each rank owned one row."""
    return cross_entropy(queries @ all_targets.T / tau, rank + torch.arange(len(queries)))


def offset_by_columns(queries: Tensor, all_targets: Tensor, rank: int, tau: float = 0.05) -> Tensor:
    """The rank is multiplied by N, all columns, in place of n."""
    return cross_entropy(queries @ all_targets.T / tau, rank * len(all_targets) + torch.arange(len(queries)))


def own_columns(queries: Tensor, all_targets: Tensor, rank: int, tau: float = 0.05) -> Tensor:
    """Only this rank's own targets are columns, so the gather was for nothing."""
    n = len(queries)
    return cross_entropy(queries @ all_targets[rank * n : (rank + 1) * n].T / tau, torch.arange(n))


def over_all_rows(queries: Tensor, all_targets: Tensor, rank: int, tau: float = 0.05) -> Tensor:
    """The sum over own rows is divided by N, so DDP's mean divides by W a second time."""
    labels = rank * len(queries) + torch.arange(len(queries))
    return cross_entropy(queries @ all_targets.T / tau, labels, reduction="sum") / len(all_targets)


def constant_tau(queries: Tensor, all_targets: Tensor, rank: int, tau: float = 0.05) -> Tensor:
    """It divides by the lesson's TAU, whatever tau it is given."""
    logits = queries @ all_targets.T / TAU
    return cross_entropy(logits, rank * len(queries) + torch.arange(len(queries)))


def plain(local: Tensor) -> Tensor:
    """dist.all_gather alone: right values that carry no gradient."""
    pieces = [torch.empty_like(local) for _ in range(dist.get_world_size())]
    dist.all_gather(pieces, local)
    return torch.cat(pieces)


def own_slot_put_back(local: Tensor) -> Tensor:
    """A plain gather in which the own rows are replaced by the live ones: remote targets stay detached."""
    pieces = [torch.empty_like(local) for _ in range(dist.get_world_size())]
    dist.all_gather(pieces, local)
    pieces[dist.get_rank()] = local
    return torch.cat(pieces)


class Joined(torch.autograd.Function):
    """The right forward, for wrong backwards."""

    @staticmethod
    def forward(ctx: FunctionCtx, local: Tensor) -> Tensor:
        return plain(local)


def forgets_to_sum(local: Tensor) -> Tensor:
    """The backward returns the own rows of this rank's own gradient."""

    class Gather(Joined):
        @staticmethod
        def backward(ctx: FunctionCtx, *gradients: Tensor) -> Tensor:
            return gradients[0].chunk(dist.get_world_size())[dist.get_rank()]

    return Gather.apply(local)


def averages(local: Tensor) -> Tensor:
    """The backward averages over ranks, as DDP will do once more."""

    class Gather(Joined):
        @staticmethod
        def backward(ctx: FunctionCtx, *gradients: Tensor) -> Tensor:
            total = gradients[0].clone()
            dist.all_reduce(total)
            return (total / dist.get_world_size()).chunk(dist.get_world_size())[dist.get_rank()]

    return Gather.apply(local)


def another_ranks_rows(local: Tensor) -> Tensor:
    """The backward sums, and takes the rows of the next rank."""

    class Gather(Joined):
        @staticmethod
        def backward(ctx: FunctionCtx, *gradients: Tensor) -> Tensor:
            total = gradients[0].clone()
            dist.all_reduce(total)
            return total.chunk(dist.get_world_size())[(dist.get_rank() + 1) % dist.get_world_size()]

    return Gather.apply(local)


def all_rows_back(local: Tensor) -> Tensor:
    """The backward returns the summed gradient of all rows."""

    class Gather(Joined):
        @staticmethod
        def backward(ctx: FunctionCtx, *gradients: Tensor) -> Tensor:
            total = gradients[0].clone()
            dist.all_reduce(total)
            return total

    return Gather.apply(local)


def sliced_first(local: Tensor) -> Tensor:
    """The backward cuts out the own rows and sums the pieces, which belong to different rows."""

    class Gather(Joined):
        @staticmethod
        def backward(ctx: FunctionCtx, *gradients: Tensor) -> Tensor:
            own = gradients[0].chunk(dist.get_world_size())[dist.get_rank()].clone()
            dist.all_reduce(own)
            return own

    return Gather.apply(local)


def compares_losses(step: Step, weight: Tensor, queries: Tensor, targets: Tensor) -> float:
    """It compares losses, which impostors get right."""
    ranks = run_on_ranks(gradient_on_rank, 2, weight, queries, targets, step=step)
    whole = whole_gradient(weight, queries, targets)["loss"]
    return float((sum(each["loss"] for each in ranks) / 2 - whole).abs() / whole)


def one_rank(step: Step, weight: Tensor, queries: Tensor, targets: Tensor) -> float:
    """It takes rank 0's gradient for DDP's."""
    ranks = run_on_ranks(gradient_on_rank, 2, weight, queries, targets, step=step)
    whole = whole_gradient(weight, queries, targets)["gradient"]
    return float((ranks[0]["gradient"] - whole).norm() / whole.norm())


def adds(step: Step, weight: Tensor, queries: Tensor, targets: Tensor) -> float:
    """It adds the ranks' gradients, where DDP averages."""
    ranks = run_on_ranks(gradient_on_rank, 2, weight, queries, targets, step=step)
    whole = whole_gradient(weight, queries, targets)["gradient"]
    return float((sum(each["gradient"] for each in ranks) - whole).norm() / whole.norm())


def mean_of_errors(step: Step, weight: Tensor, queries: Tensor, targets: Tensor) -> float:
    """It takes each rank's error and averages those, not the gradients."""
    ranks = run_on_ranks(gradient_on_rank, 2, weight, queries, targets, step=step)
    whole = whole_gradient(weight, queries, targets)["gradient"]
    return float(sum((each["gradient"] - whole).norm() / whole.norm() for each in ranks) / 2)


def directions_alone(step: Step, weight: Tensor, queries: Tensor, targets: Tensor) -> float:
    """It compares directions, so a gradient W times too small passes."""
    ranks = run_on_ranks(gradient_on_rank, 2, weight, queries, targets, step=step)
    found = torch.stack([each["gradient"] for each in ranks]).mean(0).flatten()
    whole = whole_gradient(weight, queries, targets)["gradient"].flatten()
    return 1 - float(torch.cosine_similarity(found, whole, dim=0))


def not_relative(step: Step, weight: Tensor, queries: Tensor, targets: Tensor) -> float:
    """The norm of the difference is not divided by anything."""
    ranks = run_on_ranks(gradient_on_rank, 2, weight, queries, targets, step=step)
    whole = whole_gradient(weight, queries, targets)["gradient"]
    return float((sum(each["gradient"] for each in ranks) / 2 - whole).norm())


def no_times_world(rows: str, combine: str, world: int) -> float:
    """The factor W for all rows with a plain gather is forgotten."""
    return 1.0 if combine == "mean" else 1.0 / world


def combine_ignored(rows: str, combine: str, world: int) -> float:
    """It makes no difference between mean and sum."""
    return float(world) if rows == "all" else 1.0


def rows_exchanged(rows: str, combine: str, world: int) -> float:
    """Own rows get the factor W, and all rows none."""
    factor = float(world) if rows == "own" else 1.0
    return factor if combine == "mean" else factor / world


def always_one(rows: str, combine: str, world: int) -> float:
    """No factor anywhere."""
    return 1.0


def two_for_world(rows: str, combine: str, world: int) -> float:
    """It knows that this lesson has two ranks, and writes 2 for world."""
    return (2.0 if rows == "all" else 1.0) / (2.0 if combine == "sum" else 1.0)


WRONG_ANSWERS = (
    WrongAnswer("5.1", lesson_05.own_rows_loss, no_offset, "add the offset rank * n"),
    WrongAnswer("5.1", lesson_05.own_rows_loss, rank_as_offset, "start at `rank`"),
    WrongAnswer("5.1", lesson_05.own_rows_loss, offset_by_columns, "beyond the last column"),
    WrongAnswer("5.1", lesson_05.own_rows_loss, own_columns, "only this rank's own targets"),
    WrongAnswer("5.1", lesson_05.own_rows_loss, over_all_rows, "divided by N"),
    WrongAnswer("5.1", lesson_05.own_rows_loss, constant_tau, "not by the constant TAU"),
    WrongAnswer("5.2", lesson_05.gather, plain, "no gradient at all"),
    WrongAnswer("5.2", lesson_05.gather, own_slot_put_back, "put your own rows back"),
    WrongAnswer("5.2", lesson_05.gather, forgets_to_sum, "own rows of this rank's gradient alone"),
    WrongAnswer("5.2", lesson_05.gather, averages, "W times too small"),
    WrongAnswer("5.2", lesson_05.gather, another_ranks_rows, "another rank's rows"),
    WrongAnswer("5.2", lesson_05.gather, all_rows_back, "a gradient for all N rows"),
    WrongAnswer("5.2", lesson_05.gather, sliced_first, "gradients of different rows"),
    WrongAnswer("5.3", lesson_05.gradient_error, compares_losses, "compare losses"),
    WrongAnswer("5.3", lesson_05.gradient_error, one_rank, "one rank's gradient"),
    WrongAnswer("5.3", lesson_05.gradient_error, adds, "add the ranks' gradients"),
    WrongAnswer("5.3", lesson_05.gradient_error, mean_of_errors, "average the ranks' errors"),
    WrongAnswer("5.3", lesson_05.gradient_error, directions_alone, "compare directions alone"),
    WrongAnswer("5.3", lesson_05.gradient_error, not_relative, "not relative"),
    WrongAnswer("5.4", lesson_05.loss_factor, no_times_world, "all + mean needs W"),
    WrongAnswer("5.4", lesson_05.loss_factor, combine_ignored, "how gradients are combined"),
    WrongAnswer("5.4", lesson_05.loss_factor, rows_exchanged, "are exchanged"),
    WrongAnswer("5.4", lesson_05.loss_factor, always_one, "off by W"),
    WrongAnswer("5.4", lesson_05.loss_factor, two_for_world, "2 for the number of ranks"),
)
