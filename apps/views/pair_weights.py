"""Pair weights: what does each pair weigh, and what if the objective were another? Recomputed live, no training."""

import numpy as np
import plotly.graph_objects as go
import streamlit as st

from apps.views import cached
from apps.views.captions import shortened
from apps.views.cards import show_item
from apps.views.choose_objective import choose_objective
from apps.views.looking import Looking
from apps.views.queries import choose_query
from workbench.bundles.bundle import Bundle
from workbench.figures.gradient_shares import gradient_shares_figure
from workbench.figures.hardness_shares import hardness_shares_figure
from workbench.figures.weight_curve import weight_curve_figure
from workbench.measures import hardness
from workbench.measures.hardness import Effect, Mean, Pools
from workbench.what_if.objective_words import RIGHT_PROBABILITY, SOFTMAX_PROBABILITY, left_aside
from workbench.what_if.what_if import PUBLISHED, Setting, setting_of, trained_setting

EFFECTIVE = "exp of the entropy of the shares: all negatives if all pull alike, 1 if one does everything."
LOSS = "In nats, direction query to candidates. Losses of different objectives do not compare."
RESTING = (
    "On {} the prior takes off all that the negatives weigh, so nothing pulls; the shares are what would be if it did."
)


def show(looking: Looking) -> None:
    """Return the whole view."""
    bundle, dataset = looking.bundle, looking.dataset
    rows = bundle.rankings.iloc[looking.queries]
    if rows.empty:
        st.info("No query passes the filters.")
        return
    number = choose_query(bundle, rows.sort_values(by="margin", kind="stable").index.tolist())
    settings = bundle.objective_settings
    trained = setting_of("infonce", PUBLISHED["infonce"]) if settings is None else trained_setting(settings)
    chosen = choose_objective(trained)
    if settings is not None and (aside := left_aside(settings)):
        st.caption(" ".join(aside))
    show_query(bundle, number, trained, chosen)
    st.divider()
    show_all(bundle, dataset, trained, chosen)


def show_query(bundle: Bundle, number: int, trained: Setting, chosen: Setting) -> None:
    """Return one query: its pictures, its numbers, its negatives' weights and shares."""
    pool = hardness.pools_of(bundle, [number])
    before, after = (hardness.effect(each.objective, pool) for each in (trained, chosen))
    show_pictures(bundle, number)
    show_numbers(chosen, before, after)
    left, right = st.columns(2, gap="medium")
    with left:
        st.plotly_chart(weights_of(pool, trained, chosen, after), key="weights", config={"displayModeBar": False})
    with right:
        order = np.argsort(-np.where(pool.wrong[0], pool.similarity[0], -np.inf), kind="stable")[: pool.wrong.sum()]
        labels = [shortened(bundle.words(row)) for row in pool.candidates[0][order]]
        figure = gradient_shares_figure(labels, before.share[0][order], after.share[0][order])
        st.plotly_chart(figure, key="gradient", config={"displayModeBar": False})
    if rests(chosen, pool, after).any():
        st.caption(RESTING.format("this query"))


def show_pictures(bundle: Bundle, number: int) -> None:
    """Return the query, its right answer and its two hardest negatives, small."""
    query = bundle.query(number)
    shown = [("**Query**", query.query), (":green-badge[right answer]", query.positive)]
    shown += [(f":red-badge[negative {negative.place}]", negative.item) for negative in bundle.hardest(number)[:2]]
    for column, (label, row) in zip(st.columns(4), shown, strict=False):
        with column, st.container(border=True, height="stretch"):
            st.markdown(label)
            show_item(bundle, row, height=72)


def show_numbers(chosen: Setting, before: Effect, after: Effect) -> None:
    """Say what the objective makes of the query's pool, against the trained one."""
    right = RIGHT_PROBABILITY.get(chosen.name, SOFTMAX_PROBABILITY)
    numbers = (
        ("Effective negatives", before.effective_negatives[0], after.effective_negatives[0], "{:.1f}", EFFECTIVE),
        ("Loss of this query", before.loss[0], after.loss[0], "{:.3g}", LOSS),
        ("P(right answer)", before.right[0], after.right[0], "{:.3f}", right),
        ("Largest share", before.share[0].max(), after.share[0].max(), "{:.1%}", "Of the query's gradient."),
    )
    for column, (label, old, new, form, definition) in zip(st.columns(4), numbers, strict=True):
        with column:
            st.metric(
                label,
                form.format(new),
                delta="as trained" if form.format(old) == form.format(new) else f"trained: {form.format(old)}",
                delta_color="off",
                delta_arrow="off",
                help=definition,
                border=True,
            )


