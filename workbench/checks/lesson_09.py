"""Checks of lesson 9: the modality gap and its removal, k-occurrence, effective rank, neighbours kept by a map."""

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import normalize

from workbench.lessons.feedback import Wrong, compare, right, tensor_like
from workbench.measures import geometry, hubness, modality_gap
from workbench.projection import projection

ALMOST = 1e-4
"""Tolerance where the measure adds 1e-7 to each share, and a learner may keep clear of log 0 in another way."""
SINGLE = 1e-5
"""Tolerance of agreement with measures that work in float32."""


def remove_gap(answer: Callable[[Tensor, Tensor], tuple[Tensor, Tensor, Tensor]], seed: int = 0) -> None:
    """Exercise 9.1.

    Raises:
        Wrong: the gap or the moved vectors are wrong; the message names the likely mistake.
    """
    first, second = two_shells(seed, 40, 40)
    given = first.clone(), second.clone()
    gap, *moved = parts_of(answer(first, second))
    if not (torch.equal(first, given[0]) and torch.equal(second, given[1])):
        raise Wrong("Your function changes the vectors that it is given (`-=` works in place). Write x = x - ... ")
    difference = first.mean(dim=0) - second.mean(dim=0)
    compare("the gap", gap, difference.norm(), gap_mistakes(first, second))
    both = torch.cat([tensor_like(f"moved side {number}", each, first) for number, each in enumerate(moved, start=1)])
    expected = torch.cat([normalize(first - difference / 2, dim=1), normalize(second + difference / 2, dim=1)])
    compare("the moved vectors", both, expected, move_mistakes(first, second))
    first, second = two_shells(seed + 1, 30, 20)
    gap, *moved = parts_of(answer(first, second))
    compare("the gap of sides of 30 and 20 vectors", gap, (first.mean(dim=0) - second.mean(dim=0)).norm(), {})
    closed = modality_gap.closed(first.numpy(), second.numpy())
    for number, (mine, theirs) in enumerate(zip(moved, closed, strict=True), start=1):
        compare(f"moved side {number} of 30 and 20 vectors", mine, torch.from_numpy(theirs).double(), {}, SINGLE)
    before, after = modality_gap.gap(first.numpy(), second.numpy()), modality_gap.gap(*closed)
    right("9.1", f"On two shells the gap falls from {before:.2f} to {after:.2f}; agrees with the explorer's measure.")


def two_shells(
    seed: int, first: int, second: int, dimensions: int = 8
) -> tuple[Float[Tensor, "a d"], Float[Tensor, "b d"]]:
    """Return unit vectors around two places of the sphere: a gap of known origin."""
    generator = torch.Generator().manual_seed(seed)
    places = torch.randn(2, dimensions, generator=generator, dtype=torch.float64)
    sides = [
        places[side] + 0.7 * torch.randn(count, dimensions, generator=generator, dtype=torch.float64)
        for side, count in enumerate((first, second))
    ]
    return normalize(sides[0], dim=1), normalize(sides[1], dim=1)


def parts_of(found: object) -> tuple[object, object, object]:
    """Return the three results of exercise 9.1. Raises Wrong."""
    if not isinstance(found, tuple) or len(found) != 3:
        shape = f"a tuple of {len(found)}" if isinstance(found, tuple) else f"a {type(found).__name__}"
        raise Wrong(f"The function gave {shape}; return three things: the gap, the moved first side, the moved second.")
    return found


