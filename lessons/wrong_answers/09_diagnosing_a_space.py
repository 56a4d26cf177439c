"""Wrong answers to lesson 9 that learners give, and what the checks say of each."""

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import normalize

from workbench.checks import lesson_09
from workbench.lessons.feedback import WrongAnswer

Vectors = Float[Tensor, "n d"]


def difference_of_lengths(first: Vectors, second: Vectors) -> tuple[Tensor, Tensor, Tensor]:
    """The gap is taken as the difference of the vectors' mean lengths."""
    gap = (first.norm(dim=1).mean() - second.norm(dim=1).mean()).abs()
    return gap, first, second


def gap_of_directions(first: Vectors, second: Vectors) -> tuple[Tensor, Tensor, Tensor]:
    """The means are made unit vectors before they are subtracted."""
    gap = normalize(first.mean(dim=0), dim=0) - normalize(second.mean(dim=0), dim=0)
    return gap.norm(), normalize(first - gap / 2, dim=1), normalize(second + gap / 2, dim=1)


def distance_of_pairs(first: Vectors, second: Vectors) -> tuple[Tensor, Tensor, Tensor]:
    """The mean distance of the pairs is taken for the distance of the means."""
    return (first - second).norm(dim=1).mean(), first, second


def not_normalised(first: Vectors, second: Vectors) -> tuple[Tensor, Tensor, Tensor]:
    """The moved vectors are not made unit vectors again."""
    gap = first.mean(dim=0) - second.mean(dim=0)
    return gap.norm(), first - gap / 2, second + gap / 2


def whole_gap(first: Vectors, second: Vectors) -> tuple[Tensor, Tensor, Tensor]:
    """Each side moves by the whole gap, so that they pass one another."""
    gap = first.mean(dim=0) - second.mean(dim=0)
    return gap.norm(), normalize(first - gap, dim=1), normalize(second + gap, dim=1)


def middle_of_each_pair(first: Vectors, second: Vectors) -> tuple[Tensor, Tensor, Tensor]:
    """Every pair is moved to its own middle: the right answers leak into the vectors."""
    gap = first.mean(dim=0) - second.mean(dim=0)
    middle = normalize((first + second) / 2, dim=1)
    return gap.norm(), middle, middle


def queries_counted(similarity: Float[Tensor, "m n"], k: int) -> Float[Tensor, " n"]:
    """Columns are searched in place of rows, so queries are counted."""
    nearest = similarity.topk(k, dim=0).indices
    return torch.bincount(nearest.flatten(), minlength=similarity.shape[1]).double()


def first_places(similarity: Float[Tensor, "m n"], k: int) -> Float[Tensor, " n"]:
    """Only first places are counted."""
    return torch.bincount(similarity.argmax(dim=1), minlength=similarity.shape[1]).double()


def own_answer_left_out(similarity: Float[Tensor, "m n"], k: int) -> Float[Tensor, " n"]:
    """The diagonal is left out as if a query were its own answer."""
    m, n = similarity.shape
    away = similarity.masked_fill(torch.eye(m, n, dtype=torch.bool), -torch.inf) if m == n else similarity
    return torch.bincount(away.topk(k, dim=1).indices.flatten(), minlength=n).double()


def no_minlength(similarity: Float[Tensor, "m n"], k: int) -> Float[Tensor, " _"]:
    """Items at the end that nobody finds have no count."""
    return torch.bincount(similarity.topk(k, dim=1).indices.flatten()).double()


def least_similar(similarity: Float[Tensor, "m n"], k: int) -> Float[Tensor, " n"]:
    """The k least similar items are taken for the nearest, as if the values were distances."""
    nearest = similarity.argsort(dim=1)[:, :k]
    return torch.bincount(nearest.flatten(), minlength=similarity.shape[1]).double()


def shares_forgotten(vectors: Vectors) -> Float[Tensor, ""]:
    """The singular values are not divided by their sum."""
    values = torch.linalg.svdvals(vectors) + 1e-7
    return (-(values * values.log()).sum()).exp()


def of_squares(vectors: Vectors) -> Float[Tensor, ""]:
    """The entropy is that of the squared singular values."""
    values = torch.linalg.svdvals(vectors).square()
    share = values / values.sum() + 1e-7
    return (-(share * share.log()).sum()).exp()


def participation_ratio(vectors: Vectors) -> Float[Tensor, ""]:
    """The participation ratio is given for the effective rank."""
    values = torch.linalg.svdvals(vectors).square()
    return values.sum() ** 2 / values.square().sum()


def zero_times_log_zero(vectors: Vectors) -> Float[Tensor, ""]:
    """A direction that is not used gives 0 * log(0)."""
    values = torch.linalg.svdvals(vectors)
    share = (values / values.sum()).where(values > 1e-12, 0.0)
    return (-(share * share.log()).sum()).exp()


def entropy_alone(vectors: Vectors) -> Float[Tensor, ""]:
    """The entropy is returned without exp()."""
    values = torch.linalg.svdvals(vectors)
    share = values / values.sum() + 1e-7
    return -(share * share.log()).sum()


def with_itself(vectors: Vectors, points: Float[Tensor, "n 2"], k: int) -> Float[Tensor, " n"]:
    """Each point counts as its own neighbour."""
    near = torch.cdist(vectors, vectors).topk(k, largest=False).indices
    shown = torch.cdist(points, points).topk(k, largest=False).indices
    return (near[:, :, None] == shown[:, None, :]).any(dim=2).double().mean(dim=1)


