"""Results of the Similarity view that are kept between clicks; see `apps.views.cached` for the rules."""

from collections.abc import Mapping

import numpy as np
import streamlit as st
from jaxtyping import Int

from apps.views import cached
from apps.views.looking import Against, Looking
from workbench.bundles.bundle import Bundle
from workbench.measures import dataset_means, overlap
from workbench.measures.dataset_means import Quantity
from workbench.measures.hardness import Mean, Pools, pools_of, sample_rows
from workbench.measures.matched import Matched
from workbench.measures.overlap import Overlap

Rows = Int[np.ndarray, " queries"]
MOST_QUERIES = 2000
MOST_PAIRS, FEW_POOLS, MOST_SHARED = 2**18, 64, 2**22
"""Of more queries, or candidates together, an even sample is multiplied; more where all share a few pools, since the
vectors of a pool are fetched once.
"""


def matches_of(looking: Looking, other: Against) -> Matched:
    """Return the queries looked at that the other evaluation was asked too, of as many candidates."""
    digest = looking.bundle.digest
    return cached.matches(digest, other.bundle.digest, looking.bundle, other.bundle).among(looking.queries)


def sampled(bundle: Bundle, numbers: Rows) -> Rows:
    """Return an even sample of some queries: at most 2000, with 0.3 to 4 million candidates together."""
    if not len(numbers):
        return numbers
    mean = float(bundle.candidates.sizes[numbers].mean())
    most = MOST_SHARED if len(np.unique(bundle.candidates.pool[numbers])) <= FEW_POOLS else MOST_PAIRS
    return numbers[sample_rows(len(numbers), min(MOST_QUERIES, max(1, int(most / mean))))]


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
    if dataset_means.stores_auroc(_bundle):
        return dataset_means.mean_over(dataset_means.values_of(_bundle, _numbers, "auroc_all"))
    return dataset_means.mean_over(dataset_means.auroc_in_pools(pools(key, _bundle, _numbers)))


@st.cache_resource(max_entries=16, show_spinner=False)
def hard(key: str, _bundle: Bundle, _numbers: Rows) -> tuple[Mean, Mean]:
    """Return the AUROC against the 5 hardest negatives: of all pairs pooled, and the mean within queries."""
    pairs = dataset_means.hard_pairs(_bundle, _numbers)
    return dataset_means.pooled_auroc(pairs), dataset_means.mean_over(dataset_means.within_auroc(pairs))


@st.cache_resource(max_entries=32, show_spinner="Averaging by data set ...")
def means(key: str, quantity: Quantity, _bundle: Bundle, _numbers: Rows) -> Mapping[str, Mean]:
    """Return the means of a quantity by data set."""
    return dataset_means.by_dataset(_bundle, _numbers, dataset_means.values_of(_bundle, _numbers, quantity))


@st.cache_resource(max_entries=16, show_spinner=False)
def pooled(key: str, _bundle: Bundle, _numbers: Rows) -> Mapping[str, Mean]:
    """Return the pooled AUROC against the hardest negatives by data set."""
    return dataset_means.pooled_by_dataset(_bundle, _numbers)


@st.cache_resource(max_entries=16, show_spinner=False)
def differences(
    key: str, other: str, quantity: Quantity, _bundle: Bundle, _other: Bundle, _found: Matched
) -> tuple[Mapping[str, Mean], Mean]:
    """Return the paired difference of a quantity, first minus second, by data set and over all matched queries."""
    first = dataset_means.values_of(_bundle, _found.own, quantity)
    change = first - dataset_means.values_of(_other, _found.other, quantity)
    return dataset_means.by_dataset(_bundle, _found.own, change), dataset_means.mean_over(change)
