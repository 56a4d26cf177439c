"""The lower half of Similarity: AUROC pooled and within queries, and the histograms of similarities."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import streamlit as st

from apps.views import cached_similarity as cached
from apps.views.cached_similarity import matches_of
from apps.views.captions import escaped
from apps.views.looking import Looking
from workbench.bundles.bundle import Bundle
from workbench.figures.similarity_overlap import Histograms, similarity_overlap_figure
from workbench.measures.dataset_means import hard_pairs, stores_auroc
from workbench.measures.hardness import Mean
from workbench.measures.overlap import Overlap, of_counts
from workbench.what_if.objective_words import made_by

CHART = {"displaylogo": False}
KINDS = ("positive", "hard", "easy")
DEFINITION = (
    "Probability that a right answer is more similar than a negative; ties count half. 50 % is chance. Intervals: "
    "95 %, queries drawn, not pairs (pooled: DeLong's variance, summed over queries)."
)


@dataclass(frozen=True)
class Side:
    """One model's queries. exact: whether the stored histograms hold just these. key: what results are kept by."""

    name: str
    bundle: Bundle
    numbers: np.ndarray
    dataset: str | None
    exact: bool
    key: str


def sides_of(looking: Looking) -> list[Side]:
    """Return the chosen model, and the other one over the same queries or, unfiltered, over the same data sets."""
    whole = not looking.selection and set(looking.filters.parts) <= {"dataset"}
    bundle, dataset, other = looking.bundle, looking.dataset, looking.against
    sides = [Side(f"{looking.run.name}, {made_by(bundle)}", bundle, looking.queries, dataset, whole, looking.key)]
    if other is None:
        return sides
    if whole:
        numbers = other.bundle.numbers(dataset) if dataset is None or dataset in other.bundle.datasets else np.empty(0)
    else:
        numbers = matches_of(looking, other).other
    if not len(numbers):
        lacking = f" on {escaped(dataset)}" if whole and dataset else " on any of these queries"
        st.info(f"{escaped(other.run)} was not evaluated{lacking}.")
        return sides
    key = f"{looking.key} in {other.bundle.digest}"
    return [*sides, Side(f"{other.run}, {made_by(other.bundle)}", other.bundle, numbers, dataset, whole, key)]


def show_overlap(looking: Looking) -> None:
    """Return the numbers of the chosen model, and the histograms of one or two."""
    st.markdown("##### Right answers against negatives")
    sides = sides_of(looking)
    for side in sides:
        show_measures(side, len(sides) > 1)
    models = [histograms(side) for side in sides]
    figure = similarity_overlap_figure(models, finding(models[0], looking.dataset))
    st.plotly_chart(figure, key="overlap", config=CHART)
    st.caption(
        "Each kind is scaled to its own total. Hard and easy: the 5 most and the 5 least similar wrong candidates of "
        f"each query. {source(sides[0])}"
    )


def source(side: Side) -> str:
    """Say from which queries the histograms are."""
    if side.exact:
        return "Exact counts of every query, stored with the evaluation."
    return (
        f"Right answers and hardest negatives of all {len(side.numbers):,} queries looked at; the easy ones of "
        f"{sample_words(side)}, because the stored counts are by data set only."
    )


def sample_words(side: Side) -> str:
    """Say how many queries are multiplied anew."""
    count = len(cached.sampled(side.bundle, side.numbers))
    every = len(side.numbers)
    return f"all {every:,} queries" if count == every else f"an even sample of {count:,} of {every:,} queries"


def show_measures(side: Side, named: bool) -> None:
    """AUROC against hard, all and easy negatives: pooled, and within queries where that is known."""
    if named:
        st.markdown(f"**{escaped(side.name)}**")
    pooled_hard, within_hard = cached.hard(side.key, side.bundle, side.numbers)
    sample = cached.overlaps(side.key, side.bundle, side.numbers)
    within_all = cached.within_all(side.key, side.bundle, side.numbers)
    of_all = f"{within_all.n:,} queries" if stores_auroc(side.bundle) else sample_words(side)
    cards = (
        ("hard", pooled_hard, within_hard, f"{pooled_hard.n:,} queries, their 5 hardest", ""),
        ("all", pooled_of(sample["all"], side), within_all, of_all, sample_words(side)),
        ("easy", pooled_of(sample["easy"], side), None, "", sample_words(side)),
    )
    for column, (kind, pooled, within, base, sampled) in zip(st.columns(3), cards, strict=True):
        with column, st.container(border=True, height="stretch"):
            show_card(kind, pooled, within, base, sampled)


def pooled_of(found: tuple[Overlap, tuple[float, float]], side: Side) -> Mean:
    """Return the pooled AUROC of the sample."""
    return Mean(found[0].auroc, *found[1], len(cached.sampled(side.bundle, side.numbers)))


def show_card(kind: str, pooled: Mean, within: Mean | None, base: str, sampled: str) -> None:
    """Return the AUROC against one kind of negatives, within queries and pooled beside each other."""
    main = pooled if within is None else within
    st.metric(
        f"AUROC against {kind} negatives",
        percent(main.value),
        delta=f"95 %: {percent(main.low)} to {percent(main.high)}",
        delta_color="off",
        delta_arrow="off",
        help=DEFINITION,
    )
    if within is None:
        st.caption(f"all pairs pooled; {sampled}")
        return
    st.caption(
        f"within queries, {base}  \npooled {percent(pooled.value)} ({percent(pooled.low)} to {percent(pooled.high)})"
        + (f", {sampled}" if sampled else "")
    )


def histograms(side: Side) -> Histograms:
    """Return the counts by kind: those stored for a data set, or all; for other queries those that can be counted."""
    edges, stored = side.bundle.counts(side.dataset)
    counts: Mapping[str, np.ndarray] = {kind: stored[kind] for kind in KINDS} if side.exact else counted(side, edges)
    found = of_counts(counts["positive"], counts["hard"], (edges[1:] + edges[:-1]) / 2)
    note = f"overlap of right and hard {percent(found.overlap)}, d' {found.d_prime:.2f}"
    return Histograms(side.name, note, edges, counts)


def counted(side: Side, edges: np.ndarray) -> dict[str, np.ndarray]:
    """Count the similarities of the queries looked at: right and hard of all of them, easy of the sample."""
    pairs = hard_pairs(side.bundle, side.numbers)
    chosen = cached.pools(side.key, side.bundle, side.numbers)
    lowest = np.sort(np.where(chosen.wrong, chosen.similarity, np.inf), axis=1)[:, :5]
    values = {"positive": pairs.positive, "hard": pairs.negative, "easy": lowest[np.isfinite(lowest)]}
    return {kind: np.histogram(np.clip(each, -1, 1), edges)[0] for kind, each in values.items()}


def finding(model: Histograms, dataset: str | None) -> str:
    """Return the answer to the question whether they overlap."""
    where = "all data sets" if dataset is None else dataset
    if not model.counts["hard"].sum():
        return f"There are no negatives in {where}"
    found = of_counts(model.counts["positive"], model.counts["hard"], (model.edges[1:] + model.edges[:-1]) / 2)
    return f"In {where}, {percent(found.overlap)} of right answers and hard negatives overlap"


def percent(share: float) -> str:
    """Return a share as a percentage, or a word where it does not exist."""
    return "unknown" if np.isnan(share) else f"{100 * share:.1f} %"
