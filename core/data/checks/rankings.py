"""Check a suite before anything is embedded: every picture, every clip, and what the model says of the items."""

import logging
from collections.abc import Callable, Iterator, Sequence, Set
from dataclasses import replace

from core.data.checks.model_rules import ModelRules
from core.data.checks.problems import BadItems, BadRow, OnBadItem, Problem, naming
from core.data.checks.visuals import Visual, unreadable, visual
from core.data.records import ImageSource, Item, Ranking, RankingTask

OPTION = "--suite.on_bad_item"
LOGGED = 20

logger = logging.getLogger(__name__)


def usable_tasks(
    tasks: Sequence[RankingTask],
    on_bad_item: OnBadItem = "stop",
    progress: bool = True,
    rules: ModelRules | None = None,
) -> tuple[list[RankingTask], list[Problem]]:
    """Return the tasks without what cannot be used, and the problems, one a picture, clip or item, each with a row.

    With "skip" a query goes if it or all its right candidates are bad; another bad candidate leaves the pools, which
    makes them smaller. Clips are decoded whole, which is the only way to know that one is not damaged behind its start.

    Args:
        tasks: rankings over files.
        on_bad_item: "stop" refuses tasks with bad items; "skip" leaves them out, and logs it.
        progress: show a bar with rate and time left.
        rules: what the model refuses; None: only what cannot be read is bad.

    Raises:
        BadItems: there are bad items and `on_bad_item` is "stop".
        ValueError: nothing is left of a task.
    """
    uses = list(first_uses(tasks))
    shown: dict[Visual, tuple[ImageSource, str]] = {}
    for item, origin in uses:
        for source in item.images():
            shown.setdefault(visual(source), (source, origin))
    sources = {source: origin for source, origin in shown.values()}
    bad: dict[Visual, Problem] = {}
    for source, reason in unreadable(list(sources), "the suite", progress, rules):
        bad[visual(source)] = Problem(sources[source], reason)
    refused = refused_items(uses, bad.keys(), rules)
    problems = [*bad.values(), *refused.values()]
    if not problems:
        return list(tasks), []
    if on_bad_item == "stop":
        total, what = (len(uses), "items") if refused else (len(shown), "pictures and clips")
        raise BadItems(problems, total, OPTION, what)
    log_left_out(problems)

    def whole(item: Item) -> bool:
        return id(item) not in refused and not any(visual(each) in bad for each in item.images())

    return [without(task, whole) for task in tasks], problems


def log_left_out(problems: Sequence[Problem]) -> None:
    """Warn of what a suite loses, up to a bound."""
    for problem in problems[:LOGGED]:
        logger.warning("Left out of the rankings: %s", problem)
    if len(problems) > LOGGED:
        logger.warning("... and %d more pictures, clips or items.", len(problems) - LOGGED)


def refused_items(uses: Sequence[tuple[Item, str]], bad: Set[Visual], rules: ModelRules | None) -> dict[int, Problem]:
    """Return, by the identity of the item object, why the model refuses items whose pictures are good."""
    refused: dict[int, Problem] = {}
    for item, origin in uses:
        if rules is None or not rules.suspects(item) or any(visual(each) in bad for each in item.images()):
            continue
        try:
            with naming(origin):
                rules.refuse_item(item)
        except BadRow as error:
            refused[id(item)] = error.problem
    return refused


def first_uses(tasks: Sequence[RankingTask]) -> Iterator[tuple[Item, str]]:
    """Return the item objects of the tasks, shared pools looked through once, each with the row that first uses it."""
    seen: set[int] = set()
    for task in tasks:
        for number, ranking in enumerate(task.rankings):
            origin = ranking.origin or f"{task.name} ranking {number + 1}"
            items = [ranking.query]
            if id(ranking.candidates) not in seen:
                seen.add(id(ranking.candidates))
                items += ranking.candidates
            for item in items:
                if id(item) not in seen:
                    seen.add(id(item))
                    yield item, origin


def without(task: RankingTask, whole: Callable[[Item], bool]) -> RankingTask:
    """Return a task without the rankings and candidates that are not whole.

    Raises:
        ValueError: no ranking is left.
    """
    usable: dict[int, bool] = {}
    pools: dict[int, tuple[Item, ...]] = {}

    def good(item: Item) -> bool:
        if id(item) not in usable:
            usable[id(item)] = whole(item)
        return usable[id(item)]

    def pool(ranking: Ranking) -> tuple[Item, ...]:
        if id(ranking.candidates) not in pools:
            kept = tuple(filter(good, ranking.candidates))
            pools[id(ranking.candidates)] = kept if len(kept) < len(ranking.candidates) else ranking.candidates
        return pools[id(ranking.candidates)]

    kept: list[Ranking] = []
    for ranking in task.rankings:
        right = {id(ranking.candidates[place]) for place in ranking.right if good(ranking.candidates[place])}
        if good(ranking.query) and right:
            candidates = pool(ranking)
            absent = {id(ranking.candidates[place]) for place in ranking.left_out}
            right_places, left_out = (
                tuple(place for place, item in enumerate(candidates) if id(item) in chosen)
                for chosen in (right, absent)
            )
            kept.append(replace(ranking, candidates=candidates, right=right_places, left_out=left_out))
    if not kept:
        raise ValueError(f"{task.name}: every query, or what is right for it, cannot be used; see above.")
    logger.warning("%s: %d of %d queries are left.", task.name, len(kept), len(task.rankings))
    return replace(task, rankings=tuple(kept))
