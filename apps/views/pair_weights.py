"""Pair weights: what does each pair weigh, and what if the objective were another? Recomputed live, no training."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import plotly.graph_objects as go
import streamlit as st

from apps.views import cached
from apps.views.address import prepare_number, prepare_option, remember
from apps.views.captions import shortened
from apps.views.cards import show_item
from apps.views.choose import choose_dataset
from apps.views.queries import choose_query
from core.config import ObjectiveSettings
from core.objectives.softmax import Objective
from workbench.bundles import Bundle
from workbench.figures.gradient_shares import gradient_shares_figure
from workbench.figures.hardness_shares import hardness_shares_figure
from workbench.figures.weight_curve import weight_curve_figure
from workbench.measures import hardness
from workbench.measures.hardness import Effect, Mean, Pools

OBJECTIVES: dict[Literal["llave", "infonce"], str] = {"llave": "LLaVE", "infonce": "InfoNCE"}
ALPHAS = (0.0, 30.0)
TEMPERATURES = (0.005, 0.0063, 0.008, 0.01, 0.0125, 0.016, 0.02, 0.025, 0.032, 0.04, 0.05, 0.063, 0.08, 0.1, 0.14, 0.2)
EFFECTIVE = "exp of the entropy of the shares: all negatives if all pull alike, 1 if one does everything."
PROBABILITY = "The weighted softmax's probability of the right answer; what is missing to 1 is the gradient."


@dataclass(frozen=True)
class Setting:
    """An objective by its settings: what results are kept by."""

    name: Literal["llave", "infonce"]
    alpha: float
    temperature: float


def show(bundle: Bundle) -> None:
    """The whole view."""
    left, right = st.columns([1, 3])
    with left:
        dataset = choose_dataset(bundle.datasets)
    with right:
        rows = bundle.rankings if dataset is None else bundle.rankings.loc[bundle.rankings["dataset"] == dataset]
        number = choose_query(bundle, rows.sort_values(by="margin", kind="stable").index.tolist())
    trained = trained_setting(bundle)
    chosen = choose_setting(trained)
    show_query(bundle, number, trained, chosen)
    st.divider()
    show_all(bundle, dataset, trained, chosen)


def trained_setting(bundle: Bundle) -> Setting:
    """The objective that the model was trained by."""
    settings = bundle.objective_settings
    return Setting(settings.name, settings.alpha if settings.name == "llave" else 0.0, settings.temperature)


def choose_setting(trained: Setting) -> Setting:
    """The what-if objective; at first the trained one."""
    left, middle, right = st.columns([1, 2, 2], gap="medium")
    with left:
        prepare_option("objective", list(OBJECTIVES), trained.name)
        name = st.selectbox("What if: objective", list(OBJECTIVES), key="objective", format_func=OBJECTIVES.__getitem__)
        remember("objective", name)
    with middle:
        prepare_number("alpha", *ALPHAS, min(ALPHAS[1], trained.alpha))
        st.session_state["alpha"] = float(st.session_state["alpha"])
        alpha = st.slider("alpha: strength of the weighting", *ALPHAS, key="alpha", step=0.5, disabled=name != "llave")
        remember("alpha", f"{alpha:g}")
    with right:
        temperatures = sorted({*TEMPERATURES, trained.temperature})
        prepare_option("tau", temperatures, trained.temperature)
        tau = st.select_slider("tau: temperature", temperatures, key="tau", format_func=lambda value: f"{value:g}")
        remember("tau", tau)
    return Setting(name, alpha if name == "llave" else 0.0, tau)


def show_query(bundle: Bundle, number: int, trained: Setting, chosen: Setting) -> None:
    """One query: its pictures, its numbers, its negatives' weights and shares."""
    pool = hardness.pools_of(bundle, [number])
    before, after = (hardness.effect(objective(each), pool) for each in (trained, chosen))
    show_pictures(bundle, number)
    show_numbers(pool, before, after)
    left, right = st.columns(2, gap="medium")
    with left:
        st.plotly_chart(weights_of(pool, trained, chosen, after), key="weights", config={"displayModeBar": False})
    with right:
        order = np.argsort(-np.where(pool.wrong[0], pool.similarity[0], -np.inf), kind="stable")[: pool.wrong.sum()]
        labels = [shortened(bundle.words(row)) for row in pool.candidates[0][order]]
        figure = gradient_shares_figure(labels, before.share[0][order], after.share[0][order])
        st.plotly_chart(figure, key="gradient", config={"displayModeBar": False})


