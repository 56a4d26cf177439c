"""Check a suite's pictures before anything is embedded: open each once, and tell by row what is bad."""

import logging
from collections.abc import Iterator, Sequence, Set
from dataclasses import replace

from core.data.checks.pairs import unreadable
from core.data.checks.problems import BadItems, OnBadItem, Problem
from core.data.records import ImageSource, Item, Ranking, RankingTask
from core.data.video.video_files import VideoFrame

OPTION = "--suite.on_bad_item"
LOGGED = 20

logger = logging.getLogger(__name__)


def usable_tasks(
    tasks: Sequence[RankingTask], on_bad_item: OnBadItem = "stop", progress: bool = True
) -> tuple[list[RankingTask], list[Problem]]:
    """Return the tasks without what cannot be opened, and the problems, one a picture, each with a row that shows it.

    With "skip" a query goes if it or all its right candidates show a bad picture; another candidate that shows one
    leaves the pools, which makes them smaller. Frames of clips are not opened here: clips are looked into when they
    are read.

    Args:
        tasks: rankings over files.
        on_bad_item: "stop" refuses tasks with bad pictures; "skip" leaves out what shows them, and logs it.
        progress: show a bar with rate and time left.

    Raises:
        BadItems: there are bad pictures and `on_bad_item` is "stop".
        ValueError: nothing is left of a task.
    """
    shown = pictures(tasks)
    reasons = dict(unreadable(list(shown), "the suite", progress))
    problems = [Problem(shown[source], reason) for source, reason in reasons.items()]
    if not problems:
        return list(tasks), []
    if on_bad_item == "stop":
        raise BadItems(problems, len(shown), OPTION, "pictures")
    for problem in problems[:LOGGED]:
        logger.warning("Left out of the rankings: %s", problem)
    if len(problems) > LOGGED:
        logger.warning("... and %d more pictures.", len(problems) - LOGGED)
    return [without(task, reasons.keys()) for task in tasks], problems


def pictures(tasks: Sequence[RankingTask]) -> dict[ImageSource, str]:
    """Return every distinct picture of the tasks with the first row that shows it; frames of clips left out."""
    found: dict[ImageSource, str] = {}
    for item, origin in first_uses(tasks):
        for source in item.images():
            if not isinstance(source, VideoFrame):
                found.setdefault(source, origin)
    return found


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


def without(task: RankingTask, bad: Set[ImageSource]) -> RankingTask:
    """Return a task without the rankings and candidates that show bad pictures.

    Raises:
        ValueError: no ranking is left.
    """
    usable: dict[int, bool] = {}
    pools: dict[int, tuple[Item, ...]] = {}

    def good(item: Item) -> bool:
        if id(item) not in usable:
            usable[id(item)] = not any(source in bad for source in item.images())
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
            places = tuple(place for place, item in enumerate(candidates) if id(item) in right)
            kept.append(replace(ranking, candidates=candidates, right=places))
    if not kept:
        raise ValueError(f"{task.name}: every query, or what is right for it, shows a picture that cannot be opened.")
    logger.warning("%s: %d of %d queries are left.", task.name, len(kept), len(task.rankings))
    return replace(task, rankings=tuple(kept))
