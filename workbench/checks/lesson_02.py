"""Checks of lesson 2: the overlapping coefficient, AUROC by pairs, hardest-negative margins, and false negatives.

All agree with `workbench.measures.overlap` and `core.data.records.true_hardness`, which the explorer shows.
"""

import random
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import torch
from jaxtyping import Bool, Float

from core.data.miniature.benchmark import SOURCES, draw, ranking_task
from core.data.miniature.image_tasks import change, near_misses, picture
from core.data.records import Ranking, true_hardness
from workbench.lessons.feedback import Wrong, compare, right
from workbench.lessons.twins import scene_of, twin
from workbench.measures.overlap import auroc as auroc_by_ranks
from workbench.measures.overlap import of_samples

Samples = Float[np.ndarray, " n"]
BINS = 40


def number(name: str, found: object) -> float:
    """Say what a measure gave, once it is a single finite number.

    Raises:
        Wrong: it is nothing, no number, many numbers, or not finite.
    """
    if found is None:
        raise Wrong(f"{name} gave None: the function has no `return`.")
    if isinstance(found, np.ndarray | torch.Tensor) and found.ndim:
        raise Wrong(f"{name} gave an array of shape {list(found.shape)}; one number is expected.")
    if not isinstance(found, int | float | np.number | np.ndarray | torch.Tensor):
        raise Wrong(f"{name} gave a {type(found).__name__}; one number is expected.")
    if not np.isfinite(float(found)):
        raise Wrong(f"{name} gave {float(found)}; a number in [0, 1] is expected.")
    return float(found)


def same_number(name: str, found: object, expected: float, mistakes: dict[str, float]) -> None:
    """`feedback.compare` for one number.

    Raises:
        Wrong: it is another number.
    """
    values = {message: scalar(value) for message, value in mistakes.items()}
    compare(name, scalar(number(name, found)), scalar(expected), values)


def scalar(value: float) -> torch.Tensor:
    """Return a number as a float64 tensor."""
    return torch.tensor(value, dtype=torch.float64)


def samples(seed: int, count: int, mean: float) -> Samples:
    """Return similarities around a mean, within [-1, 1]."""
    return np.clip(np.random.default_rng([seed, count]).normal(mean, 0.2, count), -1, 1)


def overlap(answer: Callable[..., float], seed: int = 0) -> None:
    """Check the area that two histograms share, over the same bins of [-1, 1].

    Raises:
        Wrong: the value is wrong; the message names the likely mistake.
    """
    name = "overlap"
    positive, negative = samples(seed, 120, 0.55), samples(seed, 700, 0.2)
    expected = of_samples(positive, negative, BINS).overlap
    same_number(name, answer(positive, negative, BINS), expected, mistaken_overlaps(positive, negative))
    apart = answer(np.array([0.7, 0.8]), np.array([-0.3, 0.1, 0.2]), BINS)
    same_number(f"{name} of distributions that lie apart", apart, 0.0, {})
    twice = np.concatenate([negative, negative])
    same_number(f"{name} of the same distribution, sampled twice as often", answer(negative, twice, BINS), 1.0, {})
    more = of_samples(positive, negative, 2 * BINS).overlap
    same_number(f"{name} with {2 * BINS} bins", answer(positive, negative, 2 * BINS), more, {})
    right("2.1", "0 for distributions apart, 1 for equal ones of any size, and the explorer's value between.")


