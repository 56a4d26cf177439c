"""Similarity: do right answers stand apart from wrong ones, in which data sets, and in which of two models?"""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import streamlit as st

from apps.views import cached_similarity as cached
from apps.views.cached_similarity import matches_of
from apps.views.captions import escaped
from apps.views.choose import choose
from apps.views.export import download_table
from apps.views.looking import Looking
from apps.views.similarity_overlap import show_overlap
from apps.views.switch import switched_on
from workbench.figures.dataset_dots import Axis, Dots, dataset_dots_figure, sorted_names, written
from workbench.measures.dataset_means import Quantity, stores_auroc
from workbench.measures.hardness import Mean
from workbench.measures.matched import Matched

CHART = {"displaylogo": False}
QUANTITIES: Mapping[Quantity, str] = {
    "P@1": "P@1: the first answer is right",
    "auroc_hard": "AUROC against the 5 hardest negatives",
    "auroc_all": "AUROC against all negatives",
    "margin": "Margin to the hardest negative",
}
DEFINITIONS: Mapping[Quantity, str] = {
    "P@1": "Share of queries whose first answer is right, ties by expectation.",
    "auroc_hard": "Within each query, the share of its 5 most similar wrong candidates that lie below its right "
    "answer (ties half), then the mean over queries. 50 % is no difference; below it the hardest mostly win.",
    "auroc_all": "Within each query, the share of all its wrong candidates that lie below its right answer (ties "
    "half), then the mean over queries. 50 % is chance.",
    "margin": "Similarity of the best right answer minus that of the most similar wrong candidate; below 0 the query "
    "fails.",
}
AXES: Mapping[Quantity, tuple[str, float, float | None]] = {
    "P@1": ("P@1, %", 100, None),
    "auroc_hard": ("AUROC against the 5 hardest negatives, %", 100, 0.5),
    "auroc_all": ("AUROC against all negatives, %", 100, 0.5),
    "margin": ("margin, cosine", 1, 0.0),
}
WHY = (
    "Pooled and within-query AUROC differ because the pooled one also compares a right answer with the negatives of "
    "other queries: queries whose similarities lie high or low as a whole blur it, and no ranking. What ranks is the "
    "one within queries."
)


def show(looking: Looking) -> None:
    """Return the whole view."""
    if not len(looking.queries):
        st.info("No query passes the filters and the selection, so there is nothing to compare.")
        return
    quantity = choose("quantity", "Data sets by", list(QUANTITIES), "P@1", QUANTITIES.__getitem__)
    if quantity == "auroc_all" and not stores_auroc(looking.bundle):
        st.info("This evaluation did not store the AUROC of each query; evaluate it again to see it by data set.")
    elif looking.against is None:
        show_alone(looking, quantity)
    else:
        show_beside(looking, quantity)
    show_overlap(looking)
    st.caption(WHY)


def show_alone(looking: Looking, quantity: Quantity) -> None:
    """Return the data sets of one model; where there is a pooled value of the quantity, that beside it."""
    bundle, numbers = looking.bundle, looking.queries
    means = cached.means(looking.key, quantity, bundle, numbers)
    sets = [Dots("within queries" if quantity == "auroc_hard" else looking.run.name, means)]
    if quantity == "auroc_hard":
        sets.append(Dots("all pairs pooled", cached.pooled(looking.key, bundle, numbers)))
    if not means:
        st.info("No query that is looked at has a negative, so this has no value.")
        return
    order = sorted_names(means)
    figure = dataset_dots_figure(sets, order, axis_of(looking, quantity), finding(quantity, means))
    st.plotly_chart(figure, key="dataset-dots", config=CHART)
    st.caption(f"{DEFINITIONS[quantity]} Lines: 95 % intervals over queries. {looking.sentence}.")
    show_numbers(sets, order, quantity)


def show_beside(looking: Looking, quantity: Quantity) -> None:
    """Return the data sets of two models over the queries that both were asked, and the paired differences."""
    other = looking.against
    if other is None:
        return
    found = matches_of(looking, other)
    if not len(found.own):
        st.info(f"{escaped(other.run)} was asked none of these {looking.sentence}; shown without it.")
        show_alone(looking, quantity)
        return
    if quantity == "auroc_all" and not stores_auroc(other.bundle):
        st.info(f"{escaped(other.run)} did not store the AUROC of each query; shown without it.")
        show_alone(looking, quantity)
        return
    key = f"{looking.key} {other.bundle.digest}"
    own = cached.means(f"{key} first", quantity, looking.bundle, found.own)
    theirs = cached.means(f"{key} second", quantity, other.bundle, found.other)
    change, overall = cached.differences(
        looking.key, other.bundle.digest, quantity, looking.bundle, other.bundle, found
    )
    sets = [Dots(names_of(looking)[0], own), Dots(names_of(looking)[1], theirs)]
    by_change = choose("dots_order", "Sorted by", ["value", "difference"], "value") == "difference"
    order = sorted_names(change if by_change and change else own)
    show_two(looking, quantity, sets, change, overall, order)
    st.caption(f"{DEFINITIONS[quantity]} Lines: 95 % intervals over queries. {matching(looking, found)}")
    show_numbers([*sets, Dots("difference", change)], order, quantity)


