"""Checks of lesson 8: evaluating like MMEB, and how evaluators lie."""

import math
from collections.abc import Callable, Mapping, Sequence
from numbers import Real

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from core.evaluation.metrics import mean_interval
from core.evaluation.ranking import placement
from workbench.checks.intervals import (
    RESAMPLES,
    Interval,
    distance,
    percentiles,
    redrawn_datasets,
    resampled,
    shown,
    standard_error,
)
from workbench.checks.shards import compare_gathered, shards
from workbench.lessons.feedback import Wrong, compare, right

ROUNDING = 2e-7
SINGLE = 1e-6
WIDE = 0.25
NONE: Mapping[str, Tensor] = {}
CLOSE = 0.2
"""Ends of intervals are called equal within so many standard errors: five deviations of 10,000 resamples."""
CLOSE_TO_CORE = 0.5
"""The same for the evaluator's own 1000 resamples."""

PUBLISHED = (
    "precision_at_1 asks whether the first candidate of the list is the best (argmax == 0). That is the published "
    "rule: it takes for granted that the right answer stands first, and gives it every tie. Use `right`."
)
AMONG = (
    "precision_at_1 calls every query a hit: it ranks the right answers among themselves. Their rivals are the "
    "candidates that are not right, so find the best of ALL candidates of the row first."
)


def precision_at_1(answer: Callable[..., Tensor], seed: int = 0) -> None:
    """Exercise 8.1: honest ties, in any order of the candidates; what is not finite is refused."""
    similarities, marks = drawn_rankings(seed)
    special = {PUBLISHED: torch.tensor([0.0, 1.0]), AMONG: torch.ones(2)}
    compare_hits("", answer(*one_clear_hit()), torch.tensor([1.0, 0.0]), special)
    expected = honest(similarities, marks)
    compare_hits("", answer(similarities.clone(), marks.clone()), expected, hit_mistakes(similarities, marks))
    chance = marks.double().mean(dim=1)
    for kind, value in (("all alike", 0.7), ("all zero", 0.0)):
        compare_hits(
            f" of cosines that are {kind}", answer(torch.full_like(similarities, value), marks.clone()), chance
        )
    check_rounding(answer, similarities, marks)
    order = torch.randperm(marks.shape[1], generator=torch.Generator().manual_seed(seed))
    compare_hits(" of the candidates in another order", answer(similarities[:, order], marks[:, order]), expected)
    check_refusal(answer, similarities, marks)
    core = [placement(row.numpy(), own.numpy()).hit(1) for row, own in zip(similarities, marks, strict=True)]
    compare_hits(", against the evaluator,", answer(similarities, marks), torch.tensor(core))
    right("8.1", "Collapsed and zero vectors score chance, NaN is refused, the order of the pool does not matter.")


def compare_hits(of: str, found: object, expected: Tensor, mistakes: Mapping[str, Tensor] = NONE) -> None:
    """`feedback.compare` for hits in any float dtype: counts that are divided become float32. Raises Wrong."""
    if isinstance(found, Tensor) and found.shape == expected.shape and bool(torch.isnan(found).any()):
        raise Wrong(
            f"precision_at_1{of} holds NaN for finite similarities: 0 / 0, so no candidate of that query counted as "
            "best. Compare each row with its own largest similarity, amax(dim=1, keepdim=True)."
        )
    compare(f"precision_at_1{of}", found, expected.double(), mistakes, SINGLE)


def one_clear_hit() -> tuple[Float[Tensor, "2 4"], Bool[Tensor, "2 4"]]:
    """Return a hit in which the right answer does not come first in its pool, and a miss."""
    similarities = torch.tensor([[0.1, 0.2, 0.9, 0.3], [0.9, 0.1, 0.3, 0.8]]).double()
    marks = torch.tensor([[False, False, True, False], [False, True, False, False]])
    return similarities, marks


