"""Results of the Concepts view that are kept between clicks; see `apps.views.cached` for the rules."""

from pathlib import Path

import numpy as np
import pandas as pd
import streamlit as st
from jaxtyping import Bool, Int

from workbench.bundles.bundle import Bundle
from workbench.explore.query_features import QueryFeatures, query_features
from workbench.measures import concepts, leakage
from workbench.measures.hardness import sample_rows
from workbench.measures.leakage import Recorded, Twins

Rows = Int[np.ndarray, " queries"]
FEWEST = 5
"""Queries that a feature must have to be looked at at all."""
COMPARED = 1000
"""Of more queries an even sample is looked through for twins."""


@st.cache_resource(max_entries=4, show_spinner="Reading words and attributes ...")
def features(key: str, _bundle: Bundle, _numbers: Rows) -> QueryFeatures:
    """Return the features of some queries."""
    return query_features(_bundle, _numbers, FEWEST)


@st.cache_resource(max_entries=16, show_spinner="Comparing ...")
def lifts(
    key: str, outcome: str, least: int, _features: QueryFeatures, _outcome: Bool[np.ndarray, " n"]
) -> pd.DataFrame:
    """Return the lifts of all features."""
    return concepts.lifts(_features.matrix, _outcome, least)


@st.cache_resource(max_entries=4, show_spinner="Reading what training recorded ...")
def recorded(folder: str, files: int, newest: float) -> Recorded:
    """Return what a run recorded of its training pairs; the last two change when the records do."""
    return leakage.recorded_pairs(Path(folder))


def compared(numbers: Rows) -> Rows:
    """Return the queries that are looked through for twins."""
    return numbers[sample_rows(len(numbers), COMPARED)]


@st.cache_resource(max_entries=4, show_spinner="Looking for items that are nearly the same ...")
def twins(key: str, threshold: float, _bundle: Bundle, _numbers: Rows) -> Twins:
    """Return the groups of nearly equal items among some queries, their right answers and hardest negatives."""
    return leakage.item_twins(_bundle, leakage.items_of(_bundle, _numbers), threshold)


@st.cache_resource(max_entries=8, show_spinner="Comparing vectors ...")
def model_twins(key: str, threshold: float, _bundle: Bundle, _numbers: Rows) -> pd.DataFrame:
    """Return the hard negatives that the model holds for nearly the right answer."""
    return leakage.model_twins(_bundle, _numbers, threshold)
