"""The items of an evaluation, each once, and their vectors; apart from the model that makes them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Float

from core.data.checks.problems import reason_of
from core.data.records import Item, RankingTask


@dataclass(frozen=True)
class Embedded:
    """Distinct items and their unit vectors, row by row."""

    items: tuple[Item, ...]
    vectors: Float[np.ndarray, "items d"]

    @cached_property
    def row(self) -> dict[str, int]:
        """The row of each content id."""
        return {item.content_id: number for number, item in enumerate(self.items)}


def distinct_items(tasks: Sequence[RankingTask], unknown: Callable[[Item, str], None] | None = None) -> list[Item]:
    """Return every query and candidate of the tasks once, in order of first use.

    Objects that occur again are passed over before any content id is made; a shared list of candidates is read once.
    An item whose content id cannot be made is handed to `unknown` with the reason, or raises if there is none.
    """
    by_identity: dict[int, Item] = {}
    pools: set[int] = set()
    for task in tasks:
        for ranking in task.rankings:
            by_identity[id(ranking.query)] = ranking.query
            if id(ranking.candidates) not in pools:
                pools.add(id(ranking.candidates))
                by_identity.update(zip(map(id, ranking.candidates), ranking.candidates, strict=True))
    found: dict[str, Item] = {}
    for item in by_identity.values():
        try:
            found.setdefault(item.content_id, item)
        except Exception as error:  # see core.data.checks.problems.naming
            if unknown is None:
                raise
            unknown(item, reason_of(error))
    return list(found.values())
