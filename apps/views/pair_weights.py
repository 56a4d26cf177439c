"""Pair weights: what does each pair weigh, under this objective and under that? Recomputed live, no training."""

import numpy as np
import plotly.graph_objects as go
import streamlit as st

from apps.views.address import prepare_option, remember
from apps.views.captions import shortened
from apps.views.cards import CARD_LINE, show_item
from apps.views.choose_objective import THAT, THIS, choose_objective
from apps.views.looking import Looking
from apps.views.over_all_queries import EFFECTIVE, RESTING, rests, show_all
from apps.views.queries import asked_query, step_through
from apps.views.recorded_pairs import show_recorded
from apps.views.ways_on import query_menu
from workbench.bundles.bundle import Bundle
from workbench.figures.gradient_shares import gradient_shares_figure
from workbench.figures.weight_curve import weight_curve_figure
from workbench.measures import hardness
from workbench.measures.hardness import Effect, Pools
from workbench.runs.pair_records import recorded_files
from workbench.what_if.begin import first_pair
from workbench.what_if.objective_words import LABELS, RIGHT_PROBABILITY, SOFTMAX_PROBABILITY, left_aside
from workbench.what_if.what_if import Setting, trained_setting

LOSS = "In nats, direction query to candidates. Losses of different objectives do not compare."
OVER = {"pools": "over: evaluation pools", "batches": "over: training batches"}
UNKNOWN = "The objective that this model was trained with is not known here, so nothing below is as trained."


def show(looking: Looking) -> None:
    """Return the whole view."""
    if recorded_files(looking.run.folder):
        prepare_option("over", list(OVER), "pools")
        over = st.segmented_control(
            "Weights", list(OVER), key="over", format_func=OVER.__getitem__, label_visibility="collapsed", required=True
        )
        remember("over", over)
        if over == "batches":
            show_recorded(looking)
            return
    show_pools(looking)


def show_pools(looking: Looking) -> None:
    """Return two objectives over the pools of the evaluation."""
    bundle = looking.bundle
    asked = asked_query(bundle)
    rows = bundle.rankings.iloc[looking.queries].sort_values(by="margin", kind="stable").index.to_numpy()
    if not len(rows) and asked is None:
        st.info("No query passes the filters.")
        return
    settings = bundle.objective_settings
    trained = None if settings is None else trained_setting(settings)
    first = first_pair(trained)
    this = choose_objective(THIS, first[0], trained)
    that = choose_objective(THAT, first[1], trained, same_tau=this.temperature)
    st.caption(UNKNOWN if settings is None else " ".join([trained_words(this, that, trained), *left_aside(settings)]))
    number = median_failure(bundle, rows) if asked is None else asked
    with st.container(horizontal=True, vertical_alignment="center"):
        step_through(rows, number, "smallest margin first", keys=("K", "J"))
        query_menu(number, bundle.query(number).query, "menu-query")
    show_query(bundle, number, this, that)
    if len(rows):
        show_all(looking, this, that)


def trained_words(this: Setting, that: Setting, trained: Setting | None) -> str:
    """Say which of the two is the trained objective, or what that was."""
    same = [name for name, each in (("This", this), ("That", that)) if each == trained]
    if same:
        return f"{same[0]} is as trained."
    assert trained is not None
    numbers = ", ".join(f"{name} {value:g}" for name, value in trained.numbers.items())
    return f"Trained with {LABELS[trained.name]}, {numbers}."


def median_failure(bundle: Bundle, rows: np.ndarray) -> int:
    """Return the failed query of the median margin among rows in order of margin; without failures the first."""
    missed = rows[bundle.rankings["hit"].to_numpy()[rows] < 1]
    return int(missed[len(missed) // 2] if len(missed) else rows[0])


def names_of(this: Setting, that: Setting) -> tuple[str, str]:
    """Return the names of the two in figures."""
    return f"this: {LABELS[this.name]}", f"that: {LABELS[that.name]}"


def show_query(bundle: Bundle, number: int, this: Setting, that: Setting) -> None:
    """Return one query: its pictures, its numbers, its negatives' weights and shares."""
    pool = hardness.pools_of(bundle, [number])
    ours, others = (hardness.effect(each.objective, pool) for each in (this, that))
    show_pictures(bundle, number)
    show_numbers(this, that, ours, others)
    left, right = st.columns(2, gap="medium")
    with left:
        st.plotly_chart(weights_of(pool, this, that, ours), key="weights", config={"displaylogo": False})
    with right:
        order = np.argsort(-np.where(pool.wrong[0], pool.similarity[0], -np.inf), kind="stable")[: pool.wrong.sum()]
        labels = [shortened(bundle.words(row)) for row in pool.candidates[0][order]]
        figure = gradient_shares_figure(labels, others.share[0][order], ours.share[0][order], names_of(this, that))
        st.plotly_chart(figure, key="gradient", config={"displaylogo": False})
    st.caption(
        f"Weights and shares are those over the {pool.wrong.sum():,} negatives of this query's pool in this "
        "evaluation, not over a batch of the training."
    )
    if rests(this, pool, ours).any():
        st.caption(RESTING.format("this query"))


def show_pictures(bundle: Bundle, number: int) -> None:
    """Return the query, its right answer and its two hardest negatives, small."""
    query = bundle.query(number)
    shown = [("**Query**", query.query), (":green-badge[right answer]", query.positive)]
    shown += [(f":red-badge[negative {negative.place}]", negative.item) for negative in bundle.hardest(number)[:2]]
    with st.container(horizontal=True, gap="small"):
        for place, (label, row) in enumerate(shown):
            with st.container(border=True, width=220, height="stretch"):
                st.markdown(label)
                show_item(bundle, row, height=72, key=f"shown-{place}", line=CARD_LINE)


def show_numbers(this: Setting, that: Setting, ours: Effect, others: Effect) -> None:
    """Say what the two objectives make of the query's pool."""
    right = RIGHT_PROBABILITY.get(this.name, SOFTMAX_PROBABILITY)
    numbers = (
        ("Effective negatives", ours.effective_negatives[0], others.effective_negatives[0], "{:.1f}", EFFECTIVE),
        ("Loss of this query", ours.loss[0], others.loss[0], "{:.3g}", LOSS),
        ("P(right answer)", ours.right[0], others.right[0], "{:.3f}", right),
        ("Largest share", ours.share[0].max(), others.share[0].max(), "{:.1%}", "Of the query's gradient."),
    )
    for column, (label, own, other, form, definition) in zip(st.columns(4), numbers, strict=True):
        with column:
            st.metric(
                label,
                form.format(own),
                delta=f"that: {form.format(other)}",
                delta_color="off",
                delta_arrow="off",
                help=f"{definition} Above: {LABELS[this.name]}, below: {LABELS[that.name]}.",
                border=True,
            )


def weights_of(pool: Pools, this: Setting, that: Setting, ours: Effect) -> go.Figure:
    """Return the figure of weights of one pool."""
    wrong = pool.wrong[0]
    similarity, positive = pool.similarity[0][wrong], float(pool.similarity[0][pool.positive[0]][0])
    every = np.append(similarity, positive)
    curve = np.linspace(max(-1.0, every.min() - 0.02), min(1.0, every.max() + 0.02), 100)
    lines = [hardness.weights_at(each.objective, curve, positive) for each in (this, that)]
    return weight_curve_figure(similarity, ours.weight[0][wrong], positive, curve, *lines, names=names_of(this, that))
