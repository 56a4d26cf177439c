"""Results of the Modalities view that are kept between clicks; see `apps.views.cached` for the rules."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import streamlit as st
from jaxtyping import Float, Int

from workbench.bundles.bundle import Bundle
from workbench.measures import cures, modality_gap, modality_scores
from workbench.measures.hardness import Mean, Pools, pools_of, sample_rows
from workbench.measures.matched import Matched
from workbench.measures.modality_scores import Gap, Quantity, Sides

Rows = Int[np.ndarray, " queries"]
Hits = Float[np.ndarray, " queries"]
SAMPLES = {"quick": 2**17, "larger": 2**20}
"""Candidates together whose similarities are computed anew; so many times more where queries share a few pools."""
SHARED, FEW_POOLS = 16, 64
MOST_QUERIES = 4000
PROBED = 500
"""Vectors of a side that a linear classifier is fitted to."""


@dataclass(frozen=True)
class Change:
    """What is changed in the stored vectors: the name of a cure, and its number."""

    cure: str
    number: float


CURES: Mapping[str, Callable[[Bundle, Pools, float], np.ndarray]] = {
    "centring": cures.centred,
    "gap": cures.gap_closed,
    "csls": lambda bundle, pools, number: cures.csls(bundle, pools, int(number)),
    "prefix": lambda bundle, pools, number: cures.prefix(bundle, pools, int(number)),
    "int8": lambda bundle, pools, _: cures.int8(bundle, pools),
}


def sampled(bundle: Bundle, numbers: Rows, sample: str) -> Rows:
    """Return an even sample of some queries, bounded by their candidates together."""
    if not len(numbers):
        return numbers
    mean = float(bundle.candidates.sizes[numbers].mean())
    shared = len(np.unique(bundle.candidates.pool[numbers])) <= FEW_POOLS
    most = SAMPLES[sample] * (SHARED if shared else 1)
    return numbers[sample_rows(len(numbers), min(MOST_QUERIES, max(1, int(most / mean))))]


@st.cache_resource(max_entries=16, show_spinner=False)
def means(key: str, quantity: Quantity, _bundle: Bundle, _numbers: Rows) -> Mapping[Sides, Mean]:
    """Return a quantity by the modalities of query and right answer."""
    values = modality_scores.values_of(_bundle, _numbers, quantity)
    return modality_scores.by_modalities(_bundle, _numbers, values)


@st.cache_resource(max_entries=16, show_spinner=False)
def differences(
    key: str, other: str, quantity: Quantity, _bundle: Bundle, _other: Bundle, _found: Matched
) -> Mapping[Sides, Mean]:
    """Return the paired difference to another evaluation, own minus other, by the modalities of the own items."""
    own = modality_scores.values_of(_bundle, _found.own, quantity)
    change = own - modality_scores.values_of(_other, _found.other, quantity)
    return modality_scores.by_modalities(_bundle, _found.own, change)


@st.cache_resource(max_entries=8, show_spinner="Comparing means of vectors ...")
def gaps(key: str, _bundle: Bundle, _numbers: Rows) -> list[Gap]:
    """Return the gaps between queries and right answers, and between modalities."""
    return modality_scores.gaps(_bundle, _numbers)


@st.cache_resource(max_entries=8, show_spinner="Fitting a linear classifier ...")
def probe(key: str, _bundle: Bundle, _numbers: Rows) -> float:
    """Say how well a linear classifier tells queries from right answers."""
    rows = _bundle.rankings.iloc[_numbers[sample_rows(len(_numbers), PROBED)]]
    sides = (np.unique(rows[name].to_numpy()) for name in ("query", "positive"))
    first, second = (_bundle.vectors[each] for each in sides)
    return modality_gap.probe_auroc(first, second)


@st.cache_resource(max_entries=4, show_spinner="Computing similarities ...")
def pools(key: str, sample: str, _bundle: Bundle, _numbers: Rows) -> Pools:
    """Return the pools of the sample."""
    return pools_of(_bundle, sampled(_bundle, _numbers, sample))


@st.cache_resource(max_entries=32, show_spinner="Ranking with the changed vectors ...")
def hits(key: str, sample: str, change: Change | None, _bundle: Bundle, _numbers: Rows) -> Hits:
    """Return P@1 of each sampled query as the vectors are (None), or changed."""
    chosen = pools(key, sample, _bundle, _numbers)
    similarity = chosen.similarity if change is None else CURES[change.cure](_bundle, chosen, change.number)
    return cures.hits(similarity, chosen)
