"""What two objectives do to all queries that are looked at: where the gradient goes, and how many negatives matter."""

import numpy as np
import streamlit as st

from apps.views import cached_weights
from apps.views.address import prepare_option, remember
from apps.views.looking import Looking
from workbench.figures.hardness_shares import hardness_shares_figure
from workbench.measures.effect_summary import EffectSummary
from workbench.measures.hardness import Effect, Mean, Pools
from workbench.what_if.objective_words import LABELS
from workbench.what_if.what_if import Setting

EFFECTIVE = "exp of the entropy of the shares: all negatives if all pull alike, 1 if one does everything."
RESTING = (
    "On {} the prior takes off all that the negatives weigh, so nothing pulls; the shares are what would be if it did."
)
FOLLOWS = (
    "Spearman's rank correlation, within each query, of a negative's weight with minus the number of asked attributes "
    "in which it truly differs. 1: the truly closest weigh most; 0: no relation. It is the same for every objective "
    "whose weight rises with similarity (all but Focal-InfoNCE), at any strength above 0."
)


def show_all(looking: Looking, this: Setting, that: Setting) -> None:
    """Return the two objectives over all queries, where it is asked for: it costs more than one query does."""
    st.divider()
    prepare_option("all_queries", [True, False], True)
    wanted = st.toggle(f"Over all {len(looking.queries):,} queries too", key="all_queries")
    remember("all_queries", wanted)
    if not wanted:
        return
    pools = cached_weights.pools(looking.key, looking.bundle, looking.queries)
    ours, others = (cached_weights.summary(looking.key, each, pools) for each in (this, that))
    sampled = "" if len(pools) == len(looking.queries) else f"an even sample of {len(pools):,} of "
    st.markdown(f"##### Over {sampled}{len(looking.queries):,} queries of {looking.dataset or 'all data sets'}")
    left, right = st.columns([3, 2], gap="medium")
    with left:
        if ours.shares:
            names = f"this: {LABELS[this.name]}", f"that: {LABELS[that.name]}"
            figure = hardness_shares_figure(others.shares, ours.shares, names)
            st.plotly_chart(figure, key="hardness", config={"displaylogo": False})
        else:
            st.info("True hardness is known in the miniature only: these items carry no attributes.")
    with right:
        for done, label in ((ours, "This"), (others, "That")):
            st.metric(f"{label}: effective negatives a query", f"{done.effective.value:.1f}", help=EFFECTIVE)
            st.caption(f"{between(done.effective, '.1f')}; {pools.wrong.sum(axis=1).mean():.0f} negatives a pool")
        show_correlation(looking, pools, this, ours)
    if this.prior is not None and ours.resting.any():
        st.caption(RESTING.format(f"{ours.resting.sum():,} of {len(pools):,} queries"))


def rests(chosen: Setting, pool: Pools, done: Effect) -> np.ndarray:
    """For each query whether a debiased objective leaves its negatives without any gradient."""
    return pool.wrong.any(axis=1) & ~done.pulls if chosen.prior is not None else np.zeros(len(pool), dtype=bool)


def show_correlation(looking: Looking, pools: Pools, this: Setting, ours: EffectSummary) -> None:
    """Tell whether weight follows true hardness."""
    # The weights of all others rise with similarity: they have one correlation, which need not be computed again.
    found = cached_weights.correlation(looking.key, this if this.name == "focal" else None, pools)
    words = "all weigh the same" if ours.flat else "not known" if not found.n else f"{found.value:.2f}"
    st.metric("Does weight follow true hardness?", words, help=FOLLOWS)
    if found.n and not ours.flat:
        st.caption(f"{between(found, '.2f')}, 0 is chance")


def between(found: Mean, form: str) -> str:
    """Return an interval in words."""
    return f"95 % interval {found.low:{form}} to {found.high:{form}}, {found.n:,} queries"
