"""Results that are kept between clicks, keyed by the bundle's digest.

Streamlit hashes only a sample of a large array, so two bundles could be taken for one another: arrays are passed as
`_argument`, which it does not hash, and the digest, which names the content, stands for them. What is returned is
shared by all pages and never changed.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import streamlit as st
from jaxtyping import Float, Int

from apps.views import cached_map
from apps.views.looking import Against
from core.evaluation.metrics import PairedDifference, Score
from workbench.bundles import bundle as bundles
from workbench.bundles.bundle import Bundle
from workbench.bundles.candidates import Lists
from workbench.explore import find_items
from workbench.explore.filters import Filters, choices_of, matching, modality_pairs
from workbench.explore.find_items import Neighbours
from workbench.explore.selection import Selection, selected
from workbench.measures import matched, prescriptions, retrieval
from workbench.measures.finding import Evidence, Measured, without_training
from workbench.measures.matched import Matched
from workbench.measures.prescriptions import Examined
from workbench.runs import table
from workbench.runs.runs import Run


def open_bundle(folder: Path) -> Bundle:
    """Return the bundle in a folder, read again only when its manifest has changed. Raises BundleError."""
    return read(str(folder), bundles.manifest_digest(folder))


@st.cache_resource(max_entries=4, show_spinner="Reading and checking the bundle ...")
def read(folder: str, digest: str) -> Bundle:
    """See `open_bundle`."""
    return bundles.open_bundle(Path(folder))


def selection(digest: str, rule: str, bundle: Bundle, against: Against | None) -> Selection:
    """Return what a rule selects. Raises UnknownSelection."""
    name, other = (against.name, against.bundle) if against else ("", None)
    return selected_once(digest, rule, name, other.digest if other else "", bundle, other)


@st.cache_resource(max_entries=32, show_spinner=False)
def selected_once(
    digest: str, rule: str, name: str, other_digest: str, _bundle: Bundle, _other: Bundle | None
) -> Selection:
    """See `selection`."""
    return selected(
        _bundle,
        rule,
        lambda layout: points(digest, layout, _bundle),
        lambda asked: _other if asked == name else None,
    )


def points(digest: str, layout: str, bundle: Bundle) -> Float[np.ndarray, "items 2"] | None:
    """Return the places of all items on one of the bundle's maps; None for one that it does not have."""
    stored = bundle.layouts.get(layout)
    return cached_map.made_points(digest, layout, bundle) if stored is None else stored.points


@st.cache_resource(max_entries=64, show_spinner=False)
def filtered(digest: str, filters: Filters, _bundle: Bundle) -> Int[np.ndarray, " queries"]:
    """Return the rows of the rankings that pass the filters."""
    return matching(_bundle, filters)


def queries(digest: str, filters: Filters, chosen: Selection, bundle: Bundle) -> Int[np.ndarray, " queries"]:
    """Return the rows of the rankings that pass the filters and are selected, if anything is."""
    passed = filtered(digest, filters, bundle)
    return passed[np.isin(passed, chosen.queries)] if chosen else passed


@st.cache_resource(max_entries=16, show_spinner=False)
def pair_names(digest: str, _bundle: Bundle) -> list[str]:
    """Return the pairs of modalities of query and right answer, the most frequent first."""
    pairs, counts = np.unique(modality_pairs(_bundle, _bundle.numbers(None)), return_counts=True)
    return [str(pairs[place]) for place in np.argsort(-counts, kind="stable")]


@st.cache_resource(max_entries=32, show_spinner=False)
def choices(digest: str, column: str, _bundle: Bundle) -> list[str]:
    """Return the values that queries have of a column."""
    return choices_of(_bundle, column)


@st.cache_resource(max_entries=2, show_spinner=False)
def evidence(key: str, _bundle: Bundle, _numbers: Int[np.ndarray, " queries"]) -> Evidence:
    """Return what findings on some queries are made from, which it works out once; `key` stands for both."""
    return Evidence(_bundle, _numbers)


@st.cache_resource(max_entries=8, show_spinner="Looking for what is wrong ...")
def examined(key: str, _bundle: Bundle, _numbers: Int[np.ndarray, " queries"]) -> Examined:
    """Say what is wrong with the model on some queries."""
    return prescriptions.examined(evidence(key, _bundle, _numbers))


@st.cache_resource(max_entries=8, show_spinner="Trying what needs no training ...")
def cures(key: str, _bundle: Bundle, _numbers: Int[np.ndarray, " queries"]) -> list[Measured]:
    """Return what could be changed without training, tried on some queries."""
    return without_training(evidence(key, _bundle, _numbers))


@st.cache_resource(max_entries=16, show_spinner=False)
def scores_over(key: str, _bundle: Bundle, _numbers: Int[np.ndarray, " queries"]) -> list[Score]:
    """Return P@1 over some queries."""
    return retrieval.scores_over(_bundle, _numbers)


@st.cache_resource(max_entries=8, show_spinner="Matching queries ...")
def matches(digest: str, other_digest: str, _bundle: Bundle, _other: Bundle) -> Matched:
    """Return the queries that two evaluations have in common."""
    return matched.matched(_bundle, _other)


@st.cache_resource(max_entries=16, show_spinner=False)
def difference(key: str, other_digest: str, _bundle: Bundle, _other: Bundle, _found: Matched) -> PairedDifference:
    """Return the paired difference of P@1 on matched queries; `key` stands for which they are."""
    return matched.difference(_bundle, _other, _found)


@st.cache_resource(max_entries=4, show_spinner=False)
def run_table(key: str, _runs: Sequence[Run]) -> pd.DataFrame:
    """Return all evaluations of all runs; `key` stands for the state of their folders."""
    return table.run_table(_runs)


@st.cache_resource(max_entries=32, show_spinner="Looking for the words ...")
def named_items(digest: str, words: str, _bundle: Bundle) -> Int[np.ndarray, " items"]:
    """Return the items that hold some words."""
    return find_items.named(_bundle, words)


@st.cache_resource(max_entries=64, show_spinner="Comparing with every item ...")
def neighbours(digest: str, item: int, k: int, _bundle: Bundle) -> Neighbours:
    """Return the items nearest to one."""
    return find_items.neighbours(_bundle, item, k)


@st.cache_resource(max_entries=4, show_spinner="Looking for the same words ...")
def equal_texts(digest: str, _bundle: Bundle) -> Lists:
    """Return the groups of items with the same words."""
    return find_items.equal_texts(_bundle)


@st.cache_resource(max_entries=4, show_spinner="Looking for the same vectors ...")
def equal_vectors(digest: str, _bundle: Bundle) -> Lists:
    """Return the groups of items with the same vector."""
    return find_items.equal_vectors(_bundle.vectors)
