"""A selection of items or queries that every view reads and writes, as a rule that fits into an address.

items:3,17,204             these rows of the items
queries:5,9                these rows of the rankings
lasso:pca:x,y;x,y;...      the items within a polygon on a map
winner:12                  the queries that this item wrongly comes first for
near:12:50                 the 50 items nearest to an item, itself first
won:RUN/EVALUATION         the queries answered better than in another evaluation; lost: those answered worse
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int

from core.evaluation.top_k import top_k
from workbench.bundles.bundle import Bundle
from workbench.measures.matched import lost, matched, won
from workbench.projection.polygon import inside

MOST_LISTED = 200
"""Rows that an address spells out."""
MOST_VERTICES = 60
Points = Callable[[str], Float[np.ndarray, "items 2"] | None]
"""The points of a map by its name, one an item, NaN where it shows none; None for a map that is not there."""

Others = Callable[[str], Bundle | None]
"""Another evaluation by its name, RUN/EVALUATION; None for one that is not at hand."""
COMPARED = {"won": won, "lost": lost}


class UnknownSelection(ValueError):
    """A rule that names nothing here; the message says why."""


@dataclass(frozen=True)
class Selection:
    """Rows of the rankings and of the items that a rule names; `rule` "" selects nothing.

    Items of selected queries are the queries and right answers; queries of selected items those that ask with them, or
    have them for a right answer.
    """

    rule: str
    queries: Int[np.ndarray, " queries"]
    items: Int[np.ndarray, " items"]

    def __bool__(self) -> bool:
        return bool(self.rule)


NOTHING = Selection("", np.empty(0, np.int64), np.empty(0, np.int64))


def selected(bundle: Bundle, rule: str, points: Points, others: Others = lambda name: None) -> Selection:
    """Return what a rule selects. Raises UnknownSelection."""
    if not rule:
        return NOTHING
    kind, _, rest = rule.partition(":")
    if kind == "queries":
        return of_queries(bundle, rule, rows_in(rest, len(bundle.rankings)))
    if kind == "winner":
        item = one_row(rest, len(bundle.items))
        first = bundle.negatives.loc[(bundle.negatives["place"] == 1) & bundle.negatives["above_positive"]]
        return of_queries(bundle, rule, first.loc[first["negative"] == item, "ranking"].to_numpy())
    if kind == "items":
        return of_items(bundle, rule, rows_in(rest, len(bundle.items)))
    if kind == "near":
        row, _, count = rest.partition(":")
        item = one_row(row, len(bundle.items))
        return of_items(bundle, rule, nearest(bundle, item, number_in(count)))
    if kind == "lasso":
        return of_items(bundle, rule, within(rest, points))
    if kind in COMPARED:
        other = others(rest)
        if other is None:
            raise UnknownSelection(f"{kind}: needs {rest[:80]!r} to be chosen under Against")
        return of_queries(bundle, rule, COMPARED[kind](bundle, other, matched(bundle, other)))
    known = ", ".join(f"{each}:" for each in ("items", "queries", "lasso", "winner", "near", *COMPARED))
    raise UnknownSelection(f"a selection begins with one of {known} not {kind!r}")


def of_queries(bundle: Bundle, rule: str, numbers: Int[np.ndarray, " _"]) -> Selection:
    """Select queries, and their items with them."""
    rows = bundle.rankings.iloc[numbers]
    members = np.unique(rows[["query", "positive"]].to_numpy()).astype(np.int64)
    return Selection(rule, np.unique(numbers).astype(np.int64), members)


def of_items(bundle: Bundle, rule: str, rows: Int[np.ndarray, " _"]) -> Selection:
    """Select items, and the queries that ask with them or have them for their right answer."""
    chosen = np.zeros(len(bundle.items), dtype=bool)
    chosen[rows] = True
    asked = chosen[bundle.rankings["query"].to_numpy()] | chosen[bundle.rankings["positive"].to_numpy()]
    return Selection(rule, np.flatnonzero(asked), np.asarray(list(dict.fromkeys(rows.tolist())), dtype=np.int64))


def items_rule(rows: Sequence[int]) -> str:
    """Return the rule that names rows of the items. Raises UnknownSelection for more than an address can spell."""
    if len(rows) > MOST_LISTED:
        raise UnknownSelection(f"{len(rows):,} items do not fit into an address, {MOST_LISTED} at most")
    return f"items:{','.join(map(str, rows))}"


def queries_rule(numbers: Sequence[int]) -> str:
    """Return the rule that names rows of the rankings. Raises UnknownSelection for more than an address can spell."""
    if len(numbers) > MOST_LISTED:
        raise UnknownSelection(f"{len(numbers):,} queries do not fit into an address, {MOST_LISTED} at most")
    return f"queries:{','.join(map(str, numbers))}"


def lasso_rule(layout: str, polygon: Sequence[Sequence[float]]) -> str:
    """Return the rule of a polygon on a map, thinned to at most 60 corners."""
    step = max(1, -(-len(polygon) // MOST_VERTICES))
    return f"lasso:{layout}:{';'.join(f'{x:.5g},{y:.5g}' for x, y in list(polygon)[::step])}"


def rows_in(text: str, count: int) -> Int[np.ndarray, " _"]:
    """Return the row numbers of a list, each once. Raises UnknownSelection."""
    rows = list(dict.fromkeys(number_in(each) for each in text.split(",")))
    outside = next((row for row in rows if row >= count), None)
    if outside is not None:
        raise UnknownSelection(f"{outside} is none of the {count:,} rows there are")
    return np.asarray(rows, dtype=np.int64)


def one_row(text: str, count: int) -> int:
    """Return the number of one row. Raises UnknownSelection."""
    row = number_in(text)
    if row >= count:
        raise UnknownSelection(f"{row} is none of the {count:,} rows there are")
    return row


def number_in(text: str) -> int:
    """Return a whole number of at least 0. Raises UnknownSelection."""
    if not text.isascii() or not text.isdecimal() or len(text) > 9:
        raise UnknownSelection(f"{text[:20]!r} is no row number")
    return int(text)


def nearest(bundle: Bundle, item: int, count: int) -> Int[np.ndarray, " _"]:
    """Return the items nearest to one by cosine, itself first."""
    asked = torch.from_numpy(np.array(bundle.vectors[item : item + 1]))
    found = top_k(asked, torch.from_numpy(bundle.vectors), max(1, min(count, MOST_LISTED)) + 1).rows[0].tolist()
    return np.asarray([item, *(row for row in found if row != item)][: max(1, count)], dtype=np.int64)


def within(rest: str, points: Points) -> Int[np.ndarray, " _"]:
    """Return the items within a polygon, "layout:x,y;x,y;...". Raises UnknownSelection."""
    layout, _, corners = rest.partition(":")
    try:
        polygon = [(float(x), float(y)) for x, y in (each.split(",") for each in corners.split(";"))]
    except ValueError as error:
        raise UnknownSelection("a polygon is written x,y;x,y;...") from error
    placed = points(layout)
    if placed is None:
        raise UnknownSelection(f"there is no map {layout[:20]!r}")
    try:
        return inside(placed, np.asarray(polygon))
    except ValueError as error:
        raise UnknownSelection(str(error)) from error