def show_pictures(bundle: Bundle, number: int) -> None:
    """The query, its right answer and its two hardest negatives, small."""
    query = bundle.query(number)
    shown = [("**Query**", query.query), (":green-badge[right answer]", query.positive)]
    shown += [(f":red-badge[negative {negative.place}]", negative.item) for negative in bundle.hardest(number)[:2]]
    for column, (label, row) in zip(st.columns(4), shown, strict=False):
        with column, st.container(border=True, height="stretch"):
            st.markdown(label)
            show_item(bundle, row, height=72)


def show_numbers(pool: Pools, before: Effect, after: Effect) -> None:
    """What the objective makes of the query's pool, against the trained one."""
    own = pool.positive[0].argmax()
    numbers = (
        ("Effective negatives", before.effective_negatives[0], after.effective_negatives[0], "{:.1f}", EFFECTIVE),
        ("Loss of this query", before.loss[0], after.loss[0], "{:.3g}", "In nats, direction query to candidates."),
        ("P(right answer)", before.probability[0, own], after.probability[0, own], "{:.3f}", PROBABILITY),
        ("Largest share", before.share[0].max(), after.share[0].max(), "{:.1%}", "Of the query's gradient."),
    )
    for column, (label, old, new, form, definition) in zip(st.columns(4), numbers, strict=True):
        with column:
            st.metric(
                label,
                form.format(new),
                delta="as trained" if np.isclose(old, new) else f"trained: {form.format(old)}",
                delta_color="off",
                delta_arrow="off",
                help=definition,
                border=True,
            )


def weights_of(pool: Pools, trained: Setting, chosen: Setting, after: Effect) -> go.Figure:
    """The figure of weights of one pool."""
    wrong = pool.wrong[0]
    similarity, positive = pool.similarity[0][wrong], float(pool.similarity[0][pool.positive[0]][0])
    every = np.append(similarity, positive)
    curve = np.linspace(max(-1.0, every.min() - 0.02), min(1.0, every.max() + 0.02), 100)
    lines = [hardness.weights_at(objective(each), curve) for each in (chosen, trained)]
    return weight_curve_figure(similarity, after.weight[0][wrong], positive, curve, *lines)


def show_all(bundle: Bundle, dataset: str | None, trained: Setting, chosen: Setting) -> None:
    """All queries of the data set: where the gradient goes by true hardness, and how many negatives matter."""
    pool = cached.pools(bundle.digest, dataset, bundle)
    st.markdown(f"##### Over {len(pool):,} queries of {'all data sets' if dataset is None else dataset}")
    shares = [cached.shares(bundle.digest, dataset, *setting(each), bundle) for each in (trained, chosen)]
    left, right = st.columns([3, 2], gap="medium")
    with left:
        if shares[1]:
            st.plotly_chart(hardness_shares_figure(*shares), key="hardness", config={"displayModeBar": False})
        else:
            st.info("True hardness is known in the miniature only: these items carry no attributes.")
    with right:
        for each, label in ((chosen, "What if"), (trained, "As trained")):
            done = cached.effect(bundle.digest, dataset, *setting(each), bundle)
            effective = hardness.mean_of(done.effective_negatives)
            st.metric(f"{label}: effective negatives a query", f"{effective.value:.1f}", help=EFFECTIVE)
            st.caption(f"{between(effective, '.1f')}; {pool.wrong.sum(axis=1).mean():.0f} negatives a pool")
        show_correlation(cached.correlation(bundle.digest, dataset, bundle), chosen)


def show_correlation(found: Mean, chosen: Setting) -> None:
    """Whether weight follows true hardness."""
    flat = chosen.name == "infonce" or chosen.alpha == 0
    st.metric(
        "Does weight follow true hardness?",
        "all weigh the same" if flat else "not known" if not found.n else f"{found.value:.2f}",
        help="Spearman's rank correlation, within each query, of a negative's weight with minus the number of asked "
        "attributes in which it truly differs. 1: the truly closest weigh most; 0: no relation. It is the same for "
        "every alpha above 0, because weight rises with similarity.",
    )
    if found.n and not flat:
        st.caption(f"{between(found, '.2f')}, 0 is chance")


def between(found: Mean, form: str) -> str:
    """An interval in words."""
    return f"95 % interval {found.low:{form}} to {found.high:{form}}, {found.n:,} queries"


def objective(chosen: Setting) -> Objective:
    """The objective of a setting, as the trainer builds it."""
    return ObjectiveSettings(name=chosen.name, alpha=chosen.alpha, temperature=chosen.temperature).at(1, 1)


def setting(chosen: Setting) -> tuple[Literal["llave", "infonce"], float, float]:
    """A setting as arguments of the cached functions."""
    return chosen.name, chosen.alpha, chosen.temperature