def drawn_rankings(seed: int) -> tuple[Float[Tensor, "40 7"], Bool[Tensor, "40 7"]]:
    """Coarse similarities with many ties at the top, and one to three right answers in the first or other places."""
    generator = torch.Generator().manual_seed(seed)
    levels = torch.randint(0, 4, (40, 7), generator=generator).double() / 5
    marks = torch.rand(40, 7, generator=generator) < 0.25
    marks[:, 0] |= ~marks.any(dim=1)
    levels[:4] = torch.tensor([0.6, 0.6, 0.6, 0.2, 0.1, 0.0, 0.3])
    marks[:4] = (
        torch.tensor([[1, 0, 0, 0, 0, 0, 0], [0, 0, 1, 0, 0, 0, 0], [1, 1, 0, 0, 0, 0, 0], [0, 1, 1, 0, 0, 1, 0]]) > 0
    )
    return levels, marks


def honest(similarities: Float[Tensor, "n pool"], marks: Bool[Tensor, "n pool"]) -> Float[Tensor, " n"]:
    """Return the right answer: the share of right ones among the best."""
    best = similarities == similarities.amax(dim=1, keepdim=True)
    return (best & marks).double().sum(dim=1) / best.sum(dim=1)


def hit_mistakes(similarities: Float[Tensor, "n pool"], marks: Bool[Tensor, "n pool"]) -> Mapping[str, Tensor]:
    """Say what known mistakes give."""
    first = similarities.argmax(dim=1)
    own = similarities.masked_fill(~marks, -torch.inf).amax(dim=1)
    other = similarities.masked_fill(marks, -torch.inf).amax(dim=1)
    best = similarities == similarities.amax(dim=1, keepdim=True)
    return {
        PUBLISHED: (first == 0).double(),
        "precision_at_1 takes the first of equal similarities (argmax), so a tie is won by whoever stands first in "
        "the pool. Share the hit among all candidates that are tied.": marks.gather(1, first[:, None])[:, 0].double(),
        "precision_at_1 counts every tie as right (>=): a model whose vectors are all alike would score 100 %. A "
        "right answer that shares the first place with wrong ones wins only a share of the draws.": (
            own >= other
        ).double(),
        "precision_at_1 counts every tie as wrong (>). That is a rule one can defend, and it flatters nobody; but it "
        "is another rule: vectors that are all alike score 0, below chance, and an exact copy of the right answer "
        "costs a hit. Count a tie by its expectation, as the evaluator does.": (own > other).double(),
        AMONG: torch.ones(len(marks)).double(),
        "precision_at_1 counts 1 / (number of tied candidates), the hit of one right answer. Where several of the "
        "tied ones are right, each of them is a hit: divide how many of the best are right by how many are best.": (
            (best & marks).any(dim=1).double() / best.sum(dim=1)
        ),
        "precision_at_1 divides by the number of right answers: that is the share of right answers that come first "
        "(a recall). P@1 asks whether what comes first is right.": (best & marks).double().sum(dim=1)
        / marks.sum(dim=1),
    }


def check_rounding(answer: Callable[..., Tensor], similarities: Tensor, marks: Tensor) -> None:
    """Raise Wrong unless differences that are rounding count as ties."""
    wobble = ROUNDING * torch.linspace(-1, 1, marks.shape[1]).double()
    shifted = similarities + wobble
    exact = (
        "precision_at_1 compares with ==, so ties that float32 has blurred by 2e-7 are decided by the rounding. Count "
        "as tied what is within `tie` of the best."
    )
    compare_hits(
        " of cosines with rounding errors of 2e-7",
        answer(shifted, marks.clone()),
        honest(similarities, marks),
        {exact: honest(shifted, marks)},
    )
    wide = honest(torch.where(similarities >= similarities.amax(dim=1, keepdim=True) - WIDE, 1.0, 0.0), marks)
    fixed = "precision_at_1 has a tolerance of its own. What counts as best is up to the caller: use `tie`."
    found = answer(similarities.clone(), marks.clone(), tie=WIDE)
    compare_hits(f" with tie={WIDE}", found, wide, {fixed: honest(similarities, marks)})


