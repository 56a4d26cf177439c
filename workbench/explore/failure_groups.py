"""Failures in groups: by the wrong item that comes first, by what it differs in, by data set, by modalities.

The *winner* of a query is its most similar wrong candidate: of a failed query the item that comes first, or ties with
the right answer.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from jaxtyping import Float, Int

from workbench.bundles.bundle import Bundle
from workbench.explore.filters import filter_columns, modality_pairs, values_of
from workbench.measures.differing_words import LACKS, differing_words

Queries = Int[np.ndarray, " queries"]
COLUMN = "column:"
"""Begins the name of a grouping by a column of metadata."""
NO_DIFFERENCE = "none (truly right)"
"""The group of winners that agree with the right answer in all that was asked."""


@dataclass(frozen=True)
class Keys:
    """Which groups each of some queries is in: place i of `query` is in group `names[group[i]]`.

    rarity: what a group's count is multiplied by to order the groups; 1 where the count alone orders them.
    """

    names: Sequence[str]
    query: Int[np.ndarray, " memberships"]
    group: Int[np.ndarray, " memberships"]
    rarity: Float[np.ndarray, " groups"] = field(default_factory=lambda: np.ones(1))


@dataclass(frozen=True)
class FailureGroups:
    """Groups of queries, the largest first.

    table: a row a group: group (its name), queries, failures (queries among them whose first answer is wrong), share
    (its part of all that were grouped or not, in [0, 1]), pull (the part of the gradient of all of them, on negatives,
    that goes to this group's winners, in [0, 1]; NaN where no objective is known), order (what they are sorted by).
    members: rows of the rankings in each group, in the given order. base: how many queries were looked at; grouped:
    how many of them are in a group. several: whether a query may be in several groups, so shares may sum to over 1.
    """

    table: pd.DataFrame
    members: tuple[Queries, ...]
    base: int
    grouped: int
    several: bool

    def of(self, name: str) -> Queries:
        """Return the queries of a group; none for a name that is no group."""
        places = np.flatnonzero(self.table["group"].to_numpy() == name)
        return self.members[places[0]] if len(places) else np.empty(0, np.int64)


def failure_groups(bundle: Bundle, numbers: Queries, by: str) -> FailureGroups:
    """Group some queries.

    by: "winner" (named by its row of the items), "attributes" (the set of asked attributes that truly differ),
    "words" (which the winner's text has and the right answer's lacks, or the other way round), "dataset", "pair"
    (modalities), "meta_task", or "column:" and a name (see `workbench.explore.filters.values_of`).

    Raises:
        ValueError: there is no such grouping.
    """
    make = KEYS.get(by)
    if make is None and not by.startswith(COLUMN):
        raise ValueError(f"by = {by!r} is none of {', '.join(KEYS)} or {COLUMN}NAME.")
    found = column_keys(bundle, numbers, by.removeprefix(COLUMN)) if make is None else make(bundle, numbers)
    return grouped(bundle, numbers, found, several=by == "words")


def grouped(bundle: Bundle, numbers: Queries, keys: Keys, several: bool) -> FailureGroups:
    """Count the groups and what their winners take of the gradient."""
    count = len(keys.names)
    queries = np.bincount(keys.group, minlength=count)
    missed = (bundle.rankings["hit"].to_numpy()[numbers] < 1).astype(float)
    pulled = winner_shares(bundle)[numbers]
    base = max(1, len(numbers))
    table = pd.DataFrame(
        {
            "group": list(keys.names),
            "queries": queries,
            "failures": np.bincount(keys.group, missed[keys.query], count).astype(np.int64),
            "share": queries / base,
            "pull": np.bincount(keys.group, pulled[keys.query], count) / base,
            "order": queries * keys.rarity,
        }
    )
    order = np.argsort(-table["order"].to_numpy(), kind="stable")
    by_group = np.argsort(keys.group, kind="stable")
    members = np.split(numbers[keys.query[by_group]], np.cumsum(queries)[:-1]) if count else []
    return FailureGroups(
        table.iloc[order].reset_index(drop=True),
        tuple(members[place] for place in order),
        len(numbers),
        len(np.unique(keys.query)),
        several,
    )


def winners(bundle: Bundle) -> Int[np.ndarray, " all_queries"]:
    """Return the row of each query's winner in the items, -1 where nothing is wrong; for all rankings."""
    first = bundle.negatives.loc[bundle.negatives["place"] == 1]
    found = np.full(len(bundle.rankings), -1, dtype=np.int64)
    found[first["ranking"].to_numpy()] = first["negative"].to_numpy()
    return found


def winner_shares(bundle: Bundle) -> Float[np.ndarray, " all_queries"]:
    """Return the share of its query's gradient that each winner takes; NaN where no objective is known.

    0 where nothing is wrong: such a query has no gradient on negatives.
    """
    first = bundle.negatives.loc[bundle.negatives["place"] == 1]
    found = np.zeros(len(bundle.rankings))
    found[first["ranking"].to_numpy()] = first["share"].to_numpy()
    return found


def keys_of(values: Sequence[object] | np.ndarray, known: np.ndarray) -> Keys:
    """Number the values of those queries that have one."""
    places = np.flatnonzero(known)
    codes, names = pd.factorize(np.asarray(values, dtype=object)[places])
    return Keys([str(each) for each in names], places, codes)


def winner_keys(bundle: Bundle, numbers: Queries) -> Keys:
    """Group by winner; queries without one are in no group."""
    found = winners(bundle)[numbers]
    places = np.flatnonzero(found >= 0)
    codes, names = pd.factorize(found[places])
    return Keys([str(each) for each in names], places, codes)


def attribute_keys(bundle: Bundle, numbers: Queries) -> Keys:
    """Group by the set of asked attributes in which the winner truly differs; only where the truth is known."""
    rows = bundle.rankings.iloc[numbers]
    positive, winner = rows["positive"].to_numpy(), winners(bundle)[numbers]
    asks = rows["asks"].map(tuple)
    code, asked = pd.factorize(asks)
    words = np.full(len(numbers), "", dtype=object)
    known = np.zeros(len(numbers), dtype=bool)
    for number, names in enumerate(asked):
        here = np.flatnonzero((code == number) & (winner >= 0))
        codes = [bundle.attribute_codes(name) for name in names]
        whole = [(each[positive[here]] >= 0) for each in codes]
        known[here] = np.all(whole, axis=0) if names else False
        differs = [each[positive[here]] != each[winner[here]] for each in codes]
        # One word for each set that occurs, so that names are joined a few times and not once a query.
        sets, which = np.unique(np.array(differs).T, axis=0, return_inverse=True) if names else ([], [])
        joined = [
            " + ".join(name for name, yes in zip(names, each, strict=True) if yes) or NO_DIFFERENCE for each in sets
        ]
        words[here] = np.array([*joined, ""], dtype=object)[np.asarray(which, dtype=np.int64).ravel()] if names else ""
    return keys_of(words, known)


def word_keys(bundle: Bundle, numbers: Queries) -> Keys:
    """Group by words that tell winner and right answer apart; a query is in one group for each."""
    winner = winners(bundle)[numbers]
    places = np.flatnonzero(winner >= 0)
    positive = bundle.rankings["positive"].to_numpy()[numbers[places]]
    found = differing_words(bundle.texts, winner[places], positive)
    return Keys(found.names, places[found.pair], found.name, found.rarity)


def column_keys(bundle: Bundle, numbers: Queries, column: str) -> Keys:
    """Group by a column of metadata; queries without a value are in no group."""
    values = values_of(bundle, numbers, column)
    return keys_of(values, values != "")


def label_keys(column: str) -> Callable[[Bundle, Queries], Keys]:
    """Return the grouping by a column of the rankings, which every query has."""

    def keys(bundle: Bundle, numbers: Queries) -> Keys:
        values = bundle.rankings[column].astype(str).to_numpy(dtype=object)[numbers]
        return keys_of(values, np.full(len(numbers), True))

    return keys


def pair_keys(bundle: Bundle, numbers: Queries) -> Keys:
    """Group by the modalities of query and right answer."""
    return keys_of(modality_pairs(bundle, numbers), np.full(len(numbers), True))


KEYS = {
    "winner": winner_keys,
    "attributes": attribute_keys,
    "words": word_keys,
    "dataset": label_keys("dataset"),
    "pair": pair_keys,
    "meta_task": label_keys("meta_task"),
}
__all__ = ["COLUMN", "LACKS", "FailureGroups", "failure_groups", "groupings", "winners"]


def groupings(bundle: Bundle) -> list[str]:
    """Return the groupings that a bundle offers: those that could tell its queries apart."""
    rankings = bundle.rankings
    asked = bool((rankings["asks"].map(len) > 0).any())
    offered = {
        "winner": True,
        "attributes": asked and len(bundle.attribute_table.columns) > 0,
        "words": bool(bundle.items["modality"].astype(str).str.contains("text").any()),
        "dataset": len(bundle.datasets) > 1,
        "pair": len(np.unique(modality_pairs(bundle, bundle.numbers(None)))) > 1,
        "meta_task": bool(rankings["meta_task"].nunique() > 1),
    }
    columns = [COLUMN + name for name in filter_columns(bundle) if name != "meta_task"]
    return [*(name for name, there in offered.items() if there), *columns]
