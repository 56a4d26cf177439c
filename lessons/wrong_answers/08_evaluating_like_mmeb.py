"""What learners write in lesson 8 that is wrong, and what the checks must say of it."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from workbench.checks import lesson_08
from workbench.lessons.feedback import WrongAnswer


def published_rule(similarities: Tensor, right: Tensor, tie: float = 1e-6) -> Tensor:
    """A hit is that argmax gives 0, as in the published harnesses: the right answer is taken to stand first."""
    return (similarities.argmax(dim=1) == 0).double()


def first_of_the_list(similarities: Tensor, right: Tensor, tie: float = 1e-6) -> Tensor:
    """The first of the largest similarities is the answer, so the order of the pool decides ties."""
    best = torch.from_numpy(similarities.numpy().argmax(axis=1))
    return right[torch.arange(len(right)), best].double()


def ties_are_right(similarities: Tensor, right: Tensor, tie: float = 1e-6) -> Tensor:
    """Ties count as hits (>=): a collapsed model scores 100 %."""
    own = similarities.masked_fill(~right, -torch.inf).amax(dim=1)
    return (own >= similarities.amax(dim=1) - tie).double()


def ties_are_wrong(similarities: Tensor, right: Tensor, tie: float = 1e-6) -> Tensor:
    """Ties count as misses (>): defensible, but another rule than the evaluator's."""
    own = similarities.masked_fill(~right, -torch.inf).amax(dim=1)
    return (own > similarities.masked_fill(right, -torch.inf).amax(dim=1) + tie).double()


def among_the_right_ones(similarities: Tensor, right: Tensor, tie: float = 1e-6) -> Tensor:
    """The right answer is ranked among right answers only, so it always comes first."""
    own = similarities.masked_fill(~right, -torch.inf)
    best = own >= own.amax(dim=1, keepdim=True) - tie
    return (best & right).any(dim=1).double()


def one_over_the_ties(similarities: Tensor, right: Tensor, tie: float = 1e-6) -> Tensor:
    """A tie counts 1 / (tied candidates), even where several of the tied ones are right."""
    best = similarities >= similarities.amax(dim=1, keepdim=True) - tie
    return (best & right).any(dim=1) / best.sum(dim=1)


def recall_of_the_right_ones(similarities: Tensor, right: Tensor, tie: float = 1e-6) -> Tensor:
    """The share of the right answers that come first, in place of the share of the first that are right."""
    best = similarities >= similarities.amax(dim=1, keepdim=True) - tie
    return (best & right).sum(dim=1) / right.sum(dim=1)


def exact_ties(similarities: Tensor, right: Tensor, tie: float = 1e-6) -> Tensor:
    """Ties are found with ==, so rounding errors decide them."""
    best = similarities == similarities.amax(dim=1, keepdim=True)
    return (best & right).sum(dim=1) / best.sum(dim=1)


def nan_is_scored(similarities: Tensor, right: Tensor, tie: float = 1e-6) -> Tensor:
    """NaN and infinity are not refused, but scored."""
    finite = similarities.nan_to_num(0.0)
    best = finite >= finite.amax(dim=1, keepdim=True) - tie
    return (best & right).sum(dim=1) / best.sum(dim=1)


def micro(hits: Mapping[str, Tensor], meta_task: Mapping[str, str]) -> dict[str, float]:
    """All means are over queries, so large data sets count for more."""
    kinds = set(meta_task.values())
    of = {kind: torch.cat([hits[name] for name in hits if meta_task[name] == kind]) for kind in kinds}
    return {kind: float(values.mean()) for kind, values in of.items()} | {
        "overall": float(torch.cat(list(hits.values())).mean())
    }


def micro_overall(hits: Mapping[str, Tensor], meta_task: Mapping[str, str]) -> dict[str, float]:
    """Meta-tasks are right, but the overall mean is over all queries."""
    return macro(hits, meta_task) | {"overall": float(torch.cat(list(hits.values())).mean())}


def mean_of_meta_tasks(hits: Mapping[str, Tensor], meta_task: Mapping[str, str]) -> dict[str, float]:
    """The overall mean is that of the meta-tasks, so each of them weighs the same."""
    found = macro(hits, meta_task)
    return found | {"overall": sum(found.values()) / len(found)}


def percent(hits: Mapping[str, Tensor], meta_task: Mapping[str, str]) -> dict[str, float]:
    """The means are in percent."""
    each = [float(values.mean()) for values in hits.values()]
    found = macro(hits, meta_task) | {"overall": sum(each) / len(each)}
    return {name: 100 * value for name, value in found.items()}


