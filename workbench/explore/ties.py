"""What an item has to do with others: its right answer, its hardest negative, and the queries it answers or fools."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Int

from workbench.bundles.bundle import Bundle

MOST = 10
"""Queries of each kind that are drawn."""


@dataclass(frozen=True)
class Tie:
    """A query with an answer: rows of the items. kind: right answer, or hardest negative."""

    query: int
    answer: int
    kind: str


@dataclass(frozen=True)
class Ties:
    """What is drawn of an item, at most ten queries a kind. asks, answers, fools: how many there are of each."""

    drawn: tuple[Tie, ...]
    asks: int
    answers: int
    fools: int


def ties_of(bundle: Bundle, item: int) -> Ties:
    """Return the queries that an item asks, rightly answers, or wrongly comes first for.

    Of a query its right answer and its hardest negative are drawn, whichever comes first.
    """
    asks = rows_where(bundle, "query", item)
    answers = rows_where(bundle, "positive", item)
    hardest = bundle.rankings["hardest"].fillna(-1).to_numpy(dtype=int)
    first = hardest == item
    margin = bundle.rankings["margin"].to_numpy(dtype=float)
    fools = np.flatnonzero(first & (margin < 0))
    return Ties(
        (
            *(tie(bundle, each, "positive", "right answer") for each in (*asks[:MOST], *answers[:MOST])),
            *(tie(bundle, each, "hardest", "hardest negative") for each in asks[:MOST] if hardest[each] >= 0),
            *(tie(bundle, each, "hardest", "hardest negative") for each in fools[:MOST]),
        ),
        len(asks),
        len(answers),
        len(fools),
    )


def rows_where(bundle: Bundle, column: str, item: int) -> Int[np.ndarray, " _"]:
    """Return the rows of the rankings that name an item in a column."""
    return np.flatnonzero(bundle.rankings[column].to_numpy() == item)


def tie(bundle: Bundle, number: int, column: str, kind: str) -> Tie:
    """Return what joins a query to the item of a column."""
    row = bundle.rankings.iloc[number]
    return Tie(int(row["query"]), int(row[column]), kind)
