"""What can be said of each query of a bundle before its outcome: its words, its right answer's, attributes, lengths."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Int
from scipy import sparse

from workbench.bundles.bundle import Bundle
from workbench.explore.filters import OWN, filter_columns, modality_pairs, values_of
from workbench.measures.concepts import MARK, Incidence, joined, length_groups, value_incidence, word_incidence

Rows = Int[np.ndarray, " queries"]
WORDS = {"query": "word of the query", "positive": "word of the right answer"}
LENGTHS = {"query": "length of the query", "positive": "length of the right answer"}
OWN_WORDS = {"meta_task": "meta-task", "in_distribution": "trained data set"}


@dataclass(frozen=True)
class QueryFeatures:
    """Features of some queries, in columns.

    kinds, labels: what each is. states: what the filters of the explorer are set to for it, by name; empty where no
    filter says it. matrix: queries x features, of 0 and 1.
    """

    kinds: list[str]
    labels: list[str]
    states: list[Mapping[str, str]]
    matrix: sparse.csr_matrix


def query_features(bundle: Bundle, numbers: Rows, least: int = 1) -> QueryFeatures:
    """Return all features of some queries; words of fewer than `least` of them are left out."""
    found: list[tuple[str, Incidence, Sequence[Mapping[str, str]]]] = []
    datasets = value_incidence(bundle.rankings["dataset"].astype(str).to_numpy(dtype=object)[numbers])
    found.append(("data set", datasets, [{"dataset": each} for each in datasets.labels]))
    pairs = value_incidence(modality_pairs(bundle, numbers))
    found.append(("modalities", pairs, [{"pair": each} for each in pairs.labels]))
    for column in filter_columns(bundle):
        values = value_incidence(values_of(bundle, numbers, column))
        kind = OWN_WORDS[column] if column in OWN else column
        found.append((kind, values, [{"column": column, "value": each} for each in values.labels]))
    for name, kind in WORDS.items():
        words = words_of(bundle, numbers, name, least)
        found.append((kind, words, [{"words": word} for word in words.labels]))
    for name, kind in LENGTHS.items():
        groups = value_incidence(length_groups(word_counts(bundle, numbers, name)))
        found.append((kind, groups, [{} for _ in groups.labels]))
    return QueryFeatures(
        [kind for kind, each, _ in found for _ in each.labels],
        [label for _, each, _ in found for label in each.labels],
        [state for _, _, states in found for state in states],
        joined([each for _, each, _ in found]),
    )


def words_of(bundle: Bundle, numbers: Rows, name: str, least: int) -> Incidence:
    """Return the words of the queries, or of their right answers ("positive")."""
    items, place = np.unique(bundle.rankings[name].to_numpy()[numbers], return_inverse=True)
    return word_incidence(bundle.items["text"].iloc[items].fillna("").tolist(), place, least)


def word_counts(bundle: Bundle, numbers: Rows, name: str) -> Int[np.ndarray, " queries"]:
    """Return how many words the text of each query, or of its right answer, has."""
    items, place = np.unique(bundle.rankings[name].to_numpy()[numbers], return_inverse=True)
    texts = bundle.items["text"].iloc[items].fillna("").str.replace(MARK, " ", regex=True)
    return texts.str.split().str.len().to_numpy(dtype=np.int64)[place]
