"""Filters of the queries of a bundle: by data set, modalities, outcome, words, and what is known of an item.

A filter has a short text, which stands in an address; `Filters.parts` and `filters_from` turn one into the other.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields

import numpy as np
import pandas as pd
from jaxtyping import Bool, Int

from workbench.bundles.bundle import Bundle
from workbench.bundles.query_values import OWN, values_of

OUTCOMES = {"miss": "missed: the first answer is wrong", "hit": "found: the first answer is right"}


@dataclass(frozen=True)
class Filters:
    """Which queries are looked at. Empty fields let every query pass.

    pair: modalities of query and right answer, as "text > image". outcome: "hit" or "miss". words: what the query or
    its right answer contains, upper and lower case alike. column, value: an attribute of the right answer (or, where it
    has none of that name, of the query), or a column of the rankings.
    """

    dataset: str = ""
    pair: str = ""
    outcome: str = ""
    words: str = ""
    column: str = ""
    value: str = ""

    @property
    def parts(self) -> dict[str, str]:
        """The fields that are set, by name."""
        return {each.name: getattr(self, each.name) for each in fields(self) if getattr(self, each.name)}


def filters_from(said: Mapping[str, str]) -> Filters:
    """Return the filters of an address; names that are none are passed over."""
    known = {each.name for each in fields(Filters)}
    return Filters(**{name: value for name, value in said.items() if name in known})


def matching(bundle: Bundle, filters: Filters) -> Int[np.ndarray, " queries"]:
    """Return the rows of the rankings that pass every filter, in their order."""
    numbers = bundle.numbers(filters.dataset or None)
    kept = np.full(len(numbers), True)
    if filters.pair:
        kept &= modality_pairs(bundle, numbers) == filters.pair
    if filters.outcome:
        hits = bundle.rankings["hit"].to_numpy()[numbers] >= 1
        kept &= hits if filters.outcome == "hit" else ~hits
    if filters.words:
        kept &= contains(bundle, numbers, filters.words)
    if filters.column and filters.value:
        kept &= values_of(bundle, numbers, filters.column) == filters.value
    return numbers[kept]


def modality_pairs(
    bundle: Bundle, numbers: Int[np.ndarray, " queries"]
) -> "np.ndarray[tuple[int], np.dtype[np.object_]]":
    """Return the modalities of some queries and their right answers, as "text > image"."""
    modality = bundle.items["modality"].astype(str).tolist()
    rows = bundle.rankings.iloc[numbers]
    pairs = zip(rows["query"].tolist(), rows["positive"].tolist(), strict=True)
    return np.array([f"{modality[query]} > {modality[answer]}" for query, answer in pairs], dtype=object)


def contains(bundle: Bundle, numbers: Int[np.ndarray, " queries"], words: str) -> Bool[np.ndarray, " queries"]:
    """Tell which queries have words in their own text or in that of their right answer."""
    rows = bundle.rankings.iloc[numbers]
    found = np.full(len(numbers), False)
    for name in ("query", "positive"):
        texts = bundle.items["text"].iloc[rows[name].to_numpy()]
        found |= texts.str.contains(words, case=False, regex=False).fillna(False).to_numpy(dtype=bool)
    return found


def filter_columns(bundle: Bundle) -> list[str]:
    """Say what queries can be filtered by besides: attributes of the items, and columns of the rankings."""
    several = [name for name in OWN if len(bundle.rankings[name].unique()) > 1]
    return [*several, *map(str, bundle.attribute_table.columns)]


def choices_of(bundle: Bundle, column: str) -> list[str]:
    """Return the values that queries have of a column, the most frequent first."""
    counts = pd.Series(values_of(bundle, bundle.numbers(None), column)).value_counts()
    return [str(value) for value in counts.index if value != ""]


def in_words(filters: Filters) -> list[str]:
    """Say each filter that is set in words, for chips: field name and value."""
    words = {"dataset": "data set", "pair": "modalities", "outcome": "", "words": "contains"}
    found = [
        (f"{words[name]} {value}" if words[name] else OUTCOMES.get(value, value).partition(":")[0])
        for name, value in filters.parts.items()
        if name in words
    ]
    return [*found, f"{filters.column} = {filters.value}"] if filters.column and filters.value else found