def weights_of(pool: Pools, trained: Setting, chosen: Setting, after: Effect) -> go.Figure:
    """Return the figure of weights of one pool."""
    wrong = pool.wrong[0]
    similarity, positive = pool.similarity[0][wrong], float(pool.similarity[0][pool.positive[0]][0])
    every = np.append(similarity, positive)
    curve = np.linspace(max(-1.0, every.min() - 0.02), min(1.0, every.max() + 0.02), 100)
    lines = [hardness.weights_at(each.objective, curve, positive) for each in (chosen, trained)]
    return weight_curve_figure(similarity, after.weight[0][wrong], positive, curve, *lines)


def show_all(bundle: Bundle, dataset: str | None, trained: Setting, chosen: Setting) -> None:
    """Return all queries of the data set: where the gradient goes by true hardness, and how many negatives matter."""
    pool = cached.pools(bundle.digest, dataset, bundle)
    st.markdown(f"##### Over {len(pool):,} queries of {'all data sets' if dataset is None else dataset}")
    before, after = (cached.shares(bundle.digest, dataset, each, bundle) for each in (trained, chosen))
    left, right = st.columns([3, 2], gap="medium")
    with left:
        if after:
            st.plotly_chart(hardness_shares_figure(before, after), key="hardness", config={"displayModeBar": False})
        else:
            st.info("True hardness is known in the miniature only: these items carry no attributes.")
    with right:
        for each, label in ((chosen, "What if"), (trained, "As trained")):
            done = cached.effect(bundle.digest, dataset, each, bundle)
            effective = hardness.mean_of(done.effective_negatives)
            st.metric(f"{label}: effective negatives a query", f"{effective.value:.1f}", help=EFFECTIVE)
            st.caption(f"{between(effective, '.1f')}; {pool.wrong.sum(axis=1).mean():.0f} negatives a pool")
        show_correlation(bundle, dataset, pool, chosen)
    resting = rests(chosen, pool, cached.effect(bundle.digest, dataset, chosen, bundle)).sum()
    if resting:
        st.caption(RESTING.format(f"{resting:,} of {len(pool):,} queries"))


def rests(chosen: Setting, pool: Pools, done: Effect) -> np.ndarray:
    """For each query whether a debiased objective leaves its negatives without any gradient."""
    return pool.wrong.any(axis=1) & ~done.pulls if chosen.prior is not None else np.zeros(len(pool), dtype=bool)


def show_correlation(bundle: Bundle, dataset: str | None, pool: Pools, chosen: Setting) -> None:
    """Tell whether weight follows true hardness."""
    # The weights of all others rise with similarity: they have one correlation, which need not be computed again.
    by = chosen if chosen.name == "focal" else None
    found = cached.correlation(bundle.digest, dataset, by, bundle)
    weights = cached.effect(bundle.digest, dataset, chosen, bundle).weight[pool.wrong]
    flat = len(weights) > 0 and np.ptp(weights) == 0
    st.metric(
        "Does weight follow true hardness?",
        "all weigh the same" if flat else "not known" if not found.n else f"{found.value:.2f}",
        help="Spearman's rank correlation, within each query, of a negative's weight with minus the number of asked "
        "attributes in which it truly differs. 1: the truly closest weigh most; 0: no relation. It is the same for "
        "every objective whose weight rises with similarity (all but Focal-InfoNCE), at any strength above 0.",
    )
    if found.n and not flat:
        st.caption(f"{between(found, '.2f')}, 0 is chance")


def between(found: Mean, form: str) -> str:
    """Return an interval in words."""
    return f"95 % interval {found.low:{form}} to {found.high:{form}}, {found.n:,} queries"