def gap_mistakes(first: Tensor, second: Tensor) -> dict[str, Tensor]:
    """Say what wrong gaps look like."""
    means = first.mean(dim=0), second.mean(dim=0)
    return {
        "You made the two means unit vectors before you subtracted them. That is the distance of two directions; the "
        "gap is between the means as they are, so a spread-out side counts with its short mean.": (
            normalize(means[0], dim=0) - normalize(means[1], dim=0)
        ).norm(),
        "This is the difference of the mean lengths. All vectors have length 1, so it is 0 however far apart the sides "
        "lie. Average the vectors first, then take the length of the difference.": (
            first.norm(dim=1).mean() - second.norm(dim=1).mean()
        ).abs(),
        "This is the difference of the lengths of the two means. Two means of one length can lie on opposite sides: "
        "subtract the vectors, then take the length.": (means[0].norm() - means[1].norm()).abs(),
        "This is the mean distance of the pairs (alignment without its square). Every pair differs for reasons of its "
        "own; the gap is what is left when each side is averaged first.": (first - second).norm(dim=1).mean(),
        "The gap is squared. Take the square root: .norm() does.": (means[0] - means[1]).square().sum(),
        "You averaged over the dimensions (dim=1). The mean of a side is over its vectors: dim=0.": (
            first.mean(dim=1) - second.mean(dim=1)
        ).norm(),
    }


def move_mistakes(first: Tensor, second: Tensor) -> dict[str, Tensor]:
    """Say what wrong moves look like."""
    mean = first.mean(dim=0), second.mean(dim=0)
    gap, middle = mean[0] - mean[1], (first + second) / 2

    def both(one: Tensor, other: Tensor, unit: bool = True) -> Tensor:
        return torch.cat([normalize(one, dim=1), normalize(other, dim=1)] if unit else [one, other])

    return {
        "The moved vectors no longer have length 1, so their products are no cosines and long vectors win every "
        "ranking. Normalise each row after the move.": both(first - gap / 2, second + gap / 2, unit=False),
        "Each side moved by the whole gap, so they passed one another and the gap is there again the other way round. "
        "Each side moves by half.": both(first - gap, second + gap),
        "The sides moved apart: the gap has doubled. It points from the second mean to the first, so subtract half of "
        "it from the first side and add half of it to the second.": both(first + gap / 2, second - gap / 2),
        "Only the first side moved. Move each side by half, so that neither is favoured by the normalising.": both(
            first - gap, second
        ),
        "You took each side's own mean away. That closes the gap, but also throws away what both sides have in common "
        "(their common mean). Move by half of the gap only.": both(first - mean[0], second - mean[1]),
        "You normalised the columns (dim=0). A unit vector is a row here: normalize(..., dim=1).": torch.cat(
            [normalize(first - gap / 2, dim=0), normalize(second + gap / 2, dim=0)]
        ),
        "You made the gap a unit vector before you took half of it, so every gap is closed by the same 1/2, however "
        "wide it is. Move by half of the gap as it is.": both(
            first - normalize(gap, dim=0) / 2, second + normalize(gap, dim=0) / 2
        ),
        "You moved every pair to its own middle. That uses which answer is right, so P@1 becomes 100 % for any "
        "model: the labels have leaked. One shift for all vectors of a side.": both(middle, middle),
    }


def k_occurrence(answer: Callable[[Tensor, int], Tensor], seed: int = 0) -> None:
    """Exercise 9.2.

    Raises:
        Wrong: the counts are wrong; the message names the likely mistake.
    """
    similarity = random_similarity(seed, 40, 40)
    found = answer(similarity, 5)
    refuse_short(found, 40)
    compare("N_5 of 40 queries and 40 items", found, counted(similarity, 5), count_mistakes(similarity, 5), SINGLE)
    by_hand = torch.tensor([[0.9, 0.5, 0.2, 0.1], [0.8, 0.4, 0.3, 0.1], [0.1, 0.7, 0.6, 0.2]], dtype=torch.float64)
    found = answer(by_hand, 2)
    refuse_short(found, 4)
    compare("N_2 of three queries and four items", found, torch.tensor([2.0, 3.0, 1.0, 0.0]).double(), {})
    wide = random_similarity(seed + 1, 30, 50)
    found = answer(wide, 7)
    refuse_short(found, 50)
    expected = torch.from_numpy(hubness.k_occurrence(wide.numpy(), 7))
    compare("N_7 of 30 queries and 50 items", found, expected, {})
    right("9.2", f"The counts sum to 30 x 7 = {int(expected.sum())}; agrees with the explorer's measure.")