def check_refusal(answer: Callable[..., Tensor], similarities: Tensor, marks: Tensor) -> None:
    """Raise Wrong unless NaN and infinity raise ValueError."""
    for value in (math.nan, math.inf):
        for column in (0, marks.shape[1] - 1):
            broken = similarities.clone()
            broken[-1, column] = value
            try:
                found = answer(broken, marks.clone())
            except ValueError:
                continue
            shown = f"{float(found[-1]):.3g}" if isinstance(found, Tensor) and found.ndim else found
            raise Wrong(
                f"precision_at_1 scored similarities that hold {value} (that query got {shown}). A model that gives "
                "them cannot be ranked: raise ValueError before anything is compared."
            )


def means(answer: Callable[..., Mapping[str, float]], seed: int = 0) -> None:
    """Exercise 8.2: unweighted means over data sets, by meta-task and overall."""
    hits, meta_task = drawn_datasets(seed)
    kinds = list(dict.fromkeys(meta_task.values()))
    expected = expected_means(hits, meta_task)
    compare_means(answer(dict(hits), dict(meta_task)), expected, mean_mistakes(hits, meta_task))
    one = {"a": torch.tensor([1.0, 0.0, 0.0, 0.0]), "b": torch.tensor([1.0])}
    found = answer(dict(one), {"a": "vqa", "b": "vqa"})
    compare_means(found, {"vqa": 0.625, "overall": 0.625}, {})
    core = {kind: mean_interval([hits[name].numpy() for name in hits if meta_task[name] == kind])[0] for kind in kinds}
    core["overall"] = mean_interval([each.numpy() for each in hits.values()])[0]
    compare_means(answer(dict(hits), dict(meta_task)), core, {})
    right("8.2", f"{len(hits)} data sets of {len(kinds)} meta-tasks; the means are the evaluator's.")


