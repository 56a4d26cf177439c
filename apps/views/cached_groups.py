"""Groups and rankings that are kept between clicks; see `apps.views.cached`."""

import numpy as np
import streamlit as st

from workbench.bundles.bundle import Bundle
from workbench.explore import failure_groups
from workbench.explore.failure_groups import FailureGroups
from workbench.measures import ranked_candidates
from workbench.measures.ranked_candidates import Folded, RankedCandidate


@st.cache_resource(max_entries=16, show_spinner="Grouping ...")
def groups(key: str, failures: bool, by: str, _bundle: Bundle, _numbers: np.ndarray) -> FailureGroups:
    """Return the groups of what is looked at, or of its failures alone."""
    return failure_groups.failure_groups(_bundle, _numbers, by)


@st.cache_resource(max_entries=16, show_spinner=False)
def offered(digest: str, _bundle: Bundle) -> list[str]:
    """Return the groupings that a bundle offers."""
    return failure_groups.groupings(_bundle)


@st.cache_resource(max_entries=64, show_spinner=False)
def ranked(digest: str, number: int, shown: int, _bundle: Bundle) -> list[RankedCandidate | Folded]:
    """Return a query's ranked candidates."""
    return ranked_candidates.ranked_candidates(_bundle, number, shown)