def random_similarity(seed: int, queries: int, items: int) -> Float[Tensor, "m n"]:
    """Return cosines of random vectors with a common part, so that some items are hubs; the own answer stands out."""
    generator = torch.Generator().manual_seed(seed)
    common = torch.randn(6, generator=generator, dtype=torch.float64)
    drawn = torch.randn(items, 6, generator=generator, dtype=torch.float64)
    own = drawn[torch.arange(queries) % items] + torch.randn(queries, 6, generator=generator, dtype=torch.float64)
    return normalize(own + 0.8 * common, dim=1) @ normalize(drawn, dim=1).T


def refuse_short(found: object, items: int) -> None:
    """Raise Wrong where items at the end that nobody finds have no count at all."""
    if isinstance(found, Tensor) and found.ndim == 1 and len(found) < items:
        raise Wrong(
            f"There are {len(found)} counts for {items} items: the last ones are near nobody, and torch.bincount stops "
            f"at the largest number that it sees. Give it minlength={items} (similarity.shape[1])."
        )


def counted(similarity: Tensor, k: int, largest: bool = True) -> Tensor:
    """N_k of the columns, without ties."""
    nearest = similarity.topk(k, dim=1, largest=largest).indices
    return torch.bincount(nearest.flatten(), minlength=similarity.shape[1]).double()


def count_mistakes(similarity: Tensor, k: int) -> dict[str, Tensor]:
    """Say what wrong counts look like."""
    away = similarity.clone()
    away.fill_diagonal_(-torch.inf)
    right_counts = counted(similarity, k)
    return {
        "You asked each item for its nearest queries (a top k down the columns), and counted queries. Each row is a "
        "query: take the top k of every row (dim=1), and count the columns that come up.": counted(similarity.T, k),
        "You counted how often an item comes first. N_k counts its places among the first k: take topk(k), not "
        "argmax.": counted(similarity, 1),
        "You took the k least similar items. A hub is near many queries: the k largest of each row.": counted(
            similarity, k, largest=False
        ),
        "You left out the diagonal. That is right where an item would find itself; here rows are queries and columns "
        "are answers, and the right answer is among the items that a query may find.": counted(away, k),
        "These are shares of the queries. N_k is a count: leave out the division.": right_counts / len(similarity),
        "You took the m * k largest similarities of the whole matrix, so some queries find many items and others none. "
        "Every query has exactly k nearest: topk along each row (dim=1).": (
            similarity >= similarity.flatten().topk(k * len(similarity)).values[-1]
        )
        .sum(dim=0)
        .double(),
        "You counted queries whose similarity is above the average. A query has exactly k nearest, however near they "
        "are.": (similarity > similarity.mean()).sum(dim=0).double(),
    }


def effective_rank(answer: Callable[[Tensor], Tensor], seed: int = 0) -> None:
    """Exercise 9.3.

    Raises:
        Wrong: the rank is wrong; the message names the likely mistake.
    """
    flat = torch.zeros(6, 4, dtype=torch.float64)
    flat[:, 0] = 1.0
    refuse_log_of_zero(answer(flat))
    skewed = with_spectrum(torch.tensor([4.0, 2.0, 1.0, 1.0, 0.5], dtype=torch.float64), seed, 12)
    name = "the effective rank of singular values 4, 2, 1, 1, 1/2"
    compare(name, answer(skewed), rank_of(skewed), rank_mistakes(skewed), ALMOST)
    compare("the effective rank of equal vectors", answer(flat), torch.tensor(1.0).double(), {}, ALMOST)
    even = with_spectrum(torch.ones(8, dtype=torch.float64), seed, 20)
    compare("the effective rank of eight equal directions", answer(even), torch.tensor(8.0).double(), {}, ALMOST)
    isotropic = torch.from_numpy(geometry.isotropic(600, 16, seed)).double()
    expected = geometry.effective_rank(geometry.singular_values(isotropic.numpy()))
    compare("the effective rank of random vectors", answer(isotropic), torch.tensor(expected).double(), {}, ALMOST)
    right("9.3", f"600 random vectors use {expected:.1f} of 16 directions; agrees with the explorer's measure.")


