"""Results that are kept between clicks, keyed by the bundle's digest.

Streamlit hashes only a sample of a large array, so two bundles could be taken for one another: arrays are passed as
`_argument`, which it does not hash, and the digest, which names the content, stands for them. What is returned is
shared by all pages and never changed.
"""

from pathlib import Path

import numpy as np
import streamlit as st

from workbench.bundles import bundle as bundles
from workbench.bundles.bundle import Bundle
from workbench.measures import hardness, overlap, retrieval
from workbench.measures.hardness import Effect, Mean, Pools
from workbench.measures.overlap import Overlap
from workbench.measures.retrieval import Hint
from workbench.what_if.what_if import Setting


def open_bundle(folder: Path) -> Bundle:
    """Return the bundle in a folder, read again only when its manifest has changed. Raises BundleError."""
    return read(str(folder), bundles.manifest_digest(folder))


@st.cache_resource(max_entries=4, show_spinner="Reading and checking the bundle ...")
def read(folder: str, digest: str) -> Bundle:
    """See `open_bundle`."""
    return bundles.open_bundle(Path(folder))


@st.cache_resource(max_entries=16, show_spinner="Computing similarities ...")
def pools(digest: str, dataset: str | None, _bundle: Bundle) -> Pools:
    """Return the pools of a data set, or of all (None); an even sample of 5000 queries where there are more."""
    names = _bundle.rankings["dataset"].to_numpy()
    rows = np.flatnonzero(names == dataset) if dataset is not None else np.arange(len(names))
    return hardness.pools_of(_bundle, rows[hardness.sample_rows(len(rows))])


@st.cache_resource(max_entries=4, show_spinner=False)
def hints(digest: str, _bundle: Bundle) -> list[Hint]:
    """Say what is wrong with the model."""
    return retrieval.hints(_bundle, pools(digest, None, _bundle))


@st.cache_resource(max_entries=64, show_spinner=False)
def overlaps(digest: str, dataset: str | None, _bundle: Bundle) -> dict[str, tuple[Overlap, tuple[float, float]]]:
    """Overlap of the right answers with hard, easy and all negatives, with the interval of AUROC."""
    chosen = pools(digest, dataset, _bundle)
    return overlap.against_positives(chosen.similarity, chosen.positive, chosen.wrong)


@st.cache_resource(max_entries=32, show_spinner=False)
def effect(digest: str, dataset: str | None, setting: Setting, _bundle: Bundle) -> Effect:
    """Say what an objective does to the pools."""
    return hardness.effect(setting.objective, pools(digest, dataset, _bundle))


@st.cache_resource(max_entries=32, show_spinner=False)
def shares(digest: str, dataset: str | None, setting: Setting, _bundle: Bundle) -> dict[int, tuple[Mean, float]]:
    """Shares of the gradient by true hardness under an objective."""
    done = effect(digest, dataset, setting, _bundle)
    return hardness.shares_by_hardness(pools(digest, dataset, _bundle), done.share)


@st.cache_resource(max_entries=32, show_spinner=False)
def correlation(digest: str, dataset: str | None, setting: Setting | None, _bundle: Bundle) -> Mean:
    """Do the weights of an objective follow the true hardness? None: of any whose weights rise with similarity."""
    chosen = pools(digest, dataset, _bundle)
    values = chosen.similarity if setting is None else effect(digest, dataset, setting, _bundle).weight
    return hardness.mean_of(hardness.rank_correlations(chosen, values))