def drawn_datasets(seed: int) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Hits of seven data sets of unequal size and difficulty in three meta-tasks."""
    generator = torch.Generator().manual_seed(seed)
    sizes = (30, 8, 21, 40, 5, 12, 17)
    kinds = ("classification", "classification", "classification", "vqa", "vqa", "grounding", "classification")
    levels = (0.9, 0.2, 0.7, 0.3, 0.8, 0.95, 0.1)
    hits = {
        f"set {number}": (torch.rand(size, generator=generator) < level).double()
        for number, (size, level) in enumerate(zip(sizes, levels, strict=True))
    }
    return hits, dict(zip(hits, kinds, strict=True))


def expected_means(hits: Mapping[str, Tensor], meta_task: Mapping[str, str]) -> dict[str, float]:
    """Return the right answer."""
    of_set = {name: float(values.mean()) for name, values in hits.items()}
    found = {
        kind: mean([of_set[name] for name in hits if meta_task[name] == kind])
        for kind in dict.fromkeys(meta_task.values())
    }
    return found | {"overall": mean(list(of_set.values()))}


def mean(values: Sequence[float]) -> float:
    """Return the unweighted mean."""
    return sum(values) / len(values)


def mean_mistakes(hits: Mapping[str, Tensor], meta_task: Mapping[str, str]) -> Mapping[str, Mapping[str, float]]:
    """Say what known mistakes give."""
    expected = expected_means(hits, meta_task)
    kinds = list(dict.fromkeys(meta_task.values()))
    micro = {kind: float(torch.cat([hits[name] for name in hits if meta_task[name] == kind]).mean()) for kind in kinds}
    every = float(torch.cat(list(hits.values())).mean())
    tasks = mean([expected[kind] for kind in kinds])
    macro = {kind: expected[kind] for kind in kinds}
    return {
        "All means are over queries (micro): a data set with many queries counts for more than one with few. MMEB "
        "averages each data set first, and then its data sets (macro).": {**micro, "overall": every},
        "The overall mean is over all queries (micro), though the meta-tasks are right. MMEB's overall is the "
        "unweighted mean of the data sets' means.": {**macro, "overall": every},
        "The overall mean is the mean of the meta-tasks' means, so that each meta-task weighs the same. MMEB counts "
        "each data set once: a meta-task with more data sets weighs more (10, 10, 12 and 4 of 36).": {
            **macro,
            "overall": tasks,
        },
        "All means are in percent; shares in [0, 1] are expected.": {k: 100 * v for k, v in expected.items()},
        "The means of meta-tasks are over queries (micro), though the overall mean is right. Average each data set "
        "first.": {**micro, "overall": expected["overall"]},
    }


def compare_means(found: object, expected: Mapping[str, float], mistakes: Mapping[str, Mapping[str, float]]) -> None:
    """Raise Wrong unless `found` has the expected names and values; keys come before values."""
    if not isinstance(found, Mapping):
        raise Wrong(f"mmeb_means gave a {type(found).__name__}; a dictionary from names to means is expected.")
    if set(found) != set(expected):
        raise Wrong(
            f"mmeb_means has the names {sorted(map(str, found))}; {sorted(expected)} is expected: each meta-task, "
            'and "overall".'
        )
    numbers = {name: number(f'mmeb_means["{name}"]', found[name]) for name in expected}

    def row(values: Mapping[str, float]) -> Tensor:
        return torch.tensor([values[name] for name in expected]).double()

    compare(
        f"mmeb_means ({', '.join(expected)})",
        row(numbers),
        row(expected),
        {k: row(v) for k, v in mistakes.items()},
        1e-6,
    )


def number(name: str, value: object) -> float:
    """Return a plain number from what a learner gave. Raises Wrong."""
    if isinstance(value, Tensor) and value.numel() == 1:
        return float(value)
    if isinstance(value, Real):
        return float(value)
    raise Wrong(f"{name} is a {type(value).__name__}; one number is expected.")


def interval(answer: Callable[..., Interval], seed: int = 0) -> None:
    """Exercise 8.3: the percentile interval when queries are drawn again within each data set."""
    groups = drawn_groups(seed)

    def learner(values: Sequence[Tensor], start: int = 1) -> Interval:
        generator = torch.Generator().manual_seed(seed + start)
        return two_numbers(answer([each.clone() for each in values], generator, RESAMPLES))

    found = learner(groups)
    if learner(groups) != found:
        raise Wrong(
            "interval gave two different results from two generators with the same seed: it draws from another one. "
            "Pass `generator=generator` to torch.randint, so that your interval can be computed again."
        )
    refuse_one_deviation(learner(groups[:1], 2), groups[:1], seed)
    compare_intervals(found, groups, seed)
    compare_intervals(learner(groups[:1], 2), groups[:1], seed)
    same = learner([torch.full((9,), 0.25).double()])
    if max(abs(end - 0.25) for end in same) > 1e-6:
        raise Wrong(f"interval of nine values that are all 0.25 is {shown(same)}; both ends must be 0.25.")
    rare = torch.zeros(12).double()
    rare[0] = 1.0
    low, high = learner([rare])
    if low < 0:
        raise Wrong(
            f"interval of 1 hit among 12 is {shown((low, high))}, though no share is below 0: mean minus and plus 1.96 "
            "standard errors is symmetric where the scores are not. Draw samples and take quantiles of their means."
        )
    _, *core = mean_interval([each.numpy() for each in groups])
    error = standard_error(groups)
    if max(abs(end - own) for end, own in zip(found, core, strict=True)) > CLOSE_TO_CORE * error:
        raise Wrong(f"interval gave {shown(found)}; the evaluator's own is {shown((core[0], core[1]))}.")
    right("8.3", f"Your interval {shown(found)}, the evaluator's {shown((core[0], core[1]))}.")


def drawn_groups(seed: int) -> list[Tensor]:
    """Return values in [0, 1] of the queries of three data sets of unequal size and difficulty."""
    generator = torch.Generator().manual_seed(seed)
    drawn = ((60, 0.3), (150, 2.0), (40, 1.0))
    return [torch.rand(size, generator=generator, dtype=torch.float64) ** power for size, power in drawn]


def two_numbers(found: object) -> Interval:
    """Say what a learner gave as (low, high). Raises Wrong."""
    if not isinstance(found, Sequence | Tensor) or len(found) != 2:
        raise Wrong(f"interval gave {type(found).__name__}; a pair (low, high) of numbers is expected.")
    low, high = (number(f"interval()[{place}]", end) for place, end in enumerate(found))
    if math.isnan(low) or math.isnan(high):
        raise Wrong(f"interval gave ({low}, {high}); NaN is no end of an interval.")
    if low > high:
        raise Wrong(f"interval gave ({low:.3f}, {high:.3f}): the lower end comes first.")
    return low, high


def refuse_one_deviation(found: Interval, groups: Sequence[Tensor], seed: int) -> None:
    """Raise Wrong if `found` is the mean and one deviation; asked of one group: too many draws look alike."""
    samples = resampled(groups, seed)
    middle, spread = float(samples.mean()), float(samples.std())
    if distance(found, (middle - spread, middle + spread)) <= CLOSE * standard_error(groups):
        raise Wrong(
            "interval gave mean minus and plus one standard deviation of the resampled means: that holds about 68 % of "
            "them, not 95 %, and is symmetric even where the scores are not. Take the 2.5 % and 97.5 % quantiles."
        )


def compare_intervals(found: Interval, groups: Sequence[Tensor], seed: int) -> None:
    """Raise Wrong, with the mistake that comes closest, unless `found` is the percentile interval of the groups."""
    error = standard_error(groups)
    expected = percentiles(resampled(groups, seed), 0.025)
    if distance(found, expected) <= CLOSE * error:
        return
    mistakes = interval_mistakes(groups, seed)
    nearest = min(mistakes, key=lambda message: distance(found, mistakes[message]))
    if distance(found, mistakes[nearest]) <= CLOSE * error:
        raise Wrong(nearest)
    raise Wrong(f"interval gave {shown(found)}; {shown(expected)} is expected, up to {CLOSE * error:.3f} by chance.")


def interval_mistakes(groups: Sequence[Tensor], seed: int) -> Mapping[str, Interval]:
    """Say what known mistakes give; those that equal the right answer for a single data set are left out there."""
    samples = resampled(groups, seed)
    middle = mean([float(each.mean()) for each in groups])
    pooled = torch.cat(list(groups))
    found = {
        "interval draws without replacement (or draws once for all): every sample has all queries, so nothing varies. "
        "Draw indices with torch.randint, so that some queries come twice and others not at all.": (middle, middle),
        "interval gave quantiles of the hits themselves: these say how much single queries differ. You want how much "
        "the MEAN would differ: take the mean of each resample first, then the quantiles of the means.": percentiles(
            pooled, 0.025
        ),
        "interval gave the 90 % interval (5 % and 95 %): a 95 % interval leaves 2.5 % on each side.": percentiles(
            samples, 0.05
        ),
    }
    if len(groups) > 1:
        found |= {
            "interval draws more queries from a data set than it has, such as the number of all, so the samples vary "
            "too little. Draw len(values) from each.": percentiles(resampled(groups, seed, len(pooled)), 0.025),
            "interval throws the queries of all data sets together (micro): large data sets count more, and the middle "
            "is another score. Resample within each data set, and average the data sets' means.": percentiles(
                resampled([pooled], seed), 0.025
            ),
            "interval draws DATA SETS again, not queries: it says how much the score would differ on other data "
            "sets, which these few cannot tell. Keep every data set, and draw queries within each.": percentiles(
                redrawn_datasets(groups, seed), 0.025
            ),
        }
    return found


def gathered(answer: Callable[..., Tensor], seed: int = 0) -> None:
    """Exercise 8.4: the hits of all processes in the order of the queries, each query once."""
    generator = torch.Generator().manual_seed(seed)
    for queries, processes in ((10, 4), (12, 4), (1, 1), (7, 2), (9, 1), (3, 8), (25, 6)):
        hits = torch.rand(queries, generator=generator, dtype=torch.float64)
        found = answer(shards(hits, processes), queries)
        compare_gathered(found, hits, processes)
    scores = [answer(shards(hits, processes), 25).mean() for processes in (1, 2, 3, 25)]
    if any(float(score) != float(hits.mean()) for score in scores):
        raise Wrong("gather_hits gave another mean on 2 or 3 processes than on one.")
    right("8.4", "1, 2, 3 and 25 processes give the same score, bit for bit, and every hit is where its query is.")