def refuse_log_of_zero(found: object) -> None:
    """Raise Wrong where vectors that are all alike give NaN."""
    if isinstance(found, Tensor) and bool(torch.isnan(found).any()):
        raise Wrong(
            "Vectors that are all alike give NaN: their other singular values are 0, and 0 * log(0) is NaN. Add 1e-7 "
            "to the shares before the logarithm, as RankMe's authors do."
        )


def with_spectrum(spectrum: Float[Tensor, " r"], seed: int, n: int) -> Float[Tensor, "n r"]:
    """Return vectors with these singular values, in random directions."""
    generator = torch.Generator().manual_seed(seed)
    r = len(spectrum)
    left = torch.linalg.qr(torch.randn(n, r, generator=generator, dtype=torch.float64))[0]
    turn = torch.linalg.qr(torch.randn(r, r, generator=generator, dtype=torch.float64))[0]
    return left @ torch.diag(spectrum) @ turn


def rank_of(vectors: Tensor) -> Tensor:
    """Return the explorer's effective rank, as a tensor."""
    return torch.tensor(geometry.effective_rank(geometry.singular_values(vectors.numpy())), dtype=torch.float64)


def rank_mistakes(vectors: Tensor) -> dict[str, Tensor]:
    """Say what wrong ranks look like."""
    spectrum = torch.linalg.svdvals(vectors)
    share, squared = spectrum / spectrum.sum(), spectrum.square() / spectrum.square().sum()
    centred = torch.linalg.svdvals(vectors - vectors.mean(dim=0))
    ratio = geometry.participation_ratio(spectrum.numpy())
    return {
        "The singular values are not made shares: p = s / s.sum() must come before the entropy.": entropy(
            spectrum
        ).exp(),
        "You took the squares of the singular values (the eigenvalues). Then weak directions hardly count; RankMe "
        "takes the singular values themselves.": entropy(squared).exp(),
        "This is the participation ratio, (sum l)^2 / sum(l^2) of the squares. It also counts directions, but by a "
        "sum of squares in place of an entropy; RankMe is exp(entropy).": torch.tensor(ratio, dtype=torch.float64),
        "This is one over the sum of the squared shares, another effective number. RankMe takes exp of the entropy of "
        "the shares.": 1 / share.square().sum(),
        "This is one over the largest share: only the strongest direction counts. RankMe takes exp of the entropy of "
        "all shares.": 1 / share.max(),
        "This is the entropy itself, in nats. exp() of it is a number of directions.": entropy(share),
        "The entropy is in bits (log2), but you raised e to it. Take the natural logarithm.": (
            entropy(share) / torch.log(torch.tensor(2.0, dtype=torch.float64))
        ).exp(),
        "The sign is lost: exp(sum p log p) is one over the effective rank. The entropy is minus that sum.": (
            -entropy(share)
        ).exp(),
        "This counts the singular values that are not 0. Any noise makes that the full number: weigh them by "
        "the entropy.": torch.tensor(float((spectrum > 1e-9).sum()), dtype=torch.float64),
        "You took the mean away first. RankMe looks at the vectors as they are, so that a common direction shows as a "
        "strong first singular value.": entropy(centred / centred.sum()).exp(),
    }


def entropy(share: Tensor) -> Tensor:
    """-sum p log p."""
    return -torch.xlogy(share, share).sum()