def mistaken_overlaps(positive: Samples, negative: Samples) -> dict[str, float]:
    """Say what likely mistakes give."""
    edges = np.linspace(-1, 1, BINS + 1)
    counts = [np.histogram(side, edges)[0] for side in (positive, negative)]
    own, other = (count / count.sum() for count in counts)
    free = [np.histogram(side, BINS)[0] / len(side) for side in (positive, negative)]
    span = np.histogram_bin_edges(np.concatenate([positive, negative]), BINS)
    spanned = [np.histogram(side, span)[0] / len(side) for side in (positive, negative)]
    density = [np.histogram(side, edges, density=True)[0] for side in (positive, negative)]
    return {
        "these are counts: there are many more negatives than positives, so the smaller height is nearly always the "
        "positives'. Divide each histogram by its own number of samples first.": float(np.minimum(*counts).sum()),
        "counts, divided by the number of all samples together: each histogram has to be divided by its own number of "
        "samples, so that both have area 1.": float(np.minimum(*counts).sum() / (len(positive) + len(negative))),
        "this is intersection over union. The overlapping coefficient is the intersection alone: both areas are 1, so "
        "nothing has to be divided by.": float(np.minimum(own, other).sum() / np.maximum(own, other).sum()),
        "each side has its own bins: np.histogram spans the data's range unless it is told one, so that bin 5 of one "
        "side is elsewhere than bin 5 of the other. Give both range=(-1, 1).": float(np.minimum(*free).sum()),
        "the bins span the data's range, not [-1, 1]: another sample would have other bins, and another "
        "overlap. Give np.histogram range=(-1, 1).": float(np.minimum(*spanned).sum()),
        "density=True gives heights per unit of similarity; the area of a bin is height times width (2 / bins). Shares "
        "of the samples need no width.": float(np.minimum(*density).sum()),
        "this sums the larger height of each bin, which is the union. The shared part is the smaller one.": float(
            np.maximum(own, other).sum()
        ),
    }


def auroc(answer: Callable[..., float], seed: int = 0) -> None:
    """Check P(s+ > s-) + P(s+ = s-) / 2.

    Raises:
        Wrong: the value is wrong; the message names the likely mistake.
    """
    name = "auroc"
    for positives, negatives in ((60, 60), (35, 90)):
        positive = np.round(samples(seed, positives, 0.4), 1)
        negative = np.round(samples(seed + 1, negatives, 0.2), 1)
        expected = auroc_by_ranks(positive, negative)
        same_number(name, answer(positive, negative), expected, mistaken_areas(positive, negative))
    three, two = np.array([0.9, 0.5, 0.5]), np.array([0.5, 0.1])
    same_number(f"{name} of [0.9, 0.5, 0.5] against [0.5, 0.1]", answer(three, two), 5 / 6, {})
    same_number(f"{name} of equal similarities", answer(np.full(4, 0.3), np.full(5, 0.3)), 0.5, {})
    steep = answer(three / 0.02, two / 0.02)
    same_number(f"{name} of similarities divided by tau", steep, 5 / 6, {})
    right("2.2", "Equal to the Mann-Whitney statistic, ties count half, and tau does not change it.")


def mistaken_areas(positive: Samples, negative: Samples) -> dict[str, float]:
    """Say what likely mistakes give."""
    above = float((positive[:, None] > negative).mean())
    below = float((positive[:, None] < negative).mean())
    tied = float((positive[:, None] == negative).mean())
    found = {
        "ties count nothing here. A model that gives everything the same similarity would get 0, as if it were always "
        "wrong; count them half.": above,
        "ties count as wins (>=). A model that gives everything the same similarity would get 1, which is what its "
        "makers would like; count them half.": above + tied,
        "this is the probability that the negative is above. Turn the comparison round.": below + tied / 2,
        "pairs in a tie are left out of the denominator: divide by all pairs.": above / (above + below),
        "each positive is compared with its hardest negative only; AUROC compares it with all.": float(
            (positive > negative.max()).mean()
        ),
    }
    if len(positive) == len(negative):
        found[
            "positive i is compared with negative i alone. AUROC compares every positive with every negative: "
            "positive[:, None] > negative[None, :] makes the table."
        ] = float((positive > negative).mean() + (positive == negative).mean() / 2)
    return found


