"""What objectives do to the pools that are looked at, kept between clicks; see `apps.views.cached`."""

from pathlib import Path

import numpy as np
import streamlit as st

from workbench.bundles.bundle import Bundle
from workbench.measures import effect_summary, hardness
from workbench.measures.effect_summary import EffectSummary
from workbench.measures.hardness import Mean, Pools
from workbench.runs.pair_records import Recorded, read_step
from workbench.what_if.what_if import Setting


@st.cache_resource(max_entries=4, show_spinner="Computing similarities ...")
def pools(key: str, _bundle: Bundle, _numbers: np.ndarray) -> Pools:
    """Return the pools of some queries; an even sample where they are many."""
    return hardness.pools_of(_bundle, hardness.even_sample(_bundle, _numbers))


@st.cache_resource(max_entries=64, show_spinner=False)
def summary(key: str, setting: Setting, _pools: Pools) -> EffectSummary:
    """Say what an objective does to the pools."""
    return effect_summary.summary(setting.objective, _pools)


@st.cache_resource(max_entries=32, show_spinner="Ranking the weights ...")
def correlation(key: str, setting: Setting | None, _pools: Pools) -> Mean:
    """Do the weights of an objective follow the true hardness? None: of any whose weights rise with similarity."""
    if setting is None:
        return hardness.mean_of(hardness.rank_correlations(_pools, _pools.similarity))
    return hardness.mean_of(effect_summary.correlations(setting.objective, _pools))


@st.cache_resource(max_entries=8, show_spinner="Reading the recorded pairs ...")
def recorded(folder: str, step: int, marks: tuple[tuple[str, int, int], ...]) -> Recorded:
    """Return what was recorded at a step of a run, read again when a file has changed."""
    return read_step(Path(folder), step)