def both_on_the_map(vectors: Vectors, points: Float[Tensor, "n 2"], k: int) -> Float[Tensor, " n"]:
    """Both lists of neighbours are taken on the map."""
    distance = torch.cdist(points, points).fill_diagonal_(torch.inf)
    near = shown = distance.topk(k, largest=False).indices
    return (near[:, :, None] == shown[:, None, :]).any(dim=2).double().mean(dim=1)


def place_by_place(vectors: Vectors, points: Float[Tensor, "n 2"], k: int) -> Float[Tensor, " n"]:
    """A neighbour counts only at the same place of both lists."""
    near = torch.cdist(vectors, vectors).fill_diagonal_(torch.inf).topk(k, largest=False).indices
    shown = torch.cdist(points, points).fill_diagonal_(torch.inf).topk(k, largest=False).indices
    return (near == shown).double().mean(dim=1)


def farthest(vectors: Vectors, points: Float[Tensor, "n 2"], k: int) -> Float[Tensor, " n"]:
    """The k largest distances are taken."""
    near = torch.cdist(vectors, vectors).fill_diagonal_(torch.inf).topk(k).indices
    shown = torch.cdist(points, points).fill_diagonal_(torch.inf).topk(k).indices
    return (near[:, :, None] == shown[:, None, :]).any(dim=2).double().mean(dim=1)


def products_on_the_map(vectors: Vectors, points: Float[Tensor, "n 2"], k: int) -> Float[Tensor, " n"]:
    """On the map the largest products are taken for the nearest points."""
    near = torch.cdist(vectors, vectors).fill_diagonal_(torch.inf).topk(k, largest=False).indices
    shown = (points @ points.T).fill_diagonal_(-torch.inf).topk(k).indices
    return (near[:, :, None] == shown[:, None, :]).any(dim=2).double().mean(dim=1)


GAP, HUBS, RANK, KEPT = (
    lesson_09.remove_gap,
    lesson_09.k_occurrence,
    lesson_09.effective_rank,
    lesson_09.neighbours_kept,
)


def columns_normalised(first: Tensor, second: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The moved vectors are normalised along the wrong dimension."""
    gap = first.mean(dim=0) - second.mean(dim=0)
    return gap.norm(), normalize(first - gap / 2, dim=0), normalize(second + gap / 2, dim=0)


def one_threshold(similarity: Tensor, k: int) -> Tensor:
    """The m * k largest similarities of all, wherever they stand."""
    cut = similarity.flatten().topk(k * len(similarity)).values[-1]
    return (similarity >= cut).sum(dim=0)


def squared_shares(vectors: Tensor) -> Tensor:
    """An effective number by a sum of squares."""
    values = torch.linalg.svdvals(vectors)
    return 1 / (values / values.sum()).square().sum()


def angles(vectors: Tensor, points: Tensor, k: int) -> Tensor:
    """Neighbours by cosine, on the map too."""
    one, other = (
        (unit @ unit.T).fill_diagonal_(-torch.inf).topk(k).indices
        for unit in (normalize(vectors, dim=1), normalize(points, dim=1))
    )
    return (one[:, :, None] == other[:, None, :]).any(dim=2).double().mean(dim=1)


WRONG_ANSWERS: tuple[WrongAnswer, ...] = (
    WrongAnswer("9.1", GAP, gap_of_directions, "made the two means unit vectors before you subtracted"),
    WrongAnswer("9.1", GAP, difference_of_lengths, "difference of the mean lengths"),
    WrongAnswer("9.1", GAP, distance_of_pairs, "mean distance of the pairs"),
    WrongAnswer("9.1", GAP, not_normalised, "no longer have length 1"),
    WrongAnswer("9.1", GAP, whole_gap, "moved by the whole gap"),
    WrongAnswer("9.1", GAP, middle_of_each_pair, "the labels have leaked"),
    WrongAnswer("9.1", lesson_09.remove_gap, columns_normalised, "You normalised the columns"),
    WrongAnswer("9.2", HUBS, queries_counted, "asked each item for its nearest queries"),
    WrongAnswer("9.2", HUBS, first_places, "how often an item comes first"),
    WrongAnswer("9.2", HUBS, own_answer_left_out, "left out the diagonal"),
    WrongAnswer("9.2", HUBS, no_minlength, "Give it minlength="),
    WrongAnswer("9.2", HUBS, least_similar, "k least similar"),
    WrongAnswer("9.2", lesson_09.k_occurrence, one_threshold, "largest similarities of the whole matrix"),
    WrongAnswer("9.3", RANK, shares_forgotten, "not made shares"),
    WrongAnswer("9.3", RANK, of_squares, "squares of the singular values"),
    WrongAnswer("9.3", RANK, participation_ratio, "participation ratio"),
    WrongAnswer("9.3", RANK, zero_times_log_zero, "0 * log(0) is NaN"),
    WrongAnswer("9.3", RANK, entropy_alone, "entropy itself, in nats"),
    WrongAnswer("9.3", lesson_09.effective_rank, squared_shares, "one over the sum of the squared shares"),
    WrongAnswer("9.4", KEPT, with_itself, "its own nearest neighbour"),
    WrongAnswer("9.4", KEPT, both_on_the_map, "Both lists of neighbours come from the same place"),
    WrongAnswer("9.4", KEPT, place_by_place, "place by place"),
    WrongAnswer("9.4", KEPT, farthest, "k farthest"),
    WrongAnswer("9.4", KEPT, products_on_the_map, "largest products"),
    WrongAnswer("9.4", lesson_09.neighbours_kept, angles, "You compared directions"),
)