def margins(answer: Callable[..., np.ndarray], seed: int = 0) -> None:
    """Check s_positive - max over negatives, a number a query.

    Raises:
        Wrong: the values are wrong; the message names the likely mistake.
    """
    name = "margins"
    similarity, positive = pools(seed)
    mistakes = {message: as_tensor(values) for message, values in mistaken_margins(similarity, positive).items()}
    expected = as_tensor(right_margins(similarity, positive))
    compare(name, given(answer(similarity, positive)), expected, mistakes)
    small = np.array([[0.6, 0.5, 0.1], [0.2, -0.3, 0.4]])
    marked = np.array([[True, False, False], [False, True, False]])
    compare(f"{name} of two small pools", given(answer(small, marked)), as_tensor(np.array([0.1, -0.7])), {})
    right("2.3", "One number a query, from its hardest negative; the share above 0 is P@1.")


def given(found: object) -> object:
    """Return the learner's array as a tensor, anything else as it is."""
    return as_tensor(found) if isinstance(found, np.ndarray) else found


def as_tensor(values: np.ndarray) -> torch.Tensor:
    """Return an array in float64."""
    return torch.from_numpy(values.astype(float))


def pools(seed: int) -> tuple[Float[np.ndarray, "m n"], Bool[np.ndarray, "m n"]]:
    """Six pools of nine, the right answer anywhere; all of the first lie below zero, the second succeeds."""
    drawn = np.random.default_rng(seed)
    similarity = drawn.uniform(-0.4, 0.9, (6, 9))
    similarity[0] = -np.abs(similarity[0]) - 0.05
    positive = np.zeros((6, 9), dtype=bool)
    positive[np.arange(6), drawn.integers(0, 9, 6)] = True
    similarity[1, positive[1]] = 0.95
    return similarity, positive


def right_margins(similarity: Float[np.ndarray, "m n"], positive: Bool[np.ndarray, "m n"]) -> Samples:
    """Return the margins, row by row."""
    return np.array([row[own][0] - row[~own].max() for row, own in zip(similarity, positive, strict=True)])


def mistaken_margins(similarity: Float[np.ndarray, "m n"], positive: Bool[np.ndarray, "m n"]) -> dict[str, np.ndarray]:
    """Say what likely mistakes give."""
    own = similarity[positive]
    others = [row[~mark] for row, mark in zip(similarity, positive, strict=True)]
    return {
        "this is the distance to the mean negative. Nobody retrieves the mean: a single negative above the right "
        "answer is enough to fail. Take the largest.": own - np.array([each.mean() for each in others]),
        "the right answer is among the negatives: the largest of all is never below it, so that no margin is above "
        "zero. Put -inf in its place before you take the largest.": own - similarity.max(axis=1),
        "this is the distance to the easiest negative. Take the largest, not the smallest.": own
        - np.array([each.min() for each in others]),
        "the sign is turned: a margin is positive when the right answer wins.": -right_margins(similarity, positive),
        "every margin is positive: a query that fails has a margin below 0, so leave out the absolute value.": np.abs(
            right_margins(similarity, positive)
        ),
        "the *place* of the largest negative is subtracted, not its similarity: .max(axis=1), not .argmax.": (
            own - np.where(positive, -np.inf, similarity).argmax(axis=1)
        ),
        "the right answer is masked by 0, and where all negatives are below zero that 0 wins. Mask with -inf.": own
        - np.where(positive, 0, similarity).max(axis=1),
        "the largest negative of all queries is taken; each query has its own pool: axis=1.": own
        - np.where(positive, -np.inf, similarity).max(),
    }