def neighbours_kept(answer: Callable[[Tensor, Tensor, int], Tensor], seed: int = 0) -> None:
    """Exercise 9.4.

    Raises:
        Wrong: the shares are wrong; the message names the likely mistake.
    """
    generator = torch.Generator().manual_seed(seed)
    line = torch.tensor([[0.0, 0.0], [1.0, 0.0], [3.0, 0.0], [7.0, 0.0]], dtype=torch.float64)
    found = answer(line, line[[0, 1, 3, 2]], 1)
    vectors = torch.randn(60, 12, generator=generator, dtype=torch.float64)
    points = vectors[:, :2] + 1.5
    expected = torch.from_numpy(projection.neighbours_kept(vectors.numpy(), points.numpy(), 6))
    compare("the shares kept of 60 vectors", answer(vectors, points, 6), expected, kept_mistakes(vectors, points, 6))
    by_hand = torch.tensor([1.0, 1.0, 0.0, 0.0], dtype=torch.float64)
    compare("the shares kept of four points on a line, the last two swapped", found, by_hand, {})
    perfect = answer(points, points * 3, 6)
    compare("the shares kept by an enlarged copy", perfect, torch.ones(60, dtype=torch.float64), {})
    shown = f"A flat cut through 12 dimensions keeps {float(expected.mean()):.0%} of the neighbours"
    right("9.4", f"{shown}; by chance it would be {6 / 59:.0%}. Agrees with the explorer's measure.")


BOTH_FROM_ONE = (
    "Both lists of neighbours come from the same place, so every map is perfect. One list is of the vectors, the other "
    "of the points on the map."
)


def nearest(distance: Tensor, k: int, itself: bool = False, largest: bool = False) -> Tensor:
    """Return the k nearest of each row; a point itself is set infinitely far away, unless `itself`."""
    away = distance.clone()
    if not itself:
        away.fill_diagonal_(torch.inf)
    return away.topk(k, dim=1, largest=largest).indices


def shared(one: Tensor, other: Tensor) -> Tensor:
    """Say how many of each row of one are in the same row of the other."""
    return (one[:, :, None] == other[:, None, :]).any(dim=2).sum(dim=1).double()


def kept_mistakes(vectors: Tensor, points: Tensor, k: int) -> dict[str, Tensor]:
    """Say what wrong shares look like."""
    true, shown = torch.cdist(vectors, vectors), torch.cdist(points, points)
    near, mapped = nearest(true, k), nearest(shown, k)
    both = shared(near, mapped)
    cosine = nearest(-(points @ points.T), k)
    angles = [nearest(-(each @ each.T), k) for each in (normalize(vectors, dim=1), normalize(points, dim=1))]
    return {
        "Each point is its own nearest neighbour here, and is always kept: the shares are too high. Set the diagonal "
        "of both distance matrices to infinity.": shared(nearest(true, k, itself=True), nearest(shown, k, itself=True))
        / k,
        BOTH_FROM_ONE: torch.ones(len(points), dtype=torch.float64),
        "These are counts, from 0 to k. Divide by k.": both,
        "This is Jaccard's index, shared / (2k - shared). The share kept is shared / k.": both / (2 * k - both),
        "You compared the lists place by place: the first with the first, and so on. A neighbour that is second in "
        "place of first is kept too. Ask for each neighbour whether it is in the other list at all.": (
            (near == mapped).double().mean(dim=1)
        ),
        "On the map you took the largest products as the nearest. Points of a map have no unit length: take distances "
        "(torch.cdist).": shared(near, cosine) / k,
        "You compared directions (cosines) on both sides. On a map two points in the same direction can be far apart: "
        "take distances (torch.cdist), of the vectors as they are.": shared(*angles) / k,
        "You took the k farthest in place of the k nearest: topk needs largest=False for distances.": (
            shared(nearest(true, k, largest=True), nearest(shown, k, largest=True)) / k
        ),
    }