def no_overall(hits: Mapping[str, Tensor], meta_task: Mapping[str, str]) -> dict[str, float]:
    """The overall mean is missing."""
    return macro(hits, meta_task)


def macro(hits: Mapping[str, Tensor], meta_task: Mapping[str, str]) -> dict[str, float]:
    """The means of the meta-tasks, which are right."""
    of = {name: float(values.mean()) for name, values in hits.items()}
    members = {kind: [of[name] for name in of if meta_task[name] == kind] for kind in set(meta_task.values())}
    return {kind: sum(values) / len(values) for kind, values in members.items()}


def resampled(groups: Sequence[Tensor], generator: torch.Generator, resamples: int) -> Tensor:
    """The means of the groups' means over samples of queries, which are right."""
    picks = [torch.randint(len(each), (resamples, len(each)), generator=generator) for each in groups]
    return torch.stack([each[pick].mean(dim=1) for each, pick in zip(groups, picks, strict=True)]).mean(dim=0)


def ends(values: Tensor, low: float = 0.025) -> tuple[float, float]:
    """Quantiles on both sides."""
    found = torch.quantile(values, torch.tensor([low, 1 - low], dtype=values.dtype))
    return float(found[0]), float(found[1])


def one_deviation(groups: Sequence[Tensor], generator: torch.Generator, resamples: int = 1000) -> tuple[float, float]:
    """The interval is mean minus and plus one standard deviation of the bootstrap."""
    means = resampled(groups, generator, resamples)
    return float(means.mean() - means.std()), float(means.mean() + means.std())


def without_replacement(
    groups: Sequence[Tensor], generator: torch.Generator, resamples: int = 1000
) -> tuple[float, float]:
    """Queries are drawn without replacement: every sample is the whole data set in another order."""
    orders = [torch.rand(200, len(each), generator=generator).argsort(dim=1) for each in groups]
    drawn = [each[order].mean(dim=1) for each, order in zip(groups, orders, strict=True)]
    return ends(torch.stack(drawn).mean(dim=0))


def quantiles_of_hits(
    groups: Sequence[Tensor], generator: torch.Generator, resamples: int = 1000
) -> tuple[float, float]:
    """Quantiles of the hits, not of means of hits."""
    return ends(torch.cat(list(groups)))


def ninety_percent(groups: Sequence[Tensor], generator: torch.Generator, resamples: int = 1000) -> tuple[float, float]:
    """5 % are cut off on each side, which leaves 90 %."""
    return ends(resampled(groups, generator, resamples), 0.05)


def all_in_one(groups: Sequence[Tensor], generator: torch.Generator, resamples: int = 1000) -> tuple[float, float]:
    """The queries of all data sets are thrown together."""
    return ends(resampled([torch.cat(list(groups))], generator, resamples))


def datasets_drawn(groups: Sequence[Tensor], generator: torch.Generator, resamples: int = 1000) -> tuple[float, float]:
    """Data sets are drawn again, and their queries kept."""
    own = torch.stack([each.mean() for each in groups])
    return ends(own[torch.randint(len(own), (resamples, len(own)), generator=generator)].mean(dim=1))


def global_generator(
    groups: Sequence[Tensor], generator: torch.Generator, resamples: int = 1000
) -> tuple[float, float]:
    """The generator that was given is not used, so nobody can repeat the interval."""
    return ends(resampled(groups, torch.default_generator, resamples))


def padding_counted(shards: Sequence[Tensor], queries: int) -> Tensor:
    """In order, but the padding is kept: some queries count twice."""
    return torch.stack(list(shards), dim=1).flatten()


def behind_one_another(shards: Sequence[Tensor], queries: int) -> Tensor:
    """Shards behind one another, with the padding."""
    return torch.cat(list(shards))


def cut_behind(shards: Sequence[Tensor], queries: int) -> Tensor:
    """Shards behind one another, cut to the number of queries: real queries are lost, padding stays."""
    return torch.cat(list(shards))[:queries]


def last_of_each(shards: Sequence[Tensor], queries: int) -> Tensor:
    """The last hit of each shard is taken for padding."""
    return torch.stack([each[:-1] for each in shards], dim=1).flatten()


def mean_of_shards(shards: Sequence[Tensor], queries: int) -> Tensor:
    """The mean of the shards' means, in place of the hits."""
    return torch.stack([each.mean() for each in shards]).mean()


P1, MEANS, INTERVAL, GATHERED = lesson_08.precision_at_1, lesson_08.means, lesson_08.interval, lesson_08.gathered