def false_negatives(answer: Callable[..., Sequence[int]], seed: int = 0) -> None:
    """Check which candidates are labelled wrong and truly right.

    Raises:
        Wrong: others are named; the message says the likely mistake.
    """
    name = "false_negatives"
    ranking, expected = planted_ranking(seed)
    listed(name, answer(ranking), expected, mistaken_lists(ranking))
    unknown = replace(ranking, asks=())
    listed(f"{name} of a ranking whose truth is unknown", answer(unknown), [], {
        "where nothing is asked the truth is unknown: true_hardness gives None, and `not None` is True in Python. "
        "Compare with 0: true_hardness(...) == 0.": [at for at in range(len(ranking.candidates)) if at],
    })  # fmt: skip
    source = next(each for each in SOURCES if each.name == "caption-to-image")
    clean = ranking_task(source, seed, 2).rankings[0]
    listed(f"{name} of a pool without any", answer(clean), [], {})
    right("2.4", "It finds twins and copies, leaves labels that are right alone, and says nothing of unknown truth.")


def planted_ranking(seed: int) -> tuple[Ranking, list[int]]:
    """Return a pool with false negatives: a twin, a picture that differs in what is not asked, and an exact copy.

    The others are near misses, truly wrong. What is asked are all attributes but the background. And the places.
    """
    chance = random.Random(f"lesson 2/{seed}")
    source = next(each for each in SOURCES if each.name == "caption-to-image")
    drawn = draw(source, "test", seed, 0)
    scene = scene_of(drawn.target)
    asks = tuple(each for each in drawn.asks if each != "background")
    elsewhere, _ = change(scene, chance, ("background",))
    wrong = [picture(each) for each in near_misses(scene, chance, ("colour", "kind", "place"))]
    candidates = [drawn.target, twin(drawn.target, chance), wrong[0], wrong[1], picture(elsewhere), wrong[2]]
    ranking = Ranking(drawn.query, (*candidates, replace(drawn.target)), right=(0,), asks=asks)
    return ranking, [1, 4, 6]


def mistaken_lists(ranking: Ranking) -> dict[str, list[int]]:
    """Say what likely mistakes give."""
    own = ranking.candidates[ranking.right[0]]
    hardness = [true_hardness(ranking.asks, own, each) for each in ranking.candidates]
    every = [true_hardness(tuple(own.attributes), own, each) for each in ranking.candidates]
    others = [at for at in range(len(ranking.candidates)) if at not in ranking.right]
    return {
        "the right answer itself is in the list. A false negative is labelled wrong: leave out the indices in "
        "ranking.right.": [at for at, each in enumerate(hardness) if each == 0],
        "only exact copies are found (equal content ids). Another picture of the same scene is just as right: compare "
        "attributes, with true_hardness.": [at for at in others if ranking.candidates[at].content_id == own.content_id],
        "all attributes are compared. What counts are those the query asks for, ranking.asks: a picture with another "
        "background is right for a query that does not mention it.": [at for at in others if every[at] == 0],
        "these are the candidates that truly differ. False negatives differ in nothing that is asked: hardness 0.": [
            at for at in others if hardness[at] != 0
        ],
        "these are places in a list without the right answers. Give indices into ranking.candidates: number all of "
        "them, and then skip those in ranking.right.": [place for place, at in enumerate(others) if hardness[at] == 0],
        "near misses are in the list: a candidate that differs in one asked attribute is wrong, however near. Keep "
        "hardness 0 alone.": [at for at in others if (hardness[at] or 0) <= 1],
    }


def listed(name: str, found: object, expected: list[int], mistakes: dict[str, list[int]]) -> None:
    """Compare two lists of indices, in any order.

    Raises:
        Wrong: they differ, or there is no list of whole numbers.
    """
    if found is None:
        raise Wrong(f"{name} gave None: the function has no `return`.")
    if not isinstance(found, Sequence) or not all(isinstance(at, int) and not isinstance(at, bool) for at in found):
        raise Wrong(f"{name} gave a {type(found).__name__}; a list of indices into ranking.candidates is expected.")
    if sorted(found) == expected:
        return
    for message, wrong in mistakes.items():
        if sorted(found) == wrong:
            raise Wrong(message)
    raise Wrong(f"{name} gave {sorted(found)[:12]}; {expected} is right for this pool of {name.split()[0]}'s check.")
