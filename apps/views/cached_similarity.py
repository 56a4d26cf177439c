"""Results of the Similarity view that are kept between clicks; see `apps.views.cached` for the rules."""

from collections.abc import Mapping

import numpy as np
import streamlit as st
from jaxtyping import Int

from workbench.bundles.bundle import Bundle
from workbench.measures import matched, overlap, query_values
from workbench.measures.hardness import Mean, Pools, mean_of, pools_of, sample_rows
from workbench.measures.matched import Matched
from workbench.measures.overlap import Overlap
from workbench.measures.query_values import Quantity

Rows = Int[np.ndarray, " queries"]
MOST_QUERIES, MOST_PAIRS = 2000, 2**20
"""Of more queries, or candidates together, an even sample is multiplied."""


def sampled(bundle: Bundle, numbers: Rows) -> Rows:
    """Return an even sample of some queries: at most 2000, with a million candidates together."""
    mean = float(bundle.candidates.sizes[numbers].mean()) if len(numbers) else 1.0
    return numbers[sample_rows(len(numbers), min(MOST_QUERIES, max(1, int(MOST_PAIRS / mean))))]


@st.cache_resource(max_entries=4, show_spinner="Computing similarities ...")
def pools(key: str, _bundle: Bundle, _numbers: Rows) -> Pools:
    """Return the pools of an even sample of some queries."""
    return pools_of(_bundle, sampled(_bundle, _numbers))


@st.cache_resource(max_entries=16, show_spinner=False)
def overlaps(key: str, _bundle: Bundle, _numbers: Rows) -> dict[str, tuple[Overlap, tuple[float, float]]]:
    """Overlap of the right answers of a sample with hard, easy and all negatives, with the interval of AUROC."""
    chosen = pools(key, _bundle, _numbers)
    return overlap.against_positives(chosen.similarity, chosen.positive, chosen.wrong)


@st.cache_resource(max_entries=16, show_spinner=False)
def within_all(key: str, _bundle: Bundle, _numbers: Rows) -> Mean:
    """Return the mean AUROC within queries against all negatives: stored, or else of a sample of the pools."""
    if query_values.stores_auroc(_bundle):
        return mean_of(query_values.values_of(_bundle, _numbers, "auroc_all"))
    return mean_of(query_values.auroc_in_pools(pools(key, _bundle, _numbers)))


@st.cache_resource(max_entries=16, show_spinner=False)
def hard(key: str, _bundle: Bundle, _numbers: Rows) -> tuple[Mean, Mean]:
    """Return the AUROC against the 5 hardest negatives: of all pairs pooled, and the mean within queries."""
    pairs = query_values.hard_pairs(_bundle, _numbers)
    return query_values.pooled_auroc(pairs), mean_of(query_values.within_auroc(pairs))


@st.cache_resource(max_entries=32, show_spinner="Averaging by data set ...")
def means(key: str, quantity: Quantity, _bundle: Bundle, _numbers: Rows) -> Mapping[str, Mean]:
    """Return the means of a quantity by data set."""
    return query_values.by_dataset(_bundle, _numbers, query_values.values_of(_bundle, _numbers, quantity))


@st.cache_resource(max_entries=16, show_spinner=False)
def pooled(key: str, _bundle: Bundle, _numbers: Rows) -> Mapping[str, Mean]:
    """Return the pooled AUROC against the hardest negatives by data set."""
    return query_values.pooled_by_dataset(_bundle, _numbers)


@st.cache_resource(max_entries=8, show_spinner="Matching queries ...")
def matches(key: str, other: str, _bundle: Bundle, _other: Bundle, _numbers: Rows) -> Matched:
    """Return which of some queries another bundle (by its digest) asks too."""
    return matched.matched(_bundle, _other, _numbers)


@st.cache_resource(max_entries=16, show_spinner=False)
def differences(
    key: str, other: str, quantity: Quantity, _bundle: Bundle, _other: Bundle, _found: Matched
) -> tuple[Mapping[str, Mean], Mean]:
    """Return the paired difference of a quantity, first minus second, by data set and over all matched queries."""
    first = query_values.values_of(_bundle, _found.first, quantity)
    change = first - query_values.values_of(_other, _found.second, quantity)
    return query_values.by_dataset(_bundle, _found.first, change), mean_of(change)