def own_tolerance(similarities: Tensor, right: Tensor, tie: float = 1e-6) -> Tensor:
    """Ties by torch's own tolerance; what the caller asks for is ignored."""
    if not bool(torch.isfinite(similarities).all()):
        raise ValueError("not finite")
    best = torch.isclose(similarities, similarities.amax(dim=1, keepdim=True))
    return (best & right).sum(dim=1) / best.sum(dim=1)


def best_of_all_queries(similarities: Tensor, right: Tensor, tie: float = 1e-6) -> Tensor:
    """The largest similarity of the whole matrix in place of the row's."""
    best = similarities >= similarities.max() - tie
    return (best & right).sum(dim=1) / best.sum(dim=1)


def normal_interval(groups: Sequence[Tensor], generator: torch.Generator, resamples: int = 1000) -> tuple[float, float]:
    """Mean minus and plus 1.96 standard errors; nothing is drawn."""
    error = sum(float(each.double().var()) / len(each) for each in groups) ** 0.5 / len(groups)
    middle = sum(float(each.double().mean()) for each in groups) / len(groups)
    return middle - 1.96 * error, middle + 1.96 * error


def as_many_as_all(groups: Sequence[Tensor], generator: torch.Generator, resamples: int = 1000) -> tuple[float, float]:
    """From every data set as many queries as all data sets have together."""
    size = (resamples, sum(len(each) for each in groups))
    drawn = [each.double()[torch.randint(len(each), size, generator=generator)].mean(dim=1) for each in groups]
    return ends(torch.stack(drawn).mean(dim=0))


def cut_in_front(shards: Sequence[Tensor], queries: int) -> Tensor:
    """In order, but the padding is cut from the wrong end."""
    every = torch.stack(list(shards), dim=1).flatten()
    return every[len(every) - queries :]


WRONG_ANSWERS: tuple[WrongAnswer, ...] = (
    WrongAnswer("8.1", P1, published_rule, "argmax == 0"),
    WrongAnswer("8.1", P1, first_of_the_list, "a tie is won by whoever stands first"),
    WrongAnswer("8.1", P1, ties_are_right, "counts every tie as right"),
    WrongAnswer("8.1", P1, ties_are_wrong, "counts every tie as wrong"),
    WrongAnswer("8.1", P1, among_the_right_ones, "among themselves"),
    WrongAnswer("8.1", P1, one_over_the_ties, "the hit of one right answer"),
    WrongAnswer("8.1", P1, recall_of_the_right_ones, "divides by the number of right answers"),
    WrongAnswer("8.1", P1, exact_ties, "decided by the rounding"),
    WrongAnswer("8.1", P1, nan_is_scored, "raise ValueError"),
    WrongAnswer("8.1", lesson_08.precision_at_1, own_tolerance, "a tolerance of its own"),
    WrongAnswer("8.1", lesson_08.precision_at_1, best_of_all_queries, "with its own largest similarity"),
    WrongAnswer("8.2", MEANS, micro, "All means are over queries"),
    WrongAnswer("8.2", MEANS, micro_overall, "The overall mean is over all queries"),
    WrongAnswer("8.2", MEANS, mean_of_meta_tasks, "each meta-task weighs the same"),
    WrongAnswer("8.2", MEANS, percent, "in percent"),
    WrongAnswer("8.2", MEANS, no_overall, "has the names"),
    WrongAnswer("8.3", INTERVAL, one_deviation, "one standard deviation"),
    WrongAnswer("8.3", INTERVAL, without_replacement, "without replacement"),
    WrongAnswer("8.3", INTERVAL, quantiles_of_hits, "quantiles of the hits themselves"),
    WrongAnswer("8.3", INTERVAL, ninety_percent, "90 % interval"),
    WrongAnswer("8.3", INTERVAL, all_in_one, "throws the queries of all data sets together"),
    WrongAnswer("8.3", INTERVAL, datasets_drawn, "draws DATA SETS again"),
    WrongAnswer("8.3", INTERVAL, global_generator, "draws from another one"),
    WrongAnswer("8.3", lesson_08.interval, normal_interval, "1.96 standard errors"),
    WrongAnswer("8.3", lesson_08.interval, as_many_as_all, "more queries from a data set than it has"),
    WrongAnswer("8.4", GATHERED, padding_counted, "gather_hits keeps the padding"),
    WrongAnswer("8.4", GATHERED, behind_one_another, "one behind the other (10 queries on 4 processes) and keeps"),
    WrongAnswer("8.4", GATHERED, cut_behind, "cuts the end off"),
    WrongAnswer("8.4", GATHERED, last_of_each, "drops the last hit of every shard"),
    WrongAnswer("8.4", GATHERED, mean_of_shards, "has shape []"),
    WrongAnswer("8.4", lesson_08.gathered, cut_in_front, "cuts at the front"),
)