def show_two(
    looking: Looking, quantity: Quantity, sets: Sequence[Dots], change: Mapping[str, Mean], overall: Mean,
    order: Sequence[str],
) -> None:  # fmt: skip
    """Return the values of both models, and their paired differences beside them."""
    axis = axis_of(looking, quantity)
    scale = axis.scale
    left, right = st.columns([3, 2], gap="small")
    with left:
        title = finding(quantity, sets[0].means)
        st.plotly_chart(dataset_dots_figure(sets, order, axis, title), key="dataset-dots", config=CHART)
    points = "points" if scale == 100 else "cosine"
    title = (
        f"Difference {scale * overall.value:+.{1 if scale == 100 else 3}f} {points}, {verdict(overall)}"
        if overall.n
        else "No difference can be computed"
    )
    with right:
        line = Axis(f"{sets[0].name} minus {sets[1].name}, {points}", scale, 0.0)
        figure = dataset_dots_figure([Dots("paired difference", change)], order, line, title)
        st.plotly_chart(figure, key="dataset-differences", config=CHART)
    if overall.n:
        low, high = written(scale * overall.low, scale), written(scale * overall.high, scale)
        st.markdown(
            f"Over all {overall.n:,} matched queries: **{written(scale * overall.value, scale)}** difference, 95 % "
            f"interval of the paired differences {low} to {high}."
        )


def names_of(looking: Looking) -> tuple[str, str]:
    """Return how the two models are called; by their evaluations too where they are of one run."""
    own, other = looking.run.name, looking.against
    if other is None or other.run != own:
        return own, "" if other is None else other.run
    return f"{own}, {looking.bundle.folder.name}", f"{own}, {other.bundle.folder.name}"


def matching(looking: Looking, found: Matched) -> str:
    """Say how many queries both were asked, and what differs besides the model."""
    said = (
        f"Both over the {len(found.own):,} of {len(looking.queries):,} queries that both were asked: the same data set "
        "and the same query item."
    )
    if found.other_pool:
        said += f" {found.other_pool:,} more have another number of candidates there, which is no fair pair: left out."
    return said


def verdict(overall: Mean) -> str:
    """Say whether an interval tells a difference from none."""
    return "told from none" if overall.low > 0 or overall.high < 0 else "not told from none"


def axis_of(looking: Looking, quantity: Quantity) -> Axis:
    """Return the axis of a quantity; P@1 with the chance of each data set over the queries looked at."""
    title, scale, line = AXES[quantity]
    if quantity != "P@1":
        return Axis(title, scale, line)
    rows = looking.bundle.rankings.iloc[looking.queries]
    chance = rows.groupby("dataset", observed=True)["chance"].mean()
    return Axis(title, scale, line, {str(name): float(value) for name, value in chance.items()})


def finding(quantity: Quantity, means: Mapping[str, Mean]) -> str:
    """Name the best and the worst data set."""
    _, scale, _ = AXES[quantity]
    order = sorted_names(means)
    name = AXES[quantity][0].partition(",")[0]
    if len(order) < 2:
        return f"{name} of {order[0]}: {written(scale * means[order[0]].value, scale)}" if order else name
    best, worst = (f"{each} {written(scale * means[each].value, scale)}" for each in (order[0], order[-1]))
    return f"Best: {best}. Worst: {worst}"


def show_numbers(sets: Sequence[Dots], order: Sequence[str], quantity: Quantity) -> None:
    """Return the numbers of the figure as a table that can be taken away, behind a switch."""
    if not switched_on("dots_numbers", "Show the numbers"):
        return
    scale = AXES[quantity][1]
    table = pd.DataFrame({"data set": list(order)})
    for each in sets:
        means = [each.means.get(name) for name in order]
        for field in ("value", "low", "high"):
            table[f"{each.name}: {field}"] = [
                np.nan if mean is None else scale * getattr(mean, field) for mean in means
            ]
        table[f"{each.name}: queries"] = [0 if mean is None else mean.n for mean in means]
    st.dataframe(table, hide_index=True)
    download_table(table, "data-sets", "dots")
